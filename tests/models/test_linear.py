"""Linear maps as matrices, and what attention adds up and drops: Flax and sums as oracles."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cotjax.models.attention import MASKED_SCORE, Attention, Mask, _of_rows, _weighted
from cotjax.models.linear import dense
from cotjax.models.t5_config import T5Config

KEY = jax.random.key(2)
CONFIG = T5Config(
    vocab_size=32, d_model=12, d_kv=4, d_ff=16, num_layers=1, num_decoder_layers=1, num_heads=3,
    gated=True, tied=False, scale_decoder_outputs=False, dropout_rate=0.25, dtype="float64",
)  # fmt: skip


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("shape", [(12,), (5, 12), (2, 3, 12), (2, 3, 4, 12)])
def test_a_linear_map_and_its_gradients_are_those_of_flax(float64, shape):
    x = jax.random.normal(jax.random.key(0), shape, jnp.float64)
    params = dense(CONFIG, 7, 0.1).init(jax.random.key(1), x)
    plain = nn.Dense(7, use_bias=False, dtype="float64", param_dtype="float64")

    def loss(params, x, module):
        return jnp.sum(jnp.sin(module.apply(params, x)))

    found = jax.grad(loss, (0, 1))(params, x, dense(CONFIG, 7, 0.1))
    wanted = jax.grad(loss, (0, 1))(params, x, plain)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), found, wanted)


def test_a_head_that_is_wider_than_its_inputs_gives_wide_numbers():
    x = jnp.ones((2, 3, 12), jnp.bfloat16)
    head = dense(CONFIG, 7, 0.1, "float32").clone(dtype="bfloat16", param_dtype="float32")
    assert head.apply(head.init(jax.random.key(0), x), x).dtype == jnp.float32


def test_the_gradient_of_a_bias_adds_up_over_rows(float64):
    bias = jax.random.normal(jax.random.key(0), (1, 3, 4, 5))
    weights = jax.random.normal(jax.random.key(1), (6, 3, 4, 5))
    np.testing.assert_array_equal(_of_rows(bias, 6), np.tile(bias, (6, 1, 1, 1)))
    found = jax.grad(lambda bias: jnp.sum(weights * _of_rows(bias, 6)))(bias)
    np.testing.assert_allclose(found, weights.sum(axis=0, keepdims=True), rtol=1e-12)


def test_weighted_means_and_their_gradients_are_those_of_a_softmax(float64):
    random = functools.partial(jax.random.normal, dtype="float64")
    scores, value, weights = (
        random(jax.random.key(0), (2, 3, 4, 5)) * 9,
        random(jax.random.key(1), (2, 3, 5, 6)),
        random(jax.random.key(2), (2, 4, 3, 6)),
    )
    scores = scores.at[0, :, 1].set(MASKED_SCORE)  # a query without keys reads all of them alike

    def plain(scores, value):
        return jnp.einsum("bhqk,bhkd->bqhd", jax.nn.softmax(scores), value)

    def with_gradients(function):
        found = function(scores, value)
        return found, jax.grad(lambda *x: jnp.sum(weights * function(*x)), (0, 1))(scores, value)

    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12),
        with_gradients(_weighted),
        with_gradients(plain),
    )


def test_attention_drops_keys_for_all_queries_of_a_row():
    """With values that are one-hot by key, what comes out of a head is its weights."""
    rows, length = 40, 4
    config = T5Config(**{**CONFIG.__dict__, "dtype": "float32"})
    module = Attention(config)
    x = jax.random.normal(jax.random.key(0), (rows, length, 12))
    mask = Mask(jnp.ones((rows, 1, length, length), bool))
    params = module.init(jax.random.key(1), x, mask)

    def weights(deterministic, key):
        def read(module, x):
            one_hot = jnp.broadcast_to(jnp.eye(length), (rows, 3, length, length))
            kept = 1 if deterministic else module._kept_keys(one_hot)
            key, _ = module.key_value(x)
            scores = module._scores(module._split(module.query(x)), key, mask.allowed, None)
            return _weighted(scores, one_hot * kept).swapaxes(1, 2)  # [rows, heads, query, key]

        return module.apply(params, x, method=read, rngs={"dropout": key})

    whole, found = weights(True, KEY), np.asarray(weights(False, KEY))
    np.testing.assert_allclose(whole.sum(axis=-1), 1, rtol=1e-5)
    dropped = (found == 0).all(axis=2)  # [rows, heads, keys], of all queries
    np.testing.assert_array_equal(dropped[:, :, None] | (found > 0), True)
    assert 0.15 < dropped.mean() < 0.35
    scaled = np.where(dropped[:, :, None], 0, np.asarray(whole) / 0.75)
    np.testing.assert_allclose(found, scaled, rtol=1e-5)
