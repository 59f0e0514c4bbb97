"""Which rationales become targets, drawn by hand: right, wrong and unparsed answers, and tags."""

import pytest

from cotjax.records import Rationale
from cotjax.targets.selection import Selection

ANSWERS = {"+": True, "-": False, "?": None}


def rationales(answers: str, *tags: dict) -> list[Rationale]:
    tags = tags or (None,) * len(answers)
    return [
        Rationale(0, "text", answer, ANSWERS[answer], tags=its)
        for answer, its in zip(answers, tags, strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "correct_only", "answers", "chosen"),
    [
        ("all", False, "-+?+", [0, 1, 2, 3]),
        ("all", True, "-+?+", [1, 3]),
        ("first", False, "-+?+", [0]),
        ("first", True, "-+?+", [1]),  # the first of those that qualify
        ("one_per_epoch", False, "-+?+", [0, 1, 2, 3]),  # an epoch draws from all
        ("one_per_epoch", True, "-+?+", [1, 3]),
        ("all", True, "-?", []),
        ("first", True, "-?", []),
        ("all", False, "", []),
        ("first", False, "", []),
    ],
)
def test_the_chosen(name, correct_only, answers, chosen):
    assert Selection(name, correct_only).choose(rationales(answers))[0] == chosen


def test_all_are_chosen_by_default():
    assert Selection().choose(rationales("?-")) == ([0, 1], {})


TAGGED = rationales("+-+++", {"level": 1}, {"level": 2}, {"level": "2"}, {"level": 2.0}, None)


@pytest.mark.parametrize(
    ("tags", "of_question", "chosen"),
    [
        ({"level": 2}, None, [1, 2]),  # 2 and "2", not 2.0
        ({"level": "2"}, None, [1, 2]),
        ({"level": 2, "format": "plain"}, None, []),
        ({"level": 2, "format": "plain"}, {"format": "plain"}, [1, 2]),  # tags of the question
        ({"level": 1}, {"level": 1}, [0, 4]),  # the rationale's own tag counts first
        ({"level": None}, None, []),  # a missing tag is no tag
    ],
)
def test_all_tags_are_needed(tags, of_question, chosen):
    assert Selection(tags=tags).choose(TAGGED, of_question)[0] == chosen


def test_what_is_dropped_has_one_reason():
    selection = Selection("first", correct_only=True, tags={"level": 2})
    answers = rationales("-+++", {"level": 2}, {"level": 2}, {"level": 2}, {"level": 1})
    assert selection.choose(answers) == (
        [1],
        {
            "rationales with other tags": 1,
            "rationales with a wrong or unparsed answer": 1,
            "rationales after the first": 1,
        },
    )
