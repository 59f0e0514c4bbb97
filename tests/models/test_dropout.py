"""Dropout: shares, scale, and draws that are one row's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.lax import platform_dependent
from scipy import stats

from cotjax.models.dropout import LEVELS, Dropout

KEY = jax.random.key(3)


@pytest.fixture(scope="module", autouse=True, params=["default", "tpu"])
def _platform(request):
    """Whose way to draw is taken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.lax, "platform_dependent", lambda key, **ways: ways[request.param](key))
        yield


def test_a_tpu_has_a_way_of_its_own(monkeypatch):
    monkeypatch.setattr(jax.lax, "platform_dependent", platform_dependent)
    step = jax.jit(lambda x: dropped(x, 0.1)).trace(jnp.ones((2, 8, 4)))
    lowered = {name: step.lower(lowering_platforms=(name,)).as_text() for name in ("cpu", "tpu")}
    assert "optimization_barrier" in lowered["tpu"]
    assert "optimization_barrier" not in lowered["cpu"]


def dropped(x, rate, key=KEY, deterministic=False):
    return Dropout(rate).apply({}, x, deterministic, rngs={"dropout": key})


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 0.9])
def test_a_share_is_dropped_and_the_rest_scaled_so_that_the_mean_stays(rate):
    found = np.asarray(dropped(jnp.full((40, 25, 100), 3.0), rate))
    count, zeros = found.size, int((found == 0).sum())
    assert stats.binomtest(zeros, count, rate).pvalue > 1e-3
    np.testing.assert_allclose(found[found != 0], 3.0 / (1 - rate), rtol=1 / LEVELS / (1 - rate))


def test_numbers_of_a_word_are_dropped_independently():
    """Two share a word of the generator: neighbours, or those that stand half a row apart."""
    found = np.asarray(dropped(jnp.ones((500, 200)), 0.5)) == 0
    for one, other in ((found[:, ::2], found[:, 1::2]), (found[:, :100], found[:, 100:])):
        table = [
            [(one & other).sum(), (one & ~other).sum()],
            [(~one & other).sum(), (~one & ~other).sum()],
        ]
        assert stats.chi2_contingency(table).pvalue > 1e-3


@settings(max_examples=8)  # each compiles
@given(st.integers(1, 5), st.integers(1, 7), st.integers(1, 9))
def test_rows_draw_by_themselves(rows, length, width):
    x = jnp.ones((rows + 2, length, width))
    whole = dropped(x, 0.4)
    assert whole.shape == x.shape
    np.testing.assert_array_equal(dropped(x[:rows], 0.4), whole[:rows])


def test_nothing_is_dropped_without_a_rate_or_at_test_time():
    x = jnp.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(dropped(x, 0.0), x)
    np.testing.assert_array_equal(dropped(x, 0.5, deterministic=True), x)


def test_the_gradient_is_that_of_the_same_draw():
    x = jnp.ones((4, 50))
    gradient = jax.grad(lambda x: dropped(x, 0.3).sum())(x)
    np.testing.assert_array_equal(gradient, dropped(x, 0.3))
    assert 0 < (np.asarray(gradient) == 0).sum() < 200


def test_low_precision_stays():
    assert dropped(jnp.ones((2, 8), jnp.bfloat16), 0.1).dtype == jnp.bfloat16
