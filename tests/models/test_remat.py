"""What is recomputed must not be kept: the compiler's own plan of its memory."""

import functools
import types

import jax
import jax.numpy as jnp
import pytest

from cotjax.models.t5 import T5, T5Config
from cotjax.models.t5_config import computation
from tests.models.reference import SIZES


@pytest.mark.parametrize("remat", ["dots", "full"])
def test_recomputing_needs_less_memory_on_a_cpu(remat):
    """Where the config leaves open whether layers are a loop."""
    assert temporaries(remat) < 0.75 * temporaries("none")


@functools.cache
def temporaries(remat: str) -> int:
    """Bytes that a backward pass through four layers needs for a while."""
    section = types.SimpleNamespace(
        dtype=None, scan_layers=None, remat=remat, attention="xla", dropout_rate=0.1
    )
    model = T5(
        T5Config(
            **SIZES | {"num_layers": 4, "num_decoder_layers": 4},
            **computation(section, platform="cpu"),
            gated=True,
            tied=False,
            scale_decoder_outputs=False,
        )
    )
    ones = jnp.ones((16, 32), jnp.int32)
    names = ("encoder_tokens", "encoder_segments", "decoder_inputs", "decoder_segments")
    batch = dict.fromkeys(names, ones) | {"segment_source": ones[:, :1]}

    def loss(params):
        rngs = {"dropout": jax.random.key(0)}
        return model.apply(params, batch, deterministic=False, rngs=rngs, method="states").sum()

    params = jax.eval_shape(model.init, jax.random.key(0), batch)
    return jax.jit(jax.grad(loss)).lower(params).compile().memory_analysis().temp_size_in_bytes
