"""Words and characters as configs name them: what is refused, and a run's table of targets."""

import pytest

from cotjax import config as configs
from cotjax.data.perturbed import units_of
from cotjax.errors import InputError
from cotjax.targets.words import WordChoice
from cotjax.training.prepare import prepare, words_of


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, WordChoice()),
        ({"name": "first_k", "k": 2}, WordChoice("first_k", 2, seed=5)),
        ({"name": "random_k", "fraction": 0.3}, WordChoice("random_k", fraction=0.3, seed=5)),
        (
            {"name": "key_words", "k": 2, "by_rank": True},
            WordChoice("key_words", 2, by_rank=True, seed=5),
        ),
        ({"name": "without_label"}, WordChoice("without_label", seed=5)),
        ({"name": "without_keywords"}, WordChoice("without_keywords", seed=5)),
    ],
)
def test_the_choice_that_a_config_names(repository, fields, choice):
    seed = 5 if fields else 0
    assert words_of(_load(repository, fields, seed=seed)) == choice


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"name": "first_k"},
            "data.words.k must be set for words 'first_k', or config.data",
        ),
        ({"name": "random_k"}, "data.words.k must be set"),
        ({"name": "key_words"}, "data.words.k must be set"),
        ({"name": "first_k", "k": 2, "fraction": 0.5}, "k=2 and config.data.words.fraction: set"),
        ({"k": 2}, "data.words.k=2 needs config.data.words.name=first_k, random_k, key_words, not"),
        ({"fraction": 0.5}, "data.words.fraction=0.5 needs config.data.words.name"),
        ({"name": "without_label", "k": 2}, "data.words.k=2 needs"),
        ({"name": "without_keywords", "fraction": 0.5}, "data.words.fraction=0.5 needs"),
        ({"name": "first_k", "fraction": 0.0}, "data.words.fraction=0.0 must be above 0"),
        ({"name": "first_k", "fraction": 1.5}, "data.words.fraction=1.5 must be above 0"),
        ({"name": "first_k", "k": 2, "by_rank": True}, "by_rank=True has no effect with"),
        ({"by_rank": True}, "by_rank=True has no effect with"),
        ({"name": "last_k", "k": 2}, "data.words.name='last_k'"),
    ],
)
def test_what_is_refused(repository, fields, message):
    with pytest.raises(InputError, match=message):
        _load(repository, fields)


def test_a_run_says_what_its_choice_left_out(repository, tmp_path):
    """The comparison's rationales have 7 words: ent1 is size2 while ent3 is size4."""
    config = _load(repository, {"name": "random_k", "fraction": 0.5})
    config.data.cache = str(tmp_path)
    experiment = prepare(config, 1)
    table, counts = experiment.steps.table, experiment.counts
    assert counts["dropped/words of rationales"] == 3 * counts["targets"]
    assert counts["kept/rationales with no word left"] == 0
    ends = table.rationales.offsets[1:] - 1
    assert set(units_of(table, "words")[ends]) == {3}


def _load(repository, fields, **others):
    words = [f"--config.data.words.{name}={value}" for name, value in fields.items()]
    words += [f"--config.{name}={value}" for name, value in others.items()]
    return configs.load(repository / "configs" / "default.py", words)
