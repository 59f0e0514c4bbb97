"""Fields of perturbations that would change nothing, or that one lacks."""

import dataclasses

import pytest

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.perturbation_rules import READERS
from cotjax.targets.perturb import PERTURBATIONS


@pytest.fixture
def load(repository):
    def loaded(**fields):
        words = [f"--config.data.perturbation.{name}={value}" for name, value in fields.items()]
        return configs.load(repository / "configs" / "default.py", words)

    return loaded


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unit": "tokens"}, "unit='tokens' has no effect with .*name='none'"),
        ({"name": "swap", "unit": "steps"}, "unit='steps' has no effect"),
        ({"name": "insert", "unit": "tokens"}, "unit='tokens' has no effect"),
        ({"name": "fill_random", "length": 5, "unit": "steps"}, "unit='steps' has no effect"),
        ({"name": "digits", "unit": "steps"}, "unit='steps': digits are corrupted by words or"),
        ({"name": "shuffle", "fraction": 0.2}, "fraction=0.2 has no effect with .*'shuffle'"),
        ({"name": "drop", "mask_token": "x"}, "mask_token='x' has no effect.*read by mask$"),
        ({"name": "shuffle", "length": 8}, "length=8 has no effect.*fill_repeat, shorten$"),
        ({"name": "drop", "reference": "level=1"}, "reference='level=1' has no effect"),
        ({"name": "reverse", "redraw": "run"}, "redraw='run' has no effect with .*'reverse'"),
        ({"redraw": "run"}, "redraw='run' has no effect with .*'none'"),
        ({"name": "shorten"}, "set one of them"),
        ({"name": "fill_repeat", "length": 8, "reference": "level=1"}, "set one of them"),
        ({"name": "shorten", "length": 0}, "length=0 must be 1 or more"),
        ({"name": "shorten", "reference": "level"}, "reference='level': write name=value"),
        ({"name": "drops"}, "did you mean 'drop'"),
    ],
)
def test_what_changes_nothing_or_is_missing_is_named(load, fields, message):
    with pytest.raises(InputError, match=message) as error:
        load(**fields)
    assert "\n" not in str(error.value)


def test_a_teachers_answers_are_no_label_of_a_question(repository):
    words = ["perturbation.name=swap_same_label", "label_source=teacher"]
    with pytest.raises(InputError, match=r"needs config\.data\.label_source='gold'"):
        configs.load(
            repository / "configs" / "default.py", [f"--config.data.{word}" for word in words]
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["selection.name=mixture", "perturbation.name=swap"], "'swap' takes.*selection.mixture"),
        (["selection.name=mixture", "perturbation.name=insert"], "'insert' takes.*use another se"),
        (["words.name=without_label", "perturbation.name=swap"], "'without_label' takes.*'swap'"),
        (
            ["words.name=without_label", "perturbation.name=fill_random", "perturbation.length=9"],
            "'without_label' takes.*'fill_random' adds",
        ),
    ],
)
def test_other_questions_rationales_undo_what_a_choice_is_for(repository, words, message):
    words = [*words, "selection.mixture=level=1:1,level=5:2"] if "mixture" in words[0] else words
    with pytest.raises(InputError, match=message) as error:
        configs.load(
            repository / "configs" / "default.py", [f"--config.data.{word}" for word in words]
        )
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "digits", "unit": "tokens", "fraction": 1.0},
        {"name": "drop", "unit": "steps", "fraction": 0.0, "redraw": "run"},
        {"name": "fill_repeat", "length": 40},
        {"name": "shorten", "reference": "level=1"},
        {"name": "insert", "unit": "steps"},
        {"name": "mask", "mask_token": "<pad>"},
        {"name": "swap_same_label", "redraw": "run"},
    ],
)
def test_what_a_perturbation_reads_is_taken(load, fields):
    section = load(**fields).data.perturbation
    assert {name: section[name] for name in fields} == fields


def test_the_readers_of_a_field_are_those_that_have_it():
    for field in ("unit", "fraction", "mask_token", "length"):
        have = {
            name
            for name, kind in PERTURBATIONS.items()
            if any(one.name == field and one.init for one in dataclasses.fields(kind))
        }
        assert have == set(READERS[field])
