"""Many samples of one question, and their vote."""

import collections
import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.decoding.sampling import Greedy, Temperature, sample_key
from cotjax.errors import InputError
from cotjax.evaluation.generation import generate, sample
from cotjax.evaluation.metrics import summarise
from cotjax.evaluation.predict import Prediction
from cotjax.evaluation.voting import (
    Sampling,
    make_sampling,
    predict_by_vote,
)
from cotjax.targets.orders import make_order
from cotjax.tasks import get_task
from cotjax.tasks.base import Question
from cotjax.tasks.votes import same_answer, take_vote
from tests.evaluation import tiny

ANSWERS = st.lists(st.sampled_from(["a", "b", "c", None]), max_size=12)
LENGTHS = {"max_tokens": 12, "input_length": 32}


def inputs(count: int) -> list[list[int]]:
    texts = [tiny.TASK.format_input(question) for question in tiny.questions(count)]
    return tiny.student().encode_inputs(texts, 32)[0]


def keys(count: int, samples: int, seed: int = 0) -> np.ndarray:
    asked = tiny.questions(count)
    return np.array([[sample_key(seed, q.id, n) for n in range(samples)] for q in asked])


@functools.cache
def written(devices: int = 1, batch_size: int = 12, first: int = 0, seed: int = 0, **sizes):
    """Four samples of each question, from the `first` on."""
    return sample(
        tiny.student(devices, **sizes),
        inputs(7),
        keys(7, first + 4, seed)[:, first:],
        method=Temperature(0.7),
        max_tokens=12,
        batch_size=batch_size,
    )


def votes(order: str, samples: int, **changes) -> list[Prediction]:
    sampling = Sampling(**{"samples": samples} | changes)
    return predict_by_vote(
        tiny.student(), tiny.TASK, tiny.questions(7), make_order(order), sampling,
        batch_size=12, **LENGTHS,
    )  # fmt: skip


def brute_force(answers: list[str | None]) -> str | None:
    """The answer that most gave; of those, the one that is found first."""
    counts = collections.Counter(answer for answer in answers if answer is not None)
    most = max(counts.values(), default=0)
    return next((a for a in answers if a is not None and counts[a] == most), None)


@given(ANSWERS)
def test_a_vote_is_a_count(answers):
    vote = take_vote(answers, str.__eq__)
    assert vote.winner == brute_force(answers)
    assert vote.counts == collections.Counter(a for a in answers if a is not None)
    assert list(vote.counts) == [a for a in dict.fromkeys(answers) if a is not None]
    assert list(vote.winners) == [brute_force(answers[: n + 1]) for n in range(len(answers))]


@pytest.mark.parametrize(
    ("answers", "winner"),
    [
        ([None, "b", "a"], "b"),  # a tie: b came first
        (["b", "a", "a", "b"], "b"),
        (["b", "a", "a"], "a"),
        ([None, None, "c"], "c"),  # what can't be parsed has no vote
        ([None, None], None),
    ],
)
def test_ties_and_unparsed_samples(answers, winner):
    assert take_vote(answers, str.__eq__).winner == winner


@pytest.mark.parametrize(
    ("task", "label_format", "choices", "answers", "counts"),
    [
        ("gsm8k", "number", (), ["42", "7", "42.0", "84 / 2"], {"42": 3, "7": 1}),
        ("last_letter", "text", (), ["ab", "AB", "ba"], {"ab": 2, "ba": 1}),
        (
            "commonsense_qa",
            "letter",
            ("bank", "bay"),
            ["bay", "bank", "bay"],
            {"bay": 2, "bank": 1},
        ),
    ],
)
def test_answers_that_mean_the_same_vote_together(task, label_format, choices, answers, counts):
    question = Question("q", "which?", choices, choices[0] if choices else answers[0], "test")
    same = same_answer(get_task(task, label_format), question)
    assert take_vote(answers, same).counts == counts


def test_batch_size_does_not_matter_to_samples():
    assert written(batch_size=1) == written()


def test_eight_devices_sample_what_one_does():
    assert written(8, data=2, fsdp=2, tensor=2) == written()


def test_a_sample_depends_on_its_number_alone():
    assert [rows[:2] for rows in written(first=2)] == [rows[2:] for rows in written()]


def test_seeds_and_samples_differ():
    assert written(seed=1) != written()
    assert all(len({tuple(row) for row in rows}) > 1 for rows in written())


def test_greedy_samples_are_the_greedy_answer():
    greedy = generate(tiny.student(), inputs(7), max_tokens=12, batch_size=5)
    samples = sample(
        tiny.student(), inputs(7), keys(7, 4), method=Greedy(), max_tokens=12, batch_size=12
    )
    assert samples == [[row] * 4 for row in greedy]


def test_identical_samples_answer_as_one():
    """A temperature near 0 leaves the likeliest token."""
    got = votes("label_first", 3, temperature=1e-6)
    asked_once = tiny.ask("label_first", count=7, choices=False)
    for voted, greedy in zip(got, asked_once, strict=True):
        assert [sample.output for sample in voted.samples] == [greedy.output] * 3
        assert (voted.answer, voted.output, voted.rationale, voted.outcome) == (
            greedy.answer, greedy.output, greedy.rationale, greedy.outcome,
        )  # fmt: skip
        assert voted.num_tokens == 3 * greedy.num_tokens
        assert voted.votes == ({} if greedy.answer is None else {greedy.answer: 3})


def test_predictions_hold_their_votes():
    got = votes("rationale_first", 4)
    asked = tiny.questions(7)
    assert [one.id for one in got] == [question.id for question in asked]
    for one, question in zip(got, asked, strict=True):
        answers = [sample.answer for sample in one.samples]
        assert one.answer == brute_force(answers)
        assert one.outcome == (
            "unparsed" if one.answer is None else
            "right" if one.answer == question.label else "wrong"
        )  # fmt: skip
        assert one.right_by_samples == tuple(
            brute_force(answers[: n + 1]) == question.label for n in range(4)
        )
        assert one.output == next(s.output for s in one.samples if s.answer == one.answer)
    summary = summarise(got)
    by_samples = np.mean([one.right_by_samples for one in got], axis=0)
    np.testing.assert_allclose(summary["accuracy_by_samples"], by_samples)
    assert summary["accuracy_by_samples"][-1] == summary["accuracy"]
    unparsed = sum(sample.answer is None for one in got for sample in one.samples)
    assert (summary["samples"], summary["unparsed_samples"]) == (4, unparsed)
    assert any(one.answer is not None for one in got)


@pytest.mark.parametrize(
    ("flags", "sampling", "name"),
    [
        ((None, None, None), None, None),
        ((30, None, None), Sampling(30, 0.7, 0), "samples30"),
        ((5, 1.0, 3), Sampling(5, 1.0, 3), "samples5-temperature1-seed3"),
        ((5, None, 3), Sampling(5, 0.7, 3), "samples5-seed3"),
    ],
)
def test_flags(flags, sampling, name):
    made = make_sampling(*flags)
    assert made == sampling
    assert (made and made.name) == name


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((None, 0.5, None), "--temperature has no effect without --samples"),
        ((None, None, 1), "--seed has no effect without --samples"),
        ((0, None, None), "--samples=0: must be 1 or more"),
        ((3, 0.0, None), "--temperature=0.0: must be above 0"),
        ((3, float("nan"), None), "--temperature=nan: must be above 0"),
        ((3, float("inf"), None), "--temperature=inf: must be above 0"),
    ],
)
def test_flags_that_are_refused(flags, message):
    with pytest.raises(InputError, match=message):
        make_sampling(*flags)
