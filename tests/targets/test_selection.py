"""Which rationales become targets, drawn by hand: right, wrong and unparsed answers."""

import pytest

from cotjax.records import Rationale
from cotjax.targets.selection import Selection

ANSWERS = {"+": True, "-": False, "?": None}


def rationales(answers: str) -> list[Rationale]:
    return [Rationale(0, "text", answer, ANSWERS[answer]) for answer in answers]


@pytest.mark.parametrize(
    ("name", "correct_only", "answers", "chosen"),
    [
        ("all", False, "-+?+", [0, 1, 2, 3]),
        ("all", True, "-+?+", [1, 3]),
        ("first", False, "-+?+", [0]),
        ("first", True, "-+?+", [1]),  # the first of those that qualify
        ("all", True, "-?", []),
        ("first", True, "-?", []),
        ("all", False, "", []),
        ("first", False, "", []),
    ],
)
def test_the_chosen(name, correct_only, answers, chosen):
    assert Selection(name, correct_only).choose(rationales(answers)) == chosen


def test_all_are_chosen_by_default():
    assert Selection().choose(rationales("?-")) == [0, 1]
