"""Attention to a text in parts is attention to the whole."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.decoding.parts import KeyValue, join, look

WIDTH, QUERIES, GROUP = 4, 3, 2


def config(cap: float | None = None) -> SimpleNamespace:
    """What `look` reads of a CausalConfig."""
    return SimpleNamespace(query_scale=0.5, attention_soft_cap=cap, wide_dtype="float32")


def whole(query, key, value, seen, cap):
    """Softmax over all keys at once, in float64."""
    scores = 0.5 * np.einsum("qgd,kd->qgk", query, key)
    scores = scores if cap is None else cap * np.tanh(scores / cap)
    weights = np.where(seen[:, None], np.exp(scores - scores.max(initial=0)), 0)
    return np.einsum("qgk,kd->qgd", weights / weights.sum(axis=-1, keepdims=True), value)


@settings(deadline=None, max_examples=30)  # every new cut is compiled
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    cap=st.sampled_from([None, 2.0]),
    scale=st.sampled_from([1.0, 30.0]),
    seed=st.integers(0, 2**16),
)
def test_parts_are_one_text(lengths, cap, scale, seed):
    """Wherever it is cut, parts of no keys and of none that are seen included."""
    draw = np.random.default_rng(seed)
    lengths = [*lengths, 1]  # the query's own token, which it always sees
    count = sum(lengths)
    query = draw.standard_normal((QUERIES, GROUP, WIDTH)) * scale
    key, value = draw.standard_normal((2, count, WIDTH))
    seen = draw.random((QUERIES, count)) < 0.5
    seen[:, -1] = True
    ends = np.cumsum(lengths)
    found = [
        look(
            config(cap),
            jnp.array(query, jnp.float32),
            KeyValue(*(jnp.array(x[end - size : end], jnp.float32) for x in (key, value))),
            jnp.array(seen[:, end - size : end]),
        )
        for size, end in zip(lengths, ends, strict=True)
    ]
    expected = whole(query, key, value, seen, cap)
    np.testing.assert_allclose(join(found), expected, rtol=0, atol=2e-5)


def test_a_hand_drawn_one():
    """Scores 0 and log 3 weigh 1 and 3."""
    query = jnp.array([[[2.0]]])  # times a scale of 1/2
    first = KeyValue(jnp.array([[0.0]]), jnp.array([[10.0]]))
    second = KeyValue(jnp.log(jnp.array([[3.0]])), jnp.array([[50.0]]))
    everything = jnp.ones((1, 1), bool)
    found = [look(config(), query, part, everything) for part in (first, second)]
    assert [float(part.total[0, 0, 0]) for part in found] == [1, 1]
    assert float(join(found)[0, 0, 0]) == pytest.approx((1 * 10 + 3 * 50) / 4)
