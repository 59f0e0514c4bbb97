"""Forced rationales against transformers, which is given the same decoder input."""

import numpy as np
import pytest
import torch

from cotjax.evaluation.asking import Given
from cotjax.evaluation.choices import Candidates, label_logprobs
from cotjax.evaluation.voting import Sampling, predict_by_vote
from cotjax.targets.orders import make_order
from cotjax.targets.segments import Kind
from tests.evaluation import tiny
from tests.evaluation.test_choices import brute_force, reference  # noqa: F401 - a fixture

ORDER = make_order("rationale_first")
COUNT, TARGET_LENGTH = 9, 24


def encode(text: str) -> list[int]:
    return tiny.tokenizer().encode([text])[0]


def rationales() -> dict[str, list[int]]:
    """The true ones, but for every fourth question; every fifth says it several times."""
    questions, records = tiny.questions(COUNT), tiny.TASK.oracle_records("train")
    texts = [f"{record.rationales[0].text} " for record in records[:COUNT]]
    return {
        question.id: encode(text * (4 if n % 5 == 4 else 1))
        for n, (question, text) in enumerate(zip(questions, texts, strict=True))
        if n % 4 != 3
    }


@pytest.fixture(scope="module")
def forced():
    return tiny.ask(ORDER, COUNT, given=Given(rationales(), TARGET_LENGTH))


def decoder_inputs() -> list[list[int]]:
    """What transformers' decoder begins with: the start token, rationale, connective."""
    connective, given = encode(ORDER.connective), rationales()
    longest = max(len(encode(choice)) for choice in ("first", "second"))
    room = TARGET_LENGTH - len(connective) - longest - 1
    found = [given.get(question.id) for question in tiny.questions(COUNT)]
    return [[0] if r is None else [0, *r[:room], *connective] for r in found]


def encoder_inputs() -> list[list[int]]:
    texts = [tiny.TASK.format_input(question) for question in tiny.questions(COUNT)]
    return tiny.student().encode_inputs(texts, 32)[0]


def test_the_label_is_what_transformers_adds(forced, reference):  # noqa: F811
    for one, read, begun in zip(forced, encoder_inputs(), decoder_inputs(), strict=True):
        written = reference.generate(
            input_ids=torch.tensor([read]),
            decoder_input_ids=torch.tensor([begun]),
            max_new_tokens=12,
            do_sample=False,
        )[0, len(begun) :].tolist()
        written = written[: written.index(1) + 1] if 1 in written else written
        assert one.output == tiny.tokenizer().decode(written)
        assert one.num_tokens == len(written)
    assert len({one.output for one in forced}) > 3
    assert [one.given for one in forced] == [n % 4 != 3 for n in range(COUNT)]
    assert any(one.rationale_cut for one in forced)


def test_choices_are_scored_behind_the_same_prefix(forced, reference):  # noqa: F811
    questions = tiny.questions(COUNT)
    for one, question, read, begun in zip(
        forced, questions, encoder_inputs(), decoder_inputs(), strict=True
    ):
        if not one.given:
            continue
        expected = [
            brute_force(reference, read, begun[1:], [*encode(choice), 1])
            for choice in question.choices
        ]
        assert one.choice_logprobs == pytest.approx(expected, rel=1e-4)


def test_the_token_that_is_said_is_the_likeliest_one_by_scoring(forced):
    """Every token of the vocabulary scored as a label behind the same prefix."""
    candidates = [
        Candidates(read, begun[1:], [[token] for token in range(96)], [], Kind.EOS)
        for read, begun in zip(encoder_inputs(), decoder_inputs(), strict=True)
    ]
    scores = label_logprobs(tiny.student(), candidates, batch_size=COUNT)
    said = [tiny.tokenizer().decode([int(np.argmax(row))]) for row in scores]
    assert [one.output.startswith(token) for one, token in zip(forced, said, strict=True)] == (
        [True] * COUNT
    )


def test_samples_share_a_forced_rationale():
    given = Given(rationales(), TARGET_LENGTH)
    voted = predict_by_vote(
        tiny.student(), tiny.TASK, tiny.questions(COUNT), ORDER, Sampling(2, 1e-6),
        max_tokens=12, input_length=32, batch_size=10, given=given,
    )  # fmt: skip
    greedy = tiny.ask(ORDER, COUNT, given=given, choices=False)
    for several, once in zip(voted, greedy, strict=True):
        assert [sample.output for sample in several.samples] == [once.output] * 2
        assert (several.rationale, several.given) == (once.rationale, once.given)
        assert several.rationale_cut == once.rationale_cut
