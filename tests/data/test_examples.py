"""Which rationales become targets, and what is counted when they don't."""

import dataclasses

import pytest

from cotjax.data.examples import make_examples
from cotjax.errors import InputError
from cotjax.records import Rationale, Record
from cotjax.targets.selection import Selection
from cotjax.tasks import get_task
from cotjax.tasks.sources import to_question

TASK = get_task("commonsense_qa", "letter")


def record(name, *answers, label="bank"):
    rationales = tuple(
        Rationale(sample, f"reason {sample}\nof {name}", answer, answer == label)
        for sample, answer in enumerate(answers)
    )
    return Record(name, f"where is {name}?", ("park", "bank"), label, rationales)


RECORDS = [record("a", "bank", "park"), record("b"), record("c", None, "bank")]


def said(examples):
    return [(t.question, t.sample, t.label, t.rationale) for t in examples.targets]


def test_every_rationale_is_a_target_with_the_gold_label():
    examples = make_examples(TASK, RECORDS)
    assert examples.ids == ("a", "c")
    assert said(examples) == [
        (0, 0, "(B)", "reason 0 of a"),
        (0, 1, "(B)", "reason 1 of a"),
        (1, 0, "(B)", "reason 0 of c"),
        (1, 1, "(B)", "reason 1 of c"),
    ]
    assert examples.dropped == {"questions without a usable rationale": 1}


def test_the_teachers_label_needs_a_parsed_answer():
    examples = make_examples(TASK, RECORDS, label_source="teacher")
    assert [label for _, _, label, _ in said(examples)] == ["(B)", "(A)", "(B)"]
    assert examples.dropped["rationales without a parsed answer"] == 1


def test_correct_rationales_alone():
    examples = make_examples(TASK, RECORDS, selection=Selection("all", correct_only=True))
    assert [sample for _, sample, _, _ in said(examples)] == [0, 1]
    assert examples.dropped["rationales with a wrong or unparsed answer"] == 2


def test_the_first_rationale_that_qualifies():
    assert [
        s for _, s, _, _ in said(make_examples(TASK, RECORDS, selection=Selection("first")))
    ] == [
        0,
        0,
    ]


def test_rationales_after_the_first_are_counted():
    examples = make_examples(TASK, RECORDS, selection=Selection("first"))
    assert examples.dropped["rationales after the first"] == 2


def test_only_the_asked_questions():
    questions = {"c": to_question(RECORDS[2], "train")}
    examples = make_examples(TASK, RECORDS, questions=questions)
    assert examples.ids == ("c",)
    assert examples.dropped == {"records of other questions": 2}


def test_an_id_that_means_two_questions_is_refused():
    other = dataclasses.replace(to_question(RECORDS[0], "train"), text="who is a?")
    with pytest.raises(InputError, match=r"asks 'where is a\?' under the id 'a'"):
        make_examples(TASK, RECORDS, questions={"a": other})


def test_nothing_left_is_told_with_the_reasons():
    with pytest.raises(InputError, match=r"no target to train on \(1 questions without a"):
        make_examples(TASK, [record("b")])
