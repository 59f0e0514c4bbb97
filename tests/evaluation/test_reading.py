"""Answers are read in the spelling that a student's tokenizer lets it write."""

import pytest

from cotjax.data.tokenizer import load_tokenizer, train_tokenizer, with_ascii
from cotjax.evaluation.reading import as_written, outcome_of, read_answer
from cotjax.tasks import get_task
from cotjax.tasks.base import Question

SIGNS = ("5 × 10^3 m", "less < 5", "less", "Peña", "x² ÷ 2", "a bank")
EQUAL = ("3 ÷ 4", "3 / 4", "a bank")  # the first two are written alike
FOREIGN = ("a 鯨 whale", "5 × 2", "a bank")  # a sign that no map knows


@pytest.fixture(scope="module")
def plain(titler_folder):
    return load_tokenizer(titler_folder)


@pytest.fixture(scope="module")
def mapped(plain):
    return with_ascii(plain)


def closed(choices):
    return Question("q", "which?", choices, choices[0], "test")


@pytest.mark.parametrize("label_format", ["text", "letter_text", "letter"])
def test_every_choice_that_a_student_can_write_is_read_as_that_choice(mapped, label_format):
    task, question = get_task("aqua", label_format), closed(SIGNS)
    (written,) = as_written(mapped, [question])
    for choice in SIGNS:
        said = mapped.decode(mapped.encode([task.format_label(question, choice)])[0])
        answer = read_answer(task, question, written, said)
        assert answer == choice
        assert outcome_of(task, question, answer) == ("right" if choice == SIGNS[0] else "wrong")


def test_the_choices_as_they_are_written(mapped, plain):
    (written,) = as_written(mapped, [closed(SIGNS)])
    assert written.choices == (
        "5 * 10**3 m", "less less than 5", "less", "Pena", "x**2 / 2", "a bank",
    )  # fmt: skip
    assert written.label == "5 * 10**3 m"
    assert as_written(plain, [closed(("x²", "a bank"))])[0].choices == ("x2", "a bank")


@pytest.mark.parametrize("choices", [EQUAL, FOREIGN, ("a bank", "a bank", "sea")])
def test_what_cannot_be_told_apart_stays(mapped, choices):
    assert as_written(mapped, [closed(choices)]) == [closed(choices)]


def test_without_a_map_nothing_unknown_is_rewritten(plain):
    question = closed(("3 ÷ 4", "3 × 4"))
    assert as_written(plain, [question]) == [question]


@pytest.mark.parametrize(
    ("said", "answer", "outcome"),
    [("Pena", "Peña", "right"), ("Peña", "Peña", "right"), ("Pepe", "Pepe", "wrong")],
)
def test_an_open_answer_is_the_label_where_it_is_written_like_it(mapped, said, answer, outcome):
    task = get_task("last_letter", "text")
    question = Question("q", "what?", (), "Peña", "test")
    (written,) = as_written(mapped, [question])
    said = mapped.decode(mapped.encode([said])[0])
    got = read_answer(task, question, written, said)
    assert (got.casefold(), outcome_of(task, question, got)) == (answer.casefold(), outcome)


def test_a_student_of_its_own_tokenizer_is_read_as_before():
    tokenizer = train_tokenizer(["first second"], 40)
    question = closed(("first", "second"))
    assert as_written(tokenizer, [question]) == [question]
    assert as_written(tokenizer, []) == []
