"""Settings of targets and losses that would change nothing are refused by name."""

import pytest

from cotjax import config as configs
from cotjax.errors import InputError

MIXTURE = ["data.selection.name=mixture", "data.selection.mixture=level=1:1,level=5:2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.selection.name=first"], "question_weight='mean' has no effect with .*'first'"),
        (["data.selection.name=one_per_epoch"], "question_weight='mean' .*'one_per_epoch'"),
        (MIXTURE, "question_weight='mean' has no effect .*'mixture': an epoch has one"),
        (["data.selection.name=random", "data.selection.k=1"], "question_weight='mean' .*'random'"),
    ],
)
def test_questions_of_one_target_have_no_mean(repository, words, message):
    _is_refused(repository, [*words, "data.question_weight=mean"], message)


@pytest.mark.parametrize("order", ["label_only", "rationale_input"])
def test_what_is_not_said_has_no_weight(repository, order):
    words = [f"data.order={order}", "loss.rationale_weight=0.5"]
    message = rf"rationale_weight=0.5 has no effect with .*{order}.*says no rationale"
    _is_refused(repository, words, message)


@pytest.mark.parametrize("name", ["without_label", "key_words"])
def test_a_reader_is_not_taught_on_words_that_the_label_chooses(repository, name):
    words = [f"data.words.name={name}", *["data.words.k=2"] * (name == "key_words")]
    message = f"words.name='{name}' goes by the gold label, .*order='rationale_input'"
    _is_refused(repository, ["data.order=rationale_input", *words], message)


@pytest.mark.parametrize(
    "words",
    [
        ["data.selection.name=random", "data.selection.k=2", "data.question_weight=mean"],
        ["data.question_weight=mean"],
        ["data.order=label_first", "loss.rationale_weight=0.5"],
        ["data.order=label_only", "loss.label_weight=0.5"],
        [*MIXTURE, "data.perturbation.name=drop"],
        ["data.words.name=without_label", "data.perturbation.name=shuffle"],
        ["data.order=rationale_first", "data.words.name=without_label"],
        ["data.order=rationale_input", "data.words.name=random_k", "data.words.k=2"],
    ],
)
def test_what_has_an_effect_is_taken(repository, words):
    configs.load(repository / "configs" / "default.py", [f"--config.{word}" for word in words])


def _is_refused(repository, words, message):
    with pytest.raises(InputError, match=message) as error:
        configs.load(repository / "configs" / "default.py", [f"--config.{word}" for word in words])
    assert "\n" not in str(error.value)
