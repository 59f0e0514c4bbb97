"""Sampling methods against the distributions that their papers define, and transformers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from transformers.generation import logits_process as reference

from cotjax.decoding.limits import Limits
from cotjax.decoding.sampling import (
    Contrast,
    Contrastive,
    Greedy,
    Temperature,
    first_choice,
    get_method,
    keys_at,
    sample,
    sample_key,
    token_logprobs,
)
from cotjax.errors import InputError

FILTERS = {
    "plain": {},
    "cold": {"temperature": 0.5},
    "hot": {"temperature": 2.0},
    "top_k": {"top_k": 5},
    "top_p": {"top_p": 0.7},
    "min_p": {"min_p": 0.2},
    "top_k, top_p": {"top_k": 8, "top_p": 0.8},
    "top_p, min_p": {"top_p": 0.9, "min_p": 0.1},
    "all": {"temperature": 1.5, "top_k": 12, "top_p": 0.9, "min_p": 0.05},
}


def softmax(x):
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def expected(logits, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    """The distribution by its definition: sort, walk down the list, renormalise. No ties."""
    probabilities = softmax(np.asarray(logits, np.float64) / temperature)
    order = np.argsort(-probabilities)
    kept = order[:top_k] if top_k else order
    nucleus, mass = [], 0.0
    for token in kept:
        if mass < top_p * probabilities[kept].sum():
            nucleus.append(token)
        mass += probabilities[token]
    kept = [t for t in nucleus if probabilities[t] >= min_p * probabilities.max()]
    result = np.zeros_like(probabilities)
    result[kept] = probabilities[kept] / probabilities[kept].sum()
    return result


def random_logits(*shape, seed=0, scale=2.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


def draw(method, logits, count, seed=0):
    """Draws from one row of logits, each draw with its own key."""
    keys = jax.random.split(jax.random.key(seed), count)
    rows = jnp.broadcast_to(logits, (count, len(logits)))
    return np.asarray(jax.jit(method.choose)(rows, keys))


APPLY = jax.jit(Limits.apply, static_argnums=(0, 4))


def limited(limits, logits, written, ends=()):
    """What the limits make of logits [V] after the tokens `written`; the rest is rubbish."""
    history = np.array([*written, *[3, 1] * 7], np.int32)[:14]
    return np.asarray(APPLY(limits, jnp.array(logits), history, jnp.int32(len(written)), ends))


@pytest.mark.parametrize("options", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("size", [24, 700])
def test_draws_follow_the_analytic_distribution(options, size):
    """Chi-square; 700 tokens are three blocks, the last of them not full."""
    logits = random_logits(size, seed=size)
    probabilities = expected(logits, **options)
    draws = draw(Temperature(**options), logits, 20_000)
    counts = np.bincount(draws, minlength=size)
    assert counts[probabilities == 0].sum() == 0
    rare = probabilities * len(draws) < 5  # chi-square wants five expected in a cell
    observed = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(probabilities[~rare], probabilities[rare].sum()) * len(draws)
    observed, wanted = observed[wanted > 0], wanted[wanted > 0]
    if len(wanted) > 1:
        assert stats.chisquare(observed, wanted).pvalue > 1e-3


@pytest.mark.parametrize("options", FILTERS.values(), ids=FILTERS)
def test_filters_are_those_of_transformers(options):
    logits = random_logits(16, 500, seed=3)
    scores = torch.tensor(logits)
    processors = [reference.TemperatureLogitsWarper(options.get("temperature", 1.0))]
    if "top_k" in options:
        processors.append(reference.TopKLogitsWarper(options["top_k"]))
    if "top_p" in options:
        processors.append(reference.TopPLogitsWarper(options["top_p"]))
    if "min_p" in options:
        processors.append(reference.MinPLogitsWarper(options["min_p"]))
    for process in processors:
        scores = process(None, scores)
    filtered = np.asarray(jax.jit(Temperature(**options).filtered)(logits))
    np.testing.assert_array_equal(np.isneginf(filtered), np.isneginf(scores.numpy()))
    np.testing.assert_allclose(softmax(filtered), softmax(scores.numpy()), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=6),
    st.floats(0.01, 1),
    st.integers(0, 7),
    st.floats(0, 1),
    st.floats(0.05, 5),
)
def test_filters_drop_only_what_is_less_likely(logits, top_p, top_k, min_p, temperature):
    logits = np.array(logits, np.float32)
    method = Temperature(temperature, top_k, top_p, min_p)
    kept = np.isfinite(np.asarray(method.filtered(jnp.array(logits))))
    assert kept[logits == logits.max()].all()
    assert not (~kept).any() or logits[kept].min() > logits[~kept].max()
    assert kept.sum() >= min(top_k, 1)


@pytest.mark.parametrize(
    "options", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}, {"temperature": 1e-30}]
)
def test_the_strictest_filters_are_greedy(options):
    logits = random_logits(8, 300)
    keys = jax.random.split(jax.random.key(0), 8)
    chosen = Temperature(**options).choose(jnp.array(logits), keys)
    np.testing.assert_array_equal(chosen, logits.argmax(-1))


@pytest.mark.parametrize("top_p", [0.5, 0.99999999])
def test_equal_tokens_share_a_fate(top_p):
    """Of eight equal tokens half make the mass of a half, but none is the fifth."""
    filtered = Temperature(top_p=top_p).filtered(jnp.zeros(8))
    assert np.isfinite(np.asarray(filtered)).all()


def test_a_forbidden_token_is_never_drawn():
    logits = np.full(600, -np.inf, np.float32)
    logits[[7, 511]] = [0.0, 1.0]
    for method in (Temperature(), Temperature(top_p=0.99), Temperature(top_k=300)):
        assert set(draw(method, logits, 200)) == {7, 511}


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None)
def test_greedy_takes_the_first_among_equals(logits):
    logits = np.array(logits, np.float32)
    assert first_choice(jnp.array(logits)) == np.argmax(logits)
    assert Greedy().choose(jnp.array(logits), None) == np.argmax(logits)


def contrast_of(logits, closing=()):
    return Contrast(jnp.array(logits), jnp.isin(jnp.arange(logits.shape[-1]), jnp.array(closing)))


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.5])
def test_contrastive_is_the_brute_force_argmax(beta):
    logits, contrast = random_logits(50, 40, seed=1), random_logits(50, 40, seed=2)
    chosen = Contrastive(beta).choose(jnp.array(logits), None, contrast_of(contrast))
    for row in range(50):
        factual = np.log(softmax(logits[row].astype(np.float64)))
        counterfactual = np.log(softmax(contrast[row].astype(np.float64)))
        scores = [factual[t] - beta * counterfactual[t] for t in range(40)]
        assert chosen[row] == scores.index(max(scores))


def test_contrastive_without_contrast_is_greedy():
    logits, contrast = random_logits(50, 40, seed=1), random_logits(50, 40, seed=2)
    chosen = Contrastive(beta=0.0).choose(jnp.array(logits), None, contrast_of(contrast))
    np.testing.assert_array_equal(chosen, logits.argmax(-1))
    chosen = Contrastive(beta=1.0).choose(logits, None, contrast_of(contrast))
    assert (chosen != logits.argmax(-1)).any()


def test_contrastive_never_takes_what_neither_context_allows():
    logits = jnp.array([[-jnp.inf, 0.0, 1.0]])
    contrast = contrast_of(jnp.array([[-jnp.inf, 0.0, 5.0]]))
    assert Contrastive(beta=1.0).choose(logits, None, contrast)[0] == 1


@pytest.mark.parametrize(
    ("gold", "wrong", "chosen"),
    [
        ([1.0, 2.0, 3.0, 0.0], [0.0, 0.0, 9.0, 0.0], 2),  # the gold context alone ends it
        ([1.0, 2.0, 3.0, 2.9], [0.0, 0.0, 9.0, 0.0], 2),
        ([1.0, 2.0, 1.9, 0.0], [0.0, 9.0, 0.0, 0.0], 2),  # only the contrast of both does
        ([1.0, 3.0, 2.0, 2.9], [0.0, 9.0, 9.0, 0.0], 3),  # neither
    ],
)
def test_contrastive_ends_where_either_would(gold, wrong, chosen):
    """Token 2 closes a text."""
    contrast = contrast_of(jnp.array([wrong]), closing=[2])
    assert Contrastive(beta=1.0).choose(jnp.array([gold]), None, contrast)[0] == chosen


def test_contrastive_ends_no_earlier_than_the_minimum():
    logits, contrast = jnp.array([[1.0, 2.0, 3.0]]), contrast_of(jnp.zeros((1, 3)), closing=[2])
    for written, expected in [(1, 1), (2, 2)]:
        chosen, _ = sample(
            Contrastive(beta=1.0), Limits(min_tokens=2), logits, None, jnp.zeros((1, 4), jnp.int32),
            jnp.array([written]), ends=(2,), contrast=contrast,
        )  # fmt: skip
        assert chosen[0] == expected


@pytest.mark.parametrize("penalty", [1.3, 0.7])
def test_repetition_penalty_is_that_of_transformers(penalty):
    logits, written = random_logits(30), [4, 9, 4, 22]
    process = reference.RepetitionPenaltyLogitsProcessor(penalty)
    scores = process(torch.tensor([written]), torch.tensor(logits[None]))[0].numpy()
    np.testing.assert_allclose(limited(Limits(penalty), logits, written), scores, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 4))
def test_no_ngram_is_said_twice(written, size):
    logits = random_logits(6)
    process = reference.NoRepeatNGramLogitsProcessor(size)
    scores = process(torch.tensor([written]), torch.tensor(logits[None]))[0].numpy()
    np.testing.assert_array_equal(limited(Limits(no_repeat_ngram=size), logits, written), scores)


@pytest.mark.parametrize(("written", "ends"), [(2, False), (3, True), (4, True)])
def test_a_sample_ends_no_earlier_than_the_minimum(written, ends):
    logits = limited(Limits(min_tokens=3), np.zeros(8), [5] * written, ends=(2, 6))
    assert [bool(np.isfinite(logits[t])) for t in (2, 6)] == [ends, ends]
    assert np.isfinite(np.delete(logits, [2, 6])).all()


def test_logprobs_are_the_plain_models():
    """Whatever the method and its limits do to the logits."""
    logits = random_logits(4, 300)
    history = np.tile(np.arange(6, dtype=np.int32), (4, 1))
    tokens, logprobs = jax.jit(sample, static_argnums=(0, 1), static_argnames="ends")(
        Temperature(0.2, top_k=3),
        Limits(repetition_penalty=2.0, no_repeat_ngram=2, min_tokens=9),
        jnp.array(logits),
        jax.random.split(jax.random.key(0), 4),
        history,
        jnp.full(4, 6, jnp.int32),
        ends=(1,),
    )
    plain = np.log(softmax(logits.astype(np.float64)))
    np.testing.assert_allclose(logprobs, plain[range(4), tokens], atol=1e-5)
    np.testing.assert_allclose(token_logprobs(logits, tokens), logprobs)


def test_limits_that_leave_nothing_are_lifted():
    """Both tokens of this vocabulary have been said, and no word may be said twice."""
    logits = jnp.array([[1.0, 2.0], [2.0, 1.0]])
    history = jnp.array([[0, 1], [0, 1]])
    chosen, _ = sample(
        Greedy(), Limits(no_repeat_ngram=1), logits, None, history, jnp.array([2, 1]), ends=()
    )
    assert chosen.tolist() == [1, 1]  # the second row may still say 1


def test_keys_depend_on_seed_question_sample_and_position_alone():
    names = [(seed, q, n) for seed in (0, 1) for q in ("q1", "q2", "q\n1") for n in (0, 1)]
    keys = np.stack([sample_key(*name) for name in names])
    assert len({tuple(key) for key in keys}) == len(names)
    data = jax.random.key_data(jax.jit(keys_at)(keys, jnp.arange(len(names))))
    alone = [jax.random.key_data(keys_at(keys[i : i + 1], jnp.array([i])))[0] for i in range(5)]
    np.testing.assert_array_equal(data[:5], alone)
    positions = jnp.arange(1000)
    many = jax.random.key_data(keys_at(jnp.tile(keys[0], (1000, 1)), positions))
    assert len({tuple(key) for key in np.asarray(many)}) == 1000


def test_a_sample_key_is_for_ever():
    """Texts of old runs could not be drawn again if it changed."""
    assert sample_key(7, "1afa02df02c908a558b4036e80242fac", 3).tolist() == [602382537, 410291247]


def test_a_draw_does_not_depend_on_its_row():
    logits = random_logits(6, 700)
    keys = keys_at(jnp.array([sample_key(0, "q", n) for n in range(6)]), jnp.arange(6))
    together = Temperature(top_p=0.9).choose(jnp.array(logits), keys)
    order = np.array([3, 0, 5, 1, 4, 2])
    moved = Temperature(top_p=0.9).choose(jnp.array(logits[order]), keys[order])
    np.testing.assert_array_equal(moved, together[order])
    square = Temperature(top_p=0.9).choose(jnp.array(logits.reshape(2, 3, 700)), keys.reshape(2, 3))
    np.testing.assert_array_equal(square.reshape(6), together)


def test_rounding_hardly_ever_changes_a_draw():
    """Else a sample would say something else beside others, or on other devices.

    Of as many draws from a cumulative distribution about ten would change.
    """
    rows, size = 200, 20_000
    logits = np.random.default_rng(0).normal(0, 3, (rows, size)).astype(np.float32)
    noise = np.random.default_rng(1).normal(0, 1e-5, logits.shape).astype(np.float32)
    choose = jax.jit(Temperature().choose)
    changed = 0
    for position in range(10):
        samples = jnp.array([sample_key(0, "q", n) for n in range(rows)])
        keys = keys_at(samples, jnp.full(rows, position))
        changed += int(np.sum(choose(logits, keys) != choose(logits + noise, keys)))
    assert changed <= 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gready", {}, "method='gready' is no method; did you mean 'greedy'"),
        ("greedy", {"temperature": 1.0}, "temperature: method greedy has no such option"),
        ("temperature", {"topp": 1.0}, "topp: .* did you mean 'top_p'"),
        ("temperature", {"temperature": 0.0}, "temperature=0.0 must be above 0; or use greedy"),
        ("temperature", {"top_k": -1}, "top_k=-1 must"),
        ("temperature", {"top_p": 0.0}, "top_p=0.0 must"),
        ("temperature", {"min_p": 1.5}, "min_p=1.5 must"),
        ("contrastive", {"beta": -1.0}, "beta=-1.0 must"),
    ],
)
def test_what_no_method_can_do_is_refused(name, options, message):
    with pytest.raises(InputError, match=rf"config\.sampling\.{message}"):
        get_method(name, **options)


@pytest.mark.parametrize(
    "options", [{"repetition_penalty": 0.0}, {"no_repeat_ngram": -1}, {"min_tokens": -1}]
)
def test_what_limits_nothing_is_refused(options):
    with pytest.raises(InputError, match=f"config.sampling.{next(iter(options))}="):
        Limits(**options)
