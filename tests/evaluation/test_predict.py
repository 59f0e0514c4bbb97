"""Every question is asked once, and read and judged by its parts."""

import dataclasses
import functools

import numpy as np
import pytest

from cotjax.evaluation.generation import generate
from cotjax.evaluation.predict import Prediction, predict, split
from cotjax.targets.orders import ORDERS, make_order
from tests.evaluation import tiny

EOS = 1
BECAUSE = (9,)
SO = (7, 8)


@functools.cache
def predictions(order: str, devices: int = 1, **sizes) -> list[Prediction]:
    return tiny.ask(order, student_=tiny.student(devices, **sizes))


@pytest.mark.parametrize("order", list(ORDERS))
def test_every_question_once_in_order(order):
    got = predictions(order)
    assert [one.id for one in got] == [question.id for question in tiny.questions(13)]
    assert len({one.output for one in got}) > 3  # otherwise the tests below would prove little


@pytest.mark.parametrize(
    ("order", "sizes"),
    [("rationale_first", {"data": 8}), ("label_first", {"data": 2, "fsdp": 2, "tensor": 2})],
)
def test_eight_devices_predict_what_one_does(order, sizes):
    one, eight = predictions(order), predictions(order, 8, **sizes)
    assert tiny.as_dicts(eight) == tiny.as_dicts(one)
    np.testing.assert_allclose(
        [prediction.choice_logprobs for prediction in eight],
        [prediction.choice_logprobs for prediction in one],
        rtol=1e-4,
    )


def test_batch_size_does_not_matter():
    alone = tiny.ask("label_first", count=5, batch_size=1)
    assert tiny.as_dicts(alone) == tiny.as_dicts(predictions("label_first")[:5])


def test_a_student_of_two_tasks_is_asked_for_the_label_alone():
    """As label only is, of questions that begin with the prefix."""
    asked = [
        dataclasses.replace(question, text=f"predict: {question.text}")
        for question in tiny.questions(13)
    ]
    expected = predict(
        tiny.student(), tiny.TASK, asked, make_order("label_only"),
        max_tokens=12, input_length=32, batch_size=5,
    )  # fmt: skip
    assert predictions("multitask") == expected
    assert predictions("multitask") != predictions("label_only")
    assert all(prediction.rationale is None for prediction in expected)


def test_a_connective_stops_no_label_that_none_follows():
    """The words between label and rationale that a config names for other orders."""
    said = [one.output.split() for one in predictions("multitask")]
    word = next(words[1] for words in said if len(words) > 2)
    assert tiny.ask(make_order("multitask", word)) == predictions("multitask")


def test_no_questions():
    assert tiny.ask("rationale_first", count=0) == []


def test_cut_questions_are_marked():
    got = tiny.ask("label_only", input_length=8, choices=False)
    texts = [tiny.TASK.format_input(question) for question in tiny.questions(13)]
    lengths = [len(tokens) + 1 for tokens in tiny.tokenizer().encode(texts)]
    assert [one.cut_tokens or 0 for one in got] == [max(length - 8, 0) for length in lengths]
    assert any(one.cut_tokens for one in got)
    assert got[0].choice_logprobs is None


@pytest.mark.parametrize(
    ("order", "generated", "label", "rationale"),
    [
        ("label_only", [5, EOS], [5], None),
        ("multitask", [5, EOS], [5], None),
        ("label_first", [5, 9], [5], None),  # stopped at the connective
        ("label_first", [5, 6, 9, 30, 9, 31, EOS], [5, 6], None),
        ("label_first", [5, 6, EOS], [5, 6], None),  # no connective
        ("label_first", [9, 30], [], None),
        ("rationale_first", [30, 31, 7, 8, 5, EOS], [5], [30, 31]),
        ("rationale_first", [30, 7, 8, 31, 7, 8, 5, EOS], [5], [30, 7, 8, 31]),
        ("rationale_first", [7, 8, 5, EOS], [5], []),
        ("rationale_first", [30, 31, 7, 8], [], [30, 31]),
        ("rationale_first", [30, 31, 7], None, [30, 31, 7]),  # ran out of tokens
        ("rationale_first", [EOS], None, []),
    ],
)
def test_split(order, generated, label, rationale):
    connective = {"label_first": BECAUSE, "rationale_first": SO}.get(order, ())
    parts = split(generated, make_order(order).answer, connective, EOS)
    assert (parts.label, parts.rationale) == (label, rationale)


def test_early_stop_gives_the_label_of_full_decoding():
    """A connective that the student really says, so that it stops early and might have gone on."""
    student, reply = tiny.student(), make_order("label_first").answer
    texts = [tiny.TASK.format_input(question) for question in tiny.questions(13)]
    inputs, _ = student.encode_inputs(texts, 32)
    full = generate(student, inputs, max_tokens=12, batch_size=5)
    said = [tuple(tokens[1:3]) for tokens in full]
    connective = max(said, key=said.count)
    early = generate(student, inputs, max_tokens=12, batch_size=5, stops=(connective,))
    assert sum(map(len, early)) < sum(map(len, full))
    for stopped, whole in zip(early, full, strict=True):
        assert whole[: len(stopped)] == stopped
        labels = [split(tokens, reply, connective, EOS).label for tokens in (stopped, whole)]
        assert labels[0] == labels[1]
