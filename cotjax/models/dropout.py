"""Dropout from as few random bits as it needs."""

import functools
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
        """Returns x [rows, length, ...] with its share dropped, or x where that is deterministic.

        A TPU drops others than a CPU or GPU.
        """
        dropped = round(self.rate * LEVELS)
        if deterministic or dropped == 0:
            return x
        draws = jax.lax.platform_dependent(
            self.make_rng("dropout"),
            tpu=functools.partial(_in_halves, x.shape),
            default=functools.partial(_in_pairs, x.shape),
        )
        return jnp.where(draws >= dropped, x * (LEVELS / (LEVELS - dropped)), 0)


def _in_pairs(shape: tuple[int, ...], key: Array) -> Array:
    """Random 16 bits a number, uint16 of a shape: neighbours share a word."""
    rows, numbers = shape[0], math.prod(shape[1:])
    words = jax.random.bits(key, (rows, -(-numbers // 2)), jnp.uint32)
    draws = jax.lax.bitcast_convert_type(words, jnp.uint16).reshape(rows, -1)
    return draws[:, :numbers].reshape(shape)


def _in_halves(shape: tuple[int, ...], key: Array) -> Array:
    """The same, but a number shares a word with the one that stands half of axis 1 behind it.

    To take neighbours apart a TPU copies all draws several times: they were a fifth of the memory
    traffic of a step. (Of attention's keys axis 1 is heads, and may be split: these draws are few.)
    """
    rows, length, *rest = shape
    words = jax.random.bits(key, (rows, -(-length // 2), *rest), jnp.uint32)
    words = jax.lax.optimization_barrier(words)  # or each is computed anew for either half
    draws = jnp.concatenate([words & (LEVELS - 1), words // LEVELS], axis=1)
    return draws[:, :length].astype(jnp.uint16)
