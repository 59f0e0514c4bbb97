"""Methods with a student, against what can be computed another way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from cotjax.attribution.attention import attention
from cotjax.attribution.embeddings import WordVectors
from cotjax.attribution.gradients import (
    expected_gradients,
    gradient_x_input,
    integrated_gradients,
)
from cotjax.attribution.occlusion import occlusion
from cotjax.evaluation.choices import Candidates, label_logprobs
from cotjax.evaluation.student import Student
from cotjax.targets.orders import make_order
from cotjax.targets.segments import Kind
from tests.attribution.explaining import donors, explain, layouts, parts
from tests.evaluation import tiny
from tests.models.reference import convert, make_reference

pytestmark = pytest.mark.usefixtures("quick_to_compile")
ORDERS = ("rationale_input", "rationale_first")


def logprobs(order: str, variants: list[list[list[int]]]) -> np.ndarray:
    """Log p(label and EOS) of other rationales, [variants, examples].

    By the code that scores choices; the order is composed by hand.
    """
    tokenizer, student = tiny.tokenizer(), tiny.student()
    (connective,) = tokenizer.encode([make_order(order).connective])
    asked, end = [], [tokenizer.eos]
    for rationales in variants:
        for (question, _, _, label), said in zip(parts(), rationales, strict=True):
            reads = order == "rationale_input"
            read = [*question, *connective, *said] if reads else question
            prefix = [] if reads else [*said, *connective]
            asked.append(Candidates([*read, *end], prefix, [label], end, Kind.EOS))
    found = label_logprobs(student, asked, batch_size=len(asked))
    return np.array(found).reshape(len(variants), -1)


@pytest.mark.parametrize("order", ORDERS)
def test_occlusion_is_the_likelihood_without_a_word(order):
    def without(word: int) -> list[list[int]]:
        return [
            [token for token, its in zip(rationale, words, strict=True) if its != word]
            for _, rationale, words, _ in parts()
        ]

    most = max(laid.num_words for laid in layouts(order))
    expected = logprobs(order, [without(word) for word in (-1, *range(most))])
    for one, laid, (whole, *less) in zip(
        explain(occlusion, order), layouts(order), expected.T, strict=True
    ):
        lost = [whole - less[word] if word < laid.num_words else 0 for word in range(most)]
        np.testing.assert_allclose(one["scores"][:most], lost, atol=2e-5)


@pytest.mark.parametrize("order", ORDERS)
def test_integrated_gradients_add_up_to_what_the_rationale_gains(order):
    unknown = tiny.tokenizer().unknown
    rationales = [rationale for _, rationale, _, _ in parts()]
    whole, blank = logprobs(order, [rationales, [[unknown] * len(one) for one in rationales]])
    check_complete(explain(integrated_gradients, order), whole - blank)


@pytest.mark.parametrize("order", ORDERS)
def test_expected_gradients_add_up_to_the_mean_over_donors(order):
    laid, instead = layouts(order), donors(order, 3)
    others = [
        [[t for t, w in zip(tokens[n], one.words, strict=True) if w] for one, tokens in both]
        for both in [list(zip(laid, instead, strict=True))]
        for n in range(3)
    ]
    whole, *less = logprobs(order, [[rationale for _, rationale, _, _ in parts()], *others])
    found = explain(expected_gradients, order, count=3)
    check_complete(found, whole - np.mean(less, axis=0))
    for one, layout, tokens in zip(found, laid, instead, strict=True):
        whole = layout.encoder if order == "rationale_input" else [0, *layout.decoder]
        for word in range(1, layout.num_words + 1):
            here = [place for place, its in enumerate(layout.words) if its == word]
            same = all(row[place] == whole[place] for row in tokens for place in here)
            assert (one["scores"][word - 1] == 0) == same


@pytest.mark.parametrize("order", ORDERS)
def test_parts_of_a_path_add_up_to_the_whole(order):
    """A tenth and the rest of it."""
    parts = [explain(integrated_gradients, order, path=path) for path in ((0.0, 0.1), (0.1, 1.0))]
    for whole, *its in zip(explain(integrated_gradients, order), *parts, strict=True):
        assert its[0]["gain"] + its[1]["gain"] == pytest.approx(whole["gain"], abs=1e-5)
        summed = its[0]["scores"] + its[1]["scores"]
        np.testing.assert_allclose(summed, whole["scores"], atol=1e-3)


def check_complete(found: list[dict], gains: np.ndarray) -> None:
    """The scores of every example add up to what its rationale gains, within 1 %.

    Or a thousandth of a nat: a random student gains next to nothing from some rationales.
    """
    np.testing.assert_allclose([one["gain"] for one in found], gains, atol=2e-5)
    errors = np.abs([one["scores"].sum() for one in found] - gains)
    assert (errors < np.maximum(0.01 * np.abs(gains), 1e-3)).all(), errors / np.abs(gains)


@pytest.mark.parametrize("order", ORDERS)
def test_gradient_x_input_is_a_finite_difference(order):
    """A word's score is how F changes as its embeddings grow."""
    student, step = tiny.student(), 1e-2
    found = explain(gradient_x_input, order)

    def stretched(explained, params, batch):
        side = explained.side(params, batch)

        def at(word, factor):
            here = (batch["words"] == word)[..., None]
            return explained.logprobs(params, batch, jnp.where(here, factor * side, side))

        words = jnp.arange(1, explained.num_words + 1)
        change = jax.vmap(lambda word: at(word, 1 + step) - at(word, 1 - step))(words)
        return {"scores": change.T / (2 * step)}

    for one, expected in zip(found, explain(stretched, order, student), strict=True):
        np.testing.assert_allclose(one["scores"], expected["scores"], atol=2e-3)


@pytest.mark.parametrize("order", ORDERS)
def test_attention_is_that_of_transformers(order, tmp_path):
    """Of each example alone: the mean over layers, heads and the label's positions."""
    reference = make_reference(gated=False, vocab_size=96)
    reference.set_attn_implementation("eager")  # the one that tells its weights
    student = Student(*convert(reference, tmp_path), tiny.tokenizer(), tiny.student().mesh)
    for one, laid in zip(explain(attention, order, student), layouts(order), strict=True):
        with torch.no_grad():
            kept = reference(
                input_ids=torch.tensor([laid.encoder]),
                decoder_input_ids=torch.tensor([[0, *laid.decoder[:-1]]]),
                output_attentions=True,
            )
        name = "cross_attentions" if order == "rationale_input" else "decoder_attentions"
        weights = torch.stack(kept[name])[:, 0, :, laid.label :].numpy()  # [layers, heads, T, S]
        paid = weights.mean(axis=(0, 1, 2))
        expected = np.bincount(laid.words, paid[: len(laid.words)])[1:]
        np.testing.assert_allclose(one["scores"][: len(expected)], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("function", "devices"), [(occlusion, 1), (occlusion, 4), (integrated_gradients, 8)]
)
def test_scores_depend_on_neither_the_batch_nor_the_devices(function, devices):
    one = explain(function, "rationale_input")
    other = explain(function, "rationale_input", tiny.student(devices), batch_size=16)
    for mine, its in zip(one, other, strict=True):
        np.testing.assert_allclose(mine["scores"], its["scores"], atol=1e-4)


def test_similarity_is_one_for_the_same_word_and_takes_the_nearest():
    student: Student = tiny.student()
    tokenizer = student.tokenizer
    embedding = np.asarray(student.params["shared"]["embedding"])
    vectors = WordVectors(tokenizer, embedding)
    twice = vectors.similarities(["ent1 is heavier", "or"], ["first heavier", ""])
    found, without = twice

    def vector(word: str) -> np.ndarray:
        (ids,) = tokenizer.encode([word])
        mean = embedding[ids].mean(axis=0)
        return mean / np.linalg.norm(mean)

    others = [vector("first"), vector("heavier")]
    expected = [max(vector(word) @ other for other in others) for word in ("ent1", "is", "heavier")]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found[2] == pytest.approx(1)
    assert without == [-1]
