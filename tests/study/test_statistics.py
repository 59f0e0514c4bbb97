"""Numbers of a study, gathered by hand."""

import pytest

from cotjax.study.statistics import by_variant, constant_guess
from cotjax.tasks.base import Question
from tests.study.drawn import results


def question(choices: tuple[str, ...], label: str) -> Question:
    return Question("q", "which?", choices, label, "test")


def test_the_constant_guess_names_a_place_among_the_choices():
    asked = [
        question(("red", "blue"), "red"),
        question(("up", "down"), "down"),
        question(("left", "right"), "right"),
    ]
    guess = constant_guess(asked)
    assert guess == {"accuracy": pytest.approx(2 / 3), "num_questions": 3}


def test_the_constant_guess_of_open_questions_is_the_commonest_label():
    guess = constant_guess([question((), label) for label in ("7", "9", "7", "7")])
    assert guess["accuracy"] == 0.75


def test_runs_are_gathered_by_variant_in_the_order_of_study_and_seeds():
    plain, first = by_variant(results())
    assert (plain.title, first.title) == ("label only", "label <first>")
    assert plain.accuracy["test"].values == (0.50, 0.54)
    assert first.accuracy["test"].mean == pytest.approx(0.94)
    assert first.accuracy["train"].values == (0.80, 0.82)
    assert first.intervals["test"][0] == pytest.approx((0.8, 1.0))
    assert plain.label_nll.mean == pytest.approx(0.125 + 0.52)


def test_an_interrupted_run_has_no_seconds():
    plain, _ = by_variant(results())
    assert plain.seconds == (None, 10.0)
