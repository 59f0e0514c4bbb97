"""Log-probabilities of labels against transformers, a forward pass for each label."""

import dataclasses

import numpy as np
import pytest
import torch
from transformers import T5ForConditionalGeneration

from cotjax.data.tokenizer import train_tokenizer
from cotjax.evaluation.choices import Candidates, label_logprobs
from cotjax.evaluation.generation import generate
from cotjax.evaluation.predict import predict
from cotjax.evaluation.student import Student
from cotjax.models.hf import export
from cotjax.targets.orders import make_order
from cotjax.targets.segments import Kind
from cotjax.tasks import get_task
from cotjax.tasks.base import Question
from tests.evaluation import tiny


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> T5ForConditionalGeneration:
    """The tiny student in transformers."""
    student = tiny.student()
    folder = tmp_path_factory.mktemp("reference") / "model"
    export(folder, student.params, student.config)
    return T5ForConditionalGeneration.from_pretrained(folder).eval()


def brute_force(
    model: T5ForConditionalGeneration, question: list[int], prefix: list[int], said: list[int]
) -> float:
    """Log p(said | question, prefix) by one unpadded forward pass."""
    decoder = torch.tensor([[0, *prefix, *said[:-1]]])
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([question]), decoder_input_ids=decoder).logits[0]
    logprobs = logits[len(prefix) :].log_softmax(-1)
    return float(logprobs[torch.arange(len(said)), torch.tensor(said)].sum())


def encode(text: str) -> list[int]:
    return tiny.tokenizer().encode([text])[0]


@pytest.mark.parametrize("order", ["label_only", "label_first", "rationale_first", "multitask"])
def test_choice_logprobs_are_those_of_transformers(order, reference):
    student, order = tiny.student(), make_order(order)
    eos, connective = student.tokenizer.eos, encode(order.connective)
    questions = tiny.questions(13)
    prefix = "predict: " if order.name == "multitask" else ""
    texts = [f"{prefix}{tiny.TASK.format_input(one)}" for one in questions]
    inputs, _ = student.encode_inputs(texts, 32)
    written = generate(student, inputs, max_tokens=12, batch_size=5)
    closing = connective[:1] if order.name == "label_first" else [eos]
    for question, asked, tokens, prediction in zip(
        questions, inputs, written, tiny.ask(order), strict=True
    ):
        prefix = []
        if order.name == "rationale_first":
            prefix = [*(token for token in tokens if token != eos), *connective]
        expected = [
            brute_force(reference, asked, prefix, encode(choice) + closing)
            for choice in question.choices
        ]
        np.testing.assert_allclose(prediction.choice_logprobs, expected, rtol=1e-4)
        assert prediction.choice_answer == question.choices[int(np.argmax(expected))]
        gold = expected[question.choices.index(question.label)]
        assert prediction.label_logprob == pytest.approx(gold, rel=1e-4)


@pytest.mark.parametrize("devices", [1, 8])
def test_unequal_questions(devices, reference):
    """Different numbers of labels, lengths and prefixes, spread over batches and devices."""
    generator = np.random.default_rng(0)

    def tokens(most: int) -> list[int]:
        return generator.integers(2, 96, generator.integers(1, most + 1)).tolist()

    candidates = [
        Candidates(
            input=[*tokens(30), 1],
            prefix=tokens(20) if number % 2 else [],
            labels=[tokens(4) for _ in range(1 + number % 4)],
            closing=[1],
            closing_kind=Kind.EOS,
        )
        for number in range(11)
    ]
    got = label_logprobs(tiny.student(devices), candidates, batch_size=3)
    for question, logprobs in zip(candidates, got, strict=True):
        expected = [
            brute_force(reference, question.input, question.prefix, [*label, 1])
            for label in question.labels
        ]
        np.testing.assert_allclose(logprobs, expected, rtol=1e-4)


@pytest.mark.parametrize("label_format", ["letter", "text", "letter_text"])
def test_repeated_choices(label_format):
    """CommonsenseQA repeats choices: in `text` they are one label, by letter they are two."""
    task = get_task("commonsense_qa", label_format)
    choices = ("first", "second", "first")
    question = Question("q", "heavier ? ent1 or ent2", choices, "first", "train")
    (got,) = predict(
        _with_letters(),
        task,
        [question],
        make_order("label_only"),
        max_tokens=2,
        input_length=64,
        batch_size=1,
    )
    assert len(got.choice_logprobs) == 3
    assert (got.choice_logprobs[0] == got.choice_logprobs[2]) == (label_format == "text")
    assert got.label_logprob == got.choice_logprobs[0]
    assert got.choice_answer in choices


def test_a_student_that_is_not_finite_has_no_choice_answer():
    student = tiny.student()
    broken = dataclasses.replace(
        student, params=student.params | {"lm_head": {"kernel": np.full((32, 96), np.nan, "f")}}
    )
    (got,) = tiny.ask("label_only", count=1, student_=broken, batch_size=1)
    assert np.isnan(got.choice_logprobs).all()
    assert got.choice_answer is None


def _with_letters() -> Student:
    """The tiny student with a tokenizer that tells (A) from (C)."""
    texts = ["(A) (B) (C) first second question: heavier ? ent1 or ent2 choices:"]
    tokenizer = train_tokenizer(texts, 96)
    return dataclasses.replace(tiny.student(), tokenizer=tokenizer)
