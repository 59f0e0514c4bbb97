"""What variants choose from what their tuning runs came to; nothing is trained."""

import dataclasses
import json

import pytest

from configs.default import get_config as default_config
from cotjax.errors import InputError
from cotjax.study.definition import Study, Tuning, Variant
from cotjax.study.grid import plan_tuning
from cotjax.study.tuning import (
    ALL_FAILED,
    CHOICES,
    NOT_OVER,
    Choice,
    Choices,
    Tried,
    choose,
    final_runs,
    keep,
)

RATE = "optimizer.learning_rate"
A, B = Variant("a", "a", {}), Variant("b", "b", {"data.order": "label_only"})
STUDY = Study(
    "Which?", default_config(), (A, B), (0, 1), tuning=Tuning({RATE: (0.1, 0.2, 0.3)}, (7, 8))
)
FAILED = "failed"


def again(workdir, run, validation: float):
    """Writes the result of a tuning run that was repeated."""
    (workdir / run.folder / "result.json").write_text(json.dumps({"validation": validation}))


def came_to(workdir, **validation):
    """Writes results: by variant, the values of seeds 7 and 8 at each of the three rates."""
    for run in plan_tuning(STUDY):
        rate = (0.1, 0.2, 0.3).index(run.settings[RATE])
        value = validation[run.variant.name][rate][run.seed - 7]
        folder = workdir / run.folder
        folder.mkdir(parents=True)
        if value == FAILED:
            (folder / "failure.json").write_text(json.dumps({"reason": "no luck"}))
        elif value != "waiting":
            (folder / "result.json").write_text(json.dumps({"validation": value}))
    return choose(STUDY, workdir)


def test_each_variant_has_the_best_mean_and_they_share_the_best_on_average(tmp_path):
    choices = came_to(
        tmp_path,
        a=((0.5, 0.5), (0.2, 1.0), (0.1, 0.1)),  # means 0.5, 0.6, 0.1
        b=((0.4, 0.8), (0.3, 0.3), (0.7, 0.7)),  # means 0.6, 0.3, 0.7
    )
    assert {name: one.settings for name, one in choices.by_variant.items()} == {
        "a": {RATE: 0.2}, "b": {RATE: 0.3},
    }  # fmt: skip
    assert choices.shared == {RATE: 0.1}  # 1.1 in all; 0.9 and 0.8 the others
    assert [one.mean for one in choices.by_variant["a"].tried] == [0.5, 0.6, 0.1]


def test_final_runs_are_at_own_and_at_shared_settings(tmp_path):
    same, best, bad = (0.5, 0.5), (0.6, 0.6), (0.1, 0.1)
    choices = came_to(tmp_path, a=(best, same, bad), b=(same, best, bad))
    assert choices.shared == {RATE: 0.1}  # of equal ones the first
    runs = final_runs(STUDY, choices)
    assert [(run.folder, run.config.optimizer.learning_rate) for run in runs] == [
        ("runs/a-seed0", 0.1), ("runs/b-seed0", 0.2), ("shared/b-seed0", 0.1),
        ("runs/a-seed1", 0.1), ("runs/b-seed1", 0.2), ("shared/b-seed1", 0.1),
    ]  # fmt: skip


def test_a_setting_that_failed_once_is_not_chosen(tmp_path):
    choices = came_to(
        tmp_path,
        a=((0.9, FAILED), (0.2, 0.2), (0.3, 0.3)),
        b=((0.9, 0.9), (0.4, 0.4), (0.1, 0.1)),
    )
    assert choices.by_variant["a"].settings == {RATE: 0.3}
    assert choices.by_variant["a"].tried[0].validation == (0.9, None)
    assert choices.by_variant["a"].tried[0].mean is None
    assert choices.shared == {RATE: 0.2}


def test_an_accuracy_that_is_no_number_is_not_chosen(tmp_path):
    low = (0.1, 0.1)
    choices = came_to(tmp_path, a=((None, 0.9), low, low), b=(low, low, low))
    assert choices.by_variant["a"].settings == {RATE: 0.2}


def test_a_variant_chooses_when_all_its_runs_are_over(tmp_path):
    low = (0.1, 0.1)
    choices = came_to(tmp_path, a=(low, (0.9, "waiting"), low), b=(low, low, low))
    assert set(choices.by_variant) == {"b"}
    assert choices.open == {"a": NOT_OVER}
    assert choices.shared is None
    assert [run.folder for run in final_runs(STUDY, choices)] == ["runs/b-seed0", "runs/b-seed1"]


def test_a_variant_of_which_everything_failed_has_no_runs(tmp_path):
    none, low = (FAILED, FAILED), (0.1, 0.1)
    choices = came_to(tmp_path, a=(none, none, none), b=(low, low, low))
    assert set(choices.by_variant) == {"b"}
    assert choices.open == {"a": ALL_FAILED}


def test_a_choice_that_was_kept_stays_when_a_run_is_repeated(tmp_path):
    high, low = (0.9, 0.9), (0.1, 0.1)
    choices = came_to(tmp_path, a=(high, low, low), b=((0.9, "waiting"), low, low))
    keep(STUDY, tmp_path, choices)
    repeated = plan_tuning(STUDY)[4]
    assert (repeated.variant, repeated.settings) == (A, {RATE: 0.3})
    for seed in (0, 6):
        again(tmp_path, plan_tuning(STUDY)[4 + seed], 1.0)
    found = choose(STUDY, tmp_path)
    assert found.by_variant == choices.by_variant
    assert found.by_variant["a"].settings == {RATE: 0.1}
    assert found.outdated == ("a",)
    assert found.open == {"b": NOT_OVER}  # whose choice was not made, and not kept
    (tmp_path / CHOICES).unlink()
    assert choose(STUDY, tmp_path).by_variant["a"].settings == {RATE: 0.3}


def test_what_was_kept_is_what_was_chosen(tmp_path):
    tuning = Tuning({"loss.label_weight": (1.0, 2.0), RATE: (0.1, 0.2)}, (7, 8))
    study = dataclasses.replace(STUDY, tuning=tuning)
    tried = [Tried(settings, (0.5, None), None) for settings in tuning.settings()[:3]]
    tried.append(Tried(tuning.settings()[3], (0.5, 0.7), 0.6))
    choices = Choices({"b": Choice(tried[3].settings, tuple(tried))}, None, {"a": NOT_OVER}, ())
    keep(study, tmp_path, choices)
    assert choose(study, tmp_path) == choices


@pytest.mark.parametrize(
    "tuning",
    [
        Tuning({RATE: (0.1, 0.2)}, (7, 8)),
        Tuning({RATE: (0.1, 0.2, 0.4)}, (7, 8)),
        Tuning({RATE: (0.1, 0.2, 0.3)}, (7, 9)),
    ],
)
def test_choices_among_other_settings_are_refused(tmp_path, tuning):
    low = (0.1, 0.1)
    keep(STUDY, tmp_path, came_to(tmp_path, a=(low, low, low), b=(low, low, low)))
    with pytest.raises(InputError, match=r"choices\.json: does not hold choices among"):
        choose(dataclasses.replace(STUDY, tuning=tuning), tmp_path)


@pytest.mark.parametrize("content", ["[]", '{"a": {}}', '{"a": {"tried": 3}}'])
def test_a_damaged_file_of_choices_is_refused(tmp_path, content):
    (tmp_path / CHOICES).write_text(content)
    with pytest.raises(InputError, match=r"choices\.json: does not hold choices"):
        choose(STUDY, tmp_path)
