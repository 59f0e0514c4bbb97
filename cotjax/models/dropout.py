"""Dropout from as few random bits as it needs."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

LEVELS = 2**16  # of a draw: the rate is rounded to a multiple of 1 / LEVELS


class Dropout(nn.Module):
    """Sets a share of the numbers to 0 and scales the others up (Srivastava et al. 2014).

    A number is dropped by 16 random bits, two to a word of the generator's, whose time is most of
    what dropout takes. Each row of the first axis draws by itself, so rows may lie on any devices.
    """

    rate: float

    @nn.compact
    def __call__(self, x: Array, deterministic: bool) -> Array:
        """Returns x [rows, ...] with its share dropped; x itself where that is deterministic."""
        dropped = round(self.rate * LEVELS)
        if deterministic or dropped == 0:
            return x
        rows, numbers = x.shape[0], math.prod(x.shape[1:])
        words = jax.random.bits(self.make_rng("dropout"), (rows, -(-numbers // 2)), jnp.uint32)
        draws = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(rows, -1)
        kept = (draws[:, :numbers] >= dropped).reshape(x.shape)
        return jnp.where(kept, x * (LEVELS / (LEVELS - dropped)), 0)
