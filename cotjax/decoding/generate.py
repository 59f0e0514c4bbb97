"""Decoding of a batch in one compiled loop, with an explicit key-value cache: greedy or sampled."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from cotjax.decoding.sampling import Greedy, Method, keys_at
from cotjax.decoding.t5_steps import begin, new_cache
from cotjax.decoding.written import Generated, ends_with, nothing, write
from cotjax.models.t5 import T5, T5Config


class _Loop(NamedTuple):
    """What one step of decoding hands to the next; rows are [batch] or [samples, batch]."""

    index: Array  # position in the decoder
    token: Array  # [rows], the decoder's next input
    cache: Any  # see `t5_steps.new_cache`
    written: Generated
    done: Array  # [rows]


def greedy(
    model: T5,
    params: dict,
    encoder_tokens: Array,
    encoder_segments: Array,
    *,
    max_tokens: int,
    stops: tuple[tuple[int, ...], ...] = (),
    prefix: Array | None = None,
) -> Generated:
    """Writes the likeliest token after token, at most `max_tokens` in each row.

    A row ends with the end-of-sequence token, or when its last tokens are one of `stops`; a row
    without encoder tokens [batch, S] writes nothing. `prefix` [batch, P], 0 after its end, is fed
    first; it belongs neither to the result nor to a stop. Compiled once for each shape.
    """
    if prefix is None:
        prefix = jnp.zeros((encoder_tokens.shape[0], 0))
    return _generate(
        model.config,
        Greedy(),
        max_tokens,
        stops,
        params,
        encoder_tokens,
        encoder_segments,
        prefix,
        None,
    )


def sampled(
    model: T5,
    params: dict,
    encoder_tokens: Array,
    encoder_segments: Array,
    prefix: Array,
    keys: Array,
    *,
    method: Method,
    max_tokens: int,
    stops: tuple[tuple[int, ...], ...] = (),
) -> Generated:
    """Writes samples of each row [batch, samples], one for each of its `keys` [batch, samples, 2].

    As `greedy` but for how tokens are chosen (keys: see `sampling.sample_key`). A row is encoded
    once, and all of its samples attend to the same keys and values of it.
    """
    written = _generate(
        model.config,
        method,
        max_tokens,
        stops,
        params,
        encoder_tokens,
        encoder_segments,
        prefix,
        jnp.swapaxes(keys, 0, 1),
    )
    return jax.tree.map(lambda rows: jnp.swapaxes(rows, 0, 1), written)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _generate(
    config: T5Config,
    method: Method,
    max_tokens: int,
    stops: tuple[tuple[int, ...], ...],
    params: dict,
    encoder_tokens: Array,
    encoder_segments: Array,
    prefix: Array,
    keys: Array | None,
) -> Generated:
    """Rows [batch], or [samples, batch] with `keys` [samples, batch, 2]."""
    decode = begin(config, params, encoder_tokens, encoder_segments)
    batch, steps = encoder_tokens.shape[0], prefix.shape[1] + max_tokens
    rows = (batch,) if keys is None else keys.shape[:2]
    # A last column of zeros: past the forced tokens, every row is free.
    forced_tokens = jnp.pad(prefix.astype(jnp.int32), ((0, 0), (0, 1)))

    cache = new_cache(config, batch, steps)
    if keys is not None:
        decode = jax.vmap(decode, in_axes=(0, None, 0))
        cache = jax.tree.map(lambda leaf: jnp.zeros((rows[0], *leaf.shape), leaf.dtype), cache)

    def going_on(loop: _Loop) -> Array:
        return (loop.index < steps) & ~jnp.all(loop.done)

    def step(loop: _Loop) -> _Loop:
        logits, cache = decode(loop.token, loop.index, loop.cache)
        forced = forced_tokens[:, jnp.minimum(loop.index, prefix.shape[1])]
        free = (forced == 0) & ~loop.done
        chosen = method.choose(
            logits, None if keys is None else keys_at(keys, loop.written.lengths)
        )
        written = write(loop.written, chosen, free)
        ended = (chosen == config.eos_token_id) | ends_with(written, stops)
        done = loop.done | (free & (ended | (written.lengths == max_tokens)))
        token = jnp.where(forced == 0, chosen, forced)
        return _Loop(loop.index + 1, token, cache, written, done)

    first = _Loop(
        index=jnp.int32(0),
        token=jnp.full(rows, config.decoder_start_token_id, jnp.int32),
        cache=cache,
        written=nothing(rows, max_tokens),
        done=jnp.broadcast_to(jnp.all(encoder_segments == 0, axis=1), rows),
    )
    return jax.lax.while_loop(going_on, step, first).written
