"""What rows have written so far, whatever chose their tokens."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array


class Generated(NamedTuple):
    """What each row wrote: tokens [.., max_tokens], 0 after the end, and lengths [..].

    Rows are [batch], [batch, samples] or [batch, beams]. The closing tokens (end of sequence or a
    stop) are among the tokens and counted.
    """

    tokens: Array
    lengths: Array


def nothing(rows: tuple[int, ...], max_tokens: int) -> Generated:
    """What rows have written before their first token."""
    return Generated(jnp.zeros((*rows, max_tokens), jnp.int32), jnp.zeros(rows, jnp.int32))


def write(written: Generated, token: Array, free: Array) -> Generated:
    """Adds token [..] to the rows that are free to write, bool [..]."""
    here = jnp.arange(written.tokens.shape[-1]) == written.lengths[..., None]
    tokens = jnp.where(here & free[..., None], token[..., None], written.tokens)
    return Generated(tokens, written.lengths + free)


def ends_with(written: Generated, stops: tuple[tuple[int, ...], ...]) -> Array:
    """Whether the last tokens of each row are one of `stops`, bool [..]."""
    ends = jnp.zeros(written.lengths.shape, bool)
    for stop in stops:
        places = written.lengths[..., None] - len(stop) + jnp.arange(len(stop))
        last = jnp.take_along_axis(written.tokens, jnp.maximum(places, 0), axis=-1)
        ends |= jnp.all((last == jnp.array(stop)) & (places >= 0), axis=-1)
    return ends
