"""Splits are kept apart by what they ask, and every run says how far they are."""

import dataclasses

import pytest

from cotjax.errors import InputError
from cotjax.tasks import Question, get_task
from cotjax.tasks.splits import Splits, hold_out, overlap, repeated, split_lines

TASK = get_task("commonsense_qa", "letter")


def make_questions(*texts: str) -> list[Question]:
    return [Question(str(n), text, ("a", "b"), "a", "train") for n, text in enumerate(texts)]


def test_hold_out_depends_on_the_question_alone():
    questions = make_questions(*(f"Question {n}?" for n in range(2_000)))
    train, validation = hold_out(TASK, questions, 0.1)
    assert len(train) + len(validation) == 2_000
    assert 160 <= len(validation) <= 240  # three standard deviations around 200
    again = hold_out(TASK, questions[500:], 0.1)[1]
    assert again == [question for question in validation if int(question.id) >= 500]
    larger = hold_out(TASK, questions, 0.2)[1]
    assert {question.id for question in validation} < {question.id for question in larger}
    salted = hold_out(TASK, questions, 0.1, salt="another")[1]
    assert {question.id for question in salted} != {question.id for question in validation}
    # Golden: another hash would move questions between training and validation.
    assert [question.id for question in validation[:5]] == ["1", "13", "38", "44", "45"]


def test_hold_out_keeps_repeated_questions_together():
    questions = make_questions(*(f"Question {n}?" for n in range(100)))
    repeated = make_questions(*(f" question  {n}?" for n in range(100)))
    train, validation = hold_out(TASK, questions + repeated, 0.3)
    assert not {q.id for q in train} & {q.id for q in validation}


def test_hold_out_of_nothing_and_mistakes():
    questions = make_questions("one", "two")
    assert hold_out(TASK, questions, 0.0) == (questions, [])
    with pytest.raises(InputError, match=r"validation_fraction must be in \[0, 1\), not 1.0"):
        hold_out(TASK, questions, 1.0)
    with pytest.raises(InputError, match="of 2 questions leaves 2 to train on and 0 to validate"):
        hold_out(TASK, questions, 1e-9)


def test_overlap_counts_same_questions_with_same_choices():
    question = make_questions("Where to?")[0]
    reordered = dataclasses.replace(question, text=" where TO?", choices=("B", "a"))
    other = dataclasses.replace(question, choices=("a", "c"))
    assert overlap({"train": [question], "validation": [other], "test": [reordered, other]}) == {
        ("train", "validation"): 0,
        ("train", "test"): 1,
        ("validation", "test"): 1,
    }


def test_questions_repeated_within_a_split():
    one, two, again, more = make_questions("Why?", "When?", " why?", "WHY?")
    assert repeated({"train": [one, two, again, more], "test": [one]}) == {"train": 2, "test": 0}
    other = dataclasses.replace(again, choices=("a", "c"))
    assert repeated({"train": [one, other]}) == {"train": 0}


def test_what_a_run_says_of_its_questions():
    one, two, again = make_questions("Why?", "When?", "why?")
    splits = Splits({"train": [one, again], "test": [one, two]}, unlabelled={"test": 3})
    assert split_lines(splits) == [
        "questions train=2 test=2",
        "overlap: 1 questions of test stand in train",
        "repeated within a split: train=1 test=0",
        "left out for want of a label: test=3",
    ]
    assert len(split_lines(Splits({"train": [one]}, {}))) == 2
