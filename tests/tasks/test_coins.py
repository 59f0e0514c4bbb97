"""Coin flips: the paper's wording, and answers that a coin turned over and over confirms."""

import collections
import re

import pytest

from cotjax.errors import InputError
from cotjax.tasks import get_task
from cotjax.tasks.names import NAMES
from cotjax.tasks.sources import to_question


def toss(question: str) -> str:
    heads = True
    for act in re.findall(r"\w+ (flips|does not flip) the coin\.", question):
        heads ^= act == "flips"
    return "yes" if heads else "no"


def test_records():
    task = get_task("coin_flip", "text", flips=2)
    answers = {}
    for record in task.oracle_records("train"):
        acts = re.findall(r"(\w+) (flips|does not flip)", record.question)
        answers.setdefault(tuple(act for _, act in acts), (acts, record))
    (first, _), (second, _) = answers["flips", "flips"][0]
    record = answers["flips", "flips"][1]
    assert record.question == (
        f"A coin is heads up. {first} flips the coin. {second} flips the coin. Is the coin still"
        ' heads up? Note that "flip" here means "reverse".'
    )
    assert (record.choices, record.label) == (("yes", "no"), "yes")
    assert record.rationales[0].text == (
        f"The coin was flipped by {first} and {second}. So the coin was flipped 2 times, which is"
        " an even number. The coin started heads up, so after an even number of flips, it will"
        " still be heads up."
    )
    (_, (second, _)), record = answers["does not flip", "flips"]
    assert record.label == "no"
    assert record.rationales[0].text == (
        f"The coin was flipped by {second}. So the coin was flipped 1 time, which is an odd number."
        " The coin started heads up, so after an odd number of flips, it will be tails up."
    )
    _, record = answers["does not flip", "does not flip"]
    assert record.label == "yes"
    assert "flipped by no one" in record.rationales[0].text


@pytest.mark.parametrize("flips", [1, 4, 10])
def test_labels_are_right_and_balanced(flips):
    sizes = {"train_questions": 500, "validation_questions": 0, "test_questions": 0}
    task = get_task("coin_flip", "text", flips=flips, **sizes)
    labels = collections.Counter()
    for record in task.oracle_records("train"):
        question = to_question(record, "train")
        text = f"{record.rationales[0].text} So the answer is {record.label}"
        assert record.question.count("the coin.") == flips
        assert record.label == toss(record.question)
        assert task.is_right(task.parse(text, question), question)
        labels[record.label] += 1
    assert 200 < labels["yes"] < 300  # four standard deviations around 250


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flips": 0}, f"flips=0 must lie between 1 and {len(NAMES)}"),
        ({"flips": 1}, f"2900 questions .*, but only {2 * len(NAMES)} ways in which 1 of"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        get_task("coin_flip", "text", **options)
