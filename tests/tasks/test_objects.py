"""Shuffled objects: stories that read like the released ones, and are solved from their text."""

import collections
import itertools
import json
import re

import pytest

from cotjax.errors import InputError
from cotjax.tasks import Question, get_task
from cotjax.tasks.objects import SCENARIOS
from cotjax.tasks.sources import to_question


def solve(question: str) -> str:
    """Plays a story from its text alone."""
    has = r"(?:has an?|gets|is playing|is dancing with)"
    start, story = re.split(r"[:] ", question, maxsplit=1)[1].split(". ", 1)
    held = dict(re.findall(rf"(\w+) {has} ([^,]+?)(?:,|$)", start))
    for one, other in re.findall(r"(?:First|Then|Finally), (\w+) and (\w+) ", story):
        held[one], held[other] = held[other], held[one]
    (asked,) = re.findall(r"At the end of the \w+, (\w+) ", story)
    return held[asked]


def test_a_record():
    record = get_task("shuffled_objects", "letter").oracle_records("train")[0]
    assert record.question == (
        "Alice, Bob, and Claire are playing a game. At the start of the game, they are each holding"
        " a ball: Alice has a brown ball, Bob has a black ball, and Claire has a pink ball. As the"
        " game progresses, pairs of players trade balls. First, Alice and Bob swap balls. Then,"
        " Claire and Bob swap balls. Finally, Alice and Claire swap balls. At the end of the game,"
        " Claire has the"
    )
    assert record.choices == ("brown ball", "black ball", "pink ball")
    assert record.label == "black ball"
    assert record.rationales[0].text == (
        "First, Alice and Bob swap balls. Now Alice has the black ball and Bob has the brown ball."
        " Then, Claire and Bob swap balls. Now Claire has the brown ball and Bob has the pink ball."
        " Finally, Alice and Claire swap balls. Now Alice has the brown ball and Claire has the"
        " black ball. At the end of the game, Claire has the black ball."
    )


@pytest.mark.parametrize(("objects", "swaps"), [(3, 1), (3, 3), (5, 2), (5, 5), (7, 12)])
def test_labels_and_rationales_are_right(objects, swaps):
    options = {"objects": objects, "swaps": swaps, "train_questions": 300}
    task = get_task("shuffled_objects", "letter_text", **options)
    scenarios, letters = collections.Counter(), collections.Counter()
    for record in task.oracle_records("train"):
        question = to_question(record, "train")
        text = record.rationales[0].text
        assert len({*record.choices}) == len(record.choices) == objects
        assert record.label == solve(record.question)
        for said in (text, f"{text} So the answer is {task.format_label(question, record.label)}"):
            assert task.is_right(task.parse(said, question), question)
        pairs = re.findall(r"(?:First|Then|Finally), (\w+) and (\w+) ", record.question)
        assert len(pairs) == swaps
        assert all({*one} != {*other} for one, other in itertools.pairwise(pairs))
        scenarios[next(s.middle for s in SCENARIOS if s.middle in record.question)] += 1
        letters[record.choices.index(record.label)] += 1
    assert len(scenarios) == len(SCENARIOS)
    assert min(scenarios.values()) > 30
    assert len(letters) == objects
    if swaps >= 3:  # after one swap most of those asked have what they had
        assert max(letters.values()) < 2 * 300 / objects


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objects": 2}, "objects=2 must lie between 3 and 7"),
        ({"objects": 8}, "objects=8 must lie between 3 and 7"),
        ({"swaps": 0}, "swaps=0 must be 1 or more"),
        (
            {"swaps": 1, "train_questions": 70_000},
            r"70900 questions .*, but only 64800 stories: 3600 starts times 6 orders of swaps"
            " times 3 people",
        ),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        get_task("shuffled_objects", "letter", **options)


# The real files.
def read(shared, split: str) -> list[tuple[Question, dict]]:
    path = shared / "data" / "multi_sample" / f"tracking_shuffled_objects_{split}.json"
    questions = []
    for row in json.loads(path.read_text(encoding="utf-8")):
        stem, listed = row["input"].split("Which choice is true? Answer choices:")
        choices = tuple(re.split(r",? \([A-C]\) ", listed.removesuffix("."))[1:])
        label = choices["ABC".index(row["answer"])]
        questions.append((Question("q", stem, choices, label, split), row))
    return questions


@pytest.mark.parametrize(("split", "count"), [("train", 512), ("test", 225)])
def test_real_stories_are_solved(shared, split, count):
    labels = {question.text: question.label for question, _ in read(shared, split)}
    assert len(labels) == count
    assert all(solve(text) == label for text, label in labels.items())


def test_real_stories_are_worded_like_ours(shared):
    """Every one could be ours but for its line breaks: it is made of a scenario's words."""
    ours = collections.Counter()
    for question, _ in read(shared, "test"):
        text = " ".join(question.text.split())
        (scenario,) = (s for s in SCENARIOS if s.middle in text)
        ours[scenario.middle] += 1
        start, rest = text.split(f" {scenario.middle} ")
        assert start.startswith(f"Alice, Bob, and Claire {scenario.start} Alice {scenario.has} ")
        assert set(question.choices) <= set(scenario.objects)
        assert len(re.findall(rf"\w+ and \w+ {scenario.swap}\.", rest)) == 3
        assert re.search(rf"{scenario.end} \w+ {scenario.ends}$", rest)
    assert len(ours) == len(SCENARIOS)


def test_real_rationales_are_read(shared):
    """All are released as right; the 16 read as wrong do end with the letter of another choice."""
    task = get_task("shuffled_objects", "letter")
    wrong = []
    for question, row in read(shared, "train"):
        answer = task.parse(row["chain"], question)
        if not task.is_right(answer, question):
            assert re.search(rf"\({'ABC'[question.choices.index(answer)]}\) [^()]*$", row["chain"])
            wrong.append(answer)
    assert len(wrong) == 16


def test_real_answers_are_judged_as_in_the_release(shared):
    task = get_task("shuffled_objects", "letter")
    for question, row in read(shared, "test"):
        answer = task.parse(row["completion"], question)
        assert task.is_right(answer, question) == row["initial_correct"]
