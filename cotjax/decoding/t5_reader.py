"""T5 as a teacher: the encoder reads a prompt once, and its samples share what it made of it.

The encoder reads both ways, so no part of a prompt can be run before the rest is known: there is
no shared prefix.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from cotjax.decoding import t5_steps
from cotjax.decoding.engine import Sizes
from cotjax.errors import InputError
from cotjax.mesh import LogicalAxes
from cotjax.models.t5 import T5, T5Config, empty_cache


class T5Cache(NamedTuple):
    """All that has been read: keys and values of every layer, apart or stacked.

    Attributes:
      prompts: Of the encoder, [entries, heads, question, d_kv].
      lengths: int32 [entries], tokens of each prompt.
      own: Of the decoder, [rows, heads, tokens, d_kv].
    """

    prompts: Any
    lengths: Array
    own: Any


@dataclasses.dataclass(frozen=True)
class T5Reader:
    """Reads text with a T5; see `engine.Reader`. A prompt's last token is the decoder's first."""

    config: T5Config

    @property
    def logical_axes(self) -> LogicalAxes:
        """What its caches are split by; see `mesh.leaf_shardings`."""
        stack = ("layers",) if self.config.scan_layers else ()
        return (
            (r"^cache/prompts", (*stack, None, "heads", None, None)),
            (r"^cache/own", (*stack, "batch", "heads", None, None)),
            (r"^cache/lengths", (None,)),
        )

    def empty(self, sizes: Sizes) -> T5Cache:
        """Returns a cache with room for so many tokens of each part."""
        apart, _ = _layers_apart(self.config)
        return T5Cache(
            prompts=apart(empty_cache(self.config, sizes.entries, sizes.question)),
            lengths=jnp.zeros(sizes.entries, jnp.int32),
            own=apart(empty_cache(self.config, sizes.rows, sizes.tokens)),
        )

    def read_prefix(self, params: dict, cache: T5Cache, tokens: Array) -> T5Cache:
        """Refuses: an encoder reads a prompt as a whole."""
        raise InputError("a T5 teacher has no shared prefix")

    def read_prompts(
        self, params: dict, cache: T5Cache, tokens: Array, lengths: Array, at: Array
    ) -> T5Cache:
        """Encodes prompts [prompts, length], padded at the end, into the entries `at` [prompts]."""
        model, variables = T5(self.config), {"params": params}
        segments = (jnp.arange(tokens.shape[1]) < lengths[:, None]).astype(jnp.int32)
        encoded = model.apply(variables, tokens, segments, method=T5.encode)
        cross = model.apply(variables, encoded, method=T5.cross_cache)
        apart, _ = _layers_apart(self.config)
        prompts = jax.tree.map(
            lambda old, new: old.at[..., at, :, : tokens.shape[1], :].set(new),
            cache.prompts,
            apart(cross),
        )
        return cache._replace(prompts=prompts, lengths=cache.lengths.at[at].set(lengths))

    def read_token(
        self, params: dict, cache: T5Cache, token: Array, fed: Array, entry: Array
    ) -> tuple[Array, T5Cache]:
        """Logits [rows, vocab] after one more token [rows] at the place `fed` [rows]."""
        apart, together = _layers_apart(self.config)
        layers = together(apart(params["decoder"]["layers"]))
        variables = {"params": {**params, "decoder": {**params["decoder"], "layers": layers}}}

        def of_row(token, index, own, cross, length):
            own, cross = (jax.tree.map(lambda x: x[:, None], together(x)) for x in (own, cross))
            places = jax.tree.leaves(cross)[0].shape[-2]
            segments = (jnp.arange(places) < length).astype(jnp.int32)
            room = jax.tree.leaves(own)[0].shape[-2]
            seen = (jnp.arange(room) <= index)[None, None, :, None]
            read = token[None, None], index, own, cross, segments[None], seen
            logits, own = T5(self.config).apply(variables, *read, method=T5.decode_step)
            return logits[0, 0], apart(jax.tree.map(lambda x: x[:, 0], own))

        rows = 1 if self.config.scan_layers else 0
        cross = jax.tree.map(lambda x: jnp.take(x, entry, axis=rows, mode="clip"), cache.prompts)
        logits, own = jax.vmap(of_row, in_axes=(0, 0, rows, rows, 0), out_axes=(0, rows))(
            token, fed, cache.own, cross, cache.lengths[entry]
        )
        return logits, cache._replace(own=own)


def _layers_apart(config: T5Config) -> tuple[Callable, Callable]:
    """Functions that take stacked layers apart and put them together, where they are unrolled."""
    if config.scan_layers:
        return (lambda tree: tree), (lambda tree: tree)
    return t5_steps.apart, t5_steps.together
