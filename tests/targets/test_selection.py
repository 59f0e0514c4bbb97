"""Which rationales become targets, drawn by hand: right, wrong and unparsed answers."""

import dataclasses

import pytest

from cotjax.targets.selection import Selection


@dataclasses.dataclass(frozen=True)
class Rationale:
    correct: bool | None


ANSWERS = {"+": True, "-": False, "?": None}


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
    rationales = [Rationale(ANSWERS[answer]) for answer in answers]
    assert Selection(name, correct_only).choose(rationales) == chosen


def test_all_are_chosen_by_default():
    assert Selection().choose([Rationale(None), Rationale(False)]) == [0, 1]
