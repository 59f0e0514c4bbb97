"""Attention by cuDNN against XLA's; skips where there is no NVIDIA GPU."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cotjax.errors import InputError
from cotjax.models.t5 import T5, empty_cache
from cotjax.models.t5_config import PRESETS

SMALL = dataclasses.replace(PRESETS["flan-t5-small"], num_layers=2, num_decoder_layers=2)


def packed(rows: int, length: int, targets: int) -> dict[str, jax.Array]:
    """Rows of two questions and three replies, with padding at the end."""
    generator = np.random.default_rng(0)
    encoder = np.repeat([1, 2, 0], [length // 2, length // 4, length - length // 2 - length // 4])
    decoder = np.repeat([1, 2, 3, 0], [targets // 4] * 3 + [targets - 3 * (targets // 4)])

    def draw(segments):
        return generator.integers(2, 32000, (rows, len(segments))) * (segments > 0)

    batch = {
        "encoder_tokens": draw(encoder),
        "encoder_segments": np.tile(encoder, (rows, 1)),
        "decoder_inputs": draw(decoder),
        "decoder_segments": np.tile(decoder, (rows, 1)),
        "segment_source": np.tile([1, 1, 2], (rows, 1)),
    }
    return {name: jnp.asarray(leaf, jnp.int32) for name, leaf in batch.items()}


def test_it_needs_bfloat16():
    with pytest.raises(InputError, match=r"cudnn needs model\.dtype=bfloat16, not float32"):
        dataclasses.replace(SMALL, attention="cudnn")


@pytest.mark.parametrize("beams", [1, 3])
def test_decoding_leaves_single_tokens_to_xla(beams, monkeypatch):
    """What is traced for a token of each beam asks cuDNN for nothing."""
    monkeypatch.setattr(jax.nn, "dot_product_attention", None)
    config = dataclasses.replace(SMALL, attention="cudnn", dtype="bfloat16")
    plain = dataclasses.replace(SMALL, dtype="bfloat16")
    params = jax.eval_shape(T5(plain).init, jax.random.key(0), packed(2, 16, 8))["params"]

    def step(params):
        encoded = jnp.zeros((2, 16, config.d_model), jnp.bfloat16)
        cross = T5(config).apply({"params": params}, encoded, method="cross_cache")
        cache, tokens = empty_cache(config, 2, 4 * beams), jnp.ones((2, beams), jnp.int32)
        seen = jnp.ones((2, beams, 4, beams), bool)
        rest = (0, cache, cross, jnp.ones((2, 16), jnp.int32), seen)
        return T5(config).apply({"params": params}, tokens, *rest, method="decode_step")

    logits, _ = jax.eval_shape(step, params)
    assert logits.shape == (2, beams, config.vocab_size)


@pytest.mark.skipif(jax.default_backend() != "gpu", reason="cuDNN needs an NVIDIA GPU")
def test_states_and_gradients_are_those_of_xla():
    batch = packed(4, 128, 64)
    exact = T5(dataclasses.replace(SMALL, dtype="float32"))
    params = jax.jit(exact.init)(jax.random.key(0), batch)["params"]
    weights = (batch["decoder_segments"] > 0)[..., None]

    def loss(params, model):
        states = model.apply({"params": params}, batch, method="states")
        return jnp.sum(jnp.sin(states.astype(jnp.float32)) * weights)

    def gradient(**changes):
        model = T5(dataclasses.replace(SMALL, **changes))
        with jax.default_matmul_precision("highest"):
            gradients = jax.jit(jax.grad(loss), static_argnums=1)(params, model)
        return jax.tree.leaves({name: gradients[name] for name in ("shared", "encoder", "decoder")})

    truth = gradient(dtype="float32")
    plain = gradient(dtype="bfloat16")
    fused = gradient(dtype="bfloat16", attention="cudnn")
    for one, other, wanted in zip(fused, plain, truth, strict=True):
        size = jnp.linalg.norm(wanted)
        error = jnp.linalg.norm(one - wanted) / size
        assert error < max(1.5 * jnp.linalg.norm(other - wanted) / size, 1e-2)
