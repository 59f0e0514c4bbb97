"""Keys and values of a causal teacher: a shared prefix, prompts, and each sample's own tokens.

A few-shot prefix is run once for a whole job and kept once. A prompt (what follows the prefix) is
run once for all of its samples, which read the same keys and values. Only the tokens that a sample
writes are its own. A query attends to the parts as to one text.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cotjax.decoding.engine import Sizes
from cotjax.mesh import LogicalAxes
from cotjax.models import causal
from cotjax.models.attention import MASKED_SCORE
from cotjax.models.causal_config import CausalConfig

NOWHERE = 2**30  # the position of a key that comes after every query


class KeyValue(NamedTuple):
    """Keys and values of one layer, [..., key-value heads, length, head_dim]."""

    key: Array
    value: Array


class CausalCache(NamedTuple):
    """All that has been read: of every layer, apart or stacked as the parameters are.

    Attributes:
      prefix: [heads, prefix, head_dim], the same for every prompt.
      prompts: [entries, heads, question, head_dim]
      lengths: int32 [entries], tokens of each prompt.
      own: [rows, heads, tokens, head_dim]
    """

    prefix: Any
    prompts: Any
    lengths: Array
    own: Any


@dataclasses.dataclass(frozen=True)
class CausalReader:
    """Reads text with a decoder of the Llama family; see `engine.Reader`."""

    config: CausalConfig

    @property
    def logical_axes(self) -> LogicalAxes:
        """What its caches are split by; see `mesh.leaf_shardings`."""
        stack = ("layers",) if self.config.scan_layers else ()
        return (
            (r"^cache/prefix", (*stack, "heads", None, None)),
            (r"^cache/prompts", (*stack, None, "heads", None, None)),
            (r"^cache/own", (*stack, "batch", "heads", None, None)),
            (r"^cache/lengths", (None,)),
        )

    def empty(self, sizes: Sizes) -> CausalCache:
        """Returns a cache with room for so many tokens of each part."""

        def zeros(*shape: int) -> KeyValue:
            *rows, length = shape
            whole = (*rows, self.config.num_key_value_heads, length, self.config.head_dim)
            return KeyValue(
                jnp.zeros(whole, self.config.dtype), jnp.zeros(whole, self.config.dtype)
            )

        return CausalCache(
            prefix=self._layered(lambda: zeros(sizes.prefix)),
            prompts=self._layered(lambda: zeros(sizes.entries, sizes.question)),
            lengths=jnp.zeros(sizes.entries, jnp.int32),
            own=self._layered(lambda: zeros(sizes.rows, sizes.tokens)),
        )

    def read_prefix(self, params: dict, cache: CausalCache, tokens: Array) -> CausalCache:
        """Runs the prefix that all prompts share, int32 [prefix]."""
        positions = jnp.arange(len(tokens))[None]

        def attend(query, key, value, window, _):
            new = _heads_first(key, value)
            found = _attend(self.config, query, [(new, positions)], positions, window)
            return found, jax.tree.map(lambda x: x[0], new)

        x = causal.embed(self.config, params, tokens[None])
        _, prefix = causal.decoder_layers(self.config, params, x, positions, attend)
        return cache._replace(prefix=prefix)

    def read_prompts(
        self, params: dict, cache: CausalCache, tokens: Array, lengths: Array, at: Array
    ) -> CausalCache:
        """Runs prompts behind the prefix and keeps them.

        Args:
          params: Of the teacher.
          cache: Takes the prompts.
          tokens: int32 [prompts, length], padded at the end; length is at most the cache's.
          lengths: int32 [prompts]
          at: int32 [prompts], the entries to fill.
        """
        prefix_length = _length(cache.prefix)
        positions = prefix_length + jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)

        def attend(query, key, value, window, prefix):
            new = _heads_first(key, value)
            parts = [(prefix, jnp.arange(prefix_length)), (new, positions)]
            return _attend(self.config, query, parts, positions, window), new

        x = causal.embed(self.config, params, tokens)
        _, new = causal.decoder_layers(self.config, params, x, positions, attend, cache.prefix)
        prompts = jax.tree.map(lambda old, x: _put_prompts(old, x, at), cache.prompts, new)
        return cache._replace(prompts=prompts, lengths=cache.lengths.at[at].set(lengths))

    def read_token(
        self, params: dict, cache: CausalCache, token: Array, fed: Array, entry: Array
    ) -> tuple[Array, CausalCache]:
        """Logits [rows, vocab] after one more token in every row.

        Args:
          params: Of the teacher.
          cache: Takes the token.
          token: int32 [rows]
          fed: int32 [rows], how many own tokens the row has already.
          entry: int32 [rows], the prompt that the row goes on with.
        """
        prefix_length, length = _length(cache.prefix), cache.lengths[entry]
        start = prefix_length + length  # [rows], position of the first own token
        position = (start + fed)[:, None]
        places = [
            jnp.arange(prefix_length),
            _places(prefix_length, _length(cache.prompts), length),
            _places(start, _length(cache.own), fed),
            position,
        ]

        def attend(query, key, value, window, parts):
            prefix, prompts, own = parts
            new = _heads_first(key, value)
            prompt = jax.tree.map(lambda x: x[entry], prompts)
            keys = list(zip((prefix, prompt, own, new), places, strict=True))
            return _attend(self.config, query, keys, position, window), new

        x = causal.embed(self.config, params, token[:, None])
        parts = (cache.prefix, cache.prompts, cache.own)
        parts = parts if self.config.scan_layers else list(zip(*parts, strict=True))
        x, new = causal.decoder_layers(self.config, params, x, position, attend, parts)
        own = jax.tree.map(lambda old, x: _put_token(old, x, fed), cache.own, new)
        return causal.head(self.config, params, x)[:, 0], cache._replace(own=own)

    def _layered(self, make: Callable[[], KeyValue]) -> Any:
        """One cache a layer, stacked where the parameters are."""
        layers = [make() for _ in self.config.layers]
        if not self.config.scan_layers:
            return layers
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)


def _attend(
    config: CausalConfig,
    query: Array,
    parts: list[tuple[KeyValue, Array]],
    positions: Array,
    window: Array,
) -> Array:
    """Attention of queries to several stretches of keys as to one.

    Args:
      config: Of the teacher.
      query: [batch, queries, query heads, head_dim]
      parts: Keys and values, [batch, heads, keys, head_dim] or [heads, keys, head_dim] for all,
        and the positions of the keys, [batch, keys] or [keys].
      positions: int32 [batch, queries]; a key is seen where it is not after the query.
      window: How far back a query sees, itself included.

    Returns:
      [batch, queries, query heads, head_dim]
    """
    batch, length, _, width = query.shape
    grouped = query.reshape(batch, length, config.num_key_value_heads, -1, width)
    scores, keys = [], []
    for part, at in parts:
        product = "bqhgd,bhkd->bhgqk" if part.key.ndim == 4 else "bqhgd,hkd->bhgqk"
        scores.append(
            jnp.einsum(product, grouped, part.key, preferred_element_type=config.wide_dtype)
        )
        keys.append(jnp.broadcast_to(at, (batch, at.shape[-1])))
    capped = causal.soft_cap(
        jnp.concatenate(scores, axis=-1) * config.query_scale, config.attention_soft_cap
    )
    distance = positions[:, :, None] - jnp.concatenate(keys, axis=1)[:, None]
    seen = (distance >= 0) & (distance < window)  # [batch, queries, keys]
    weights = jax.nn.softmax(jnp.where(seen[:, None, None], capped, MASKED_SCORE))
    ends = np.cumsum([part.key.shape[-2] for part, _ in parts])[:-1]
    found = 0
    for (part, _), weight in zip(parts, jnp.split(weights, ends, axis=-1), strict=True):
        product = "bhgqk,bhkd->bqhgd" if part.value.ndim == 4 else "bhgqk,hkd->bqhgd"
        found += jnp.einsum(product, weight.astype(part.value.dtype), part.value)
    return found.reshape(query.shape)


def _heads_first(key: Array, value: Array) -> KeyValue:
    """[batch, length, heads, head_dim] -> [batch, heads, length, head_dim]."""
    return KeyValue(jnp.swapaxes(key, 1, 2), jnp.swapaxes(value, 1, 2))


def _places(start: Array | int, length: int, used: Array) -> Array:
    """Positions of a part's keys, int32 [rows, length]; nowhere from `used` [rows] on."""
    place = jnp.arange(length)
    return jnp.where(place < used[:, None], jnp.asarray(start).reshape(-1, 1) + place, NOWHERE)


def _length(cache: Any) -> int:
    """How many tokens a part has room for."""
    return jax.tree.leaves(cache)[0].shape[-2]


def _put_prompts(whole: Array, new: Array, at: Array) -> Array:
    """Writes [.., prompts, heads, length, head_dim] at the head of the entries `at`."""
    return whole.at[..., at, :, : new.shape[-2], :].set(new)


def _put_token(whole: Array, new: Array, place: Array) -> Array:
    """Writes a token [.., rows, heads, 1, head_dim] at its place [rows] in every row."""
    # Two index arrays with a slice between them: their axis comes first.
    first = jnp.moveaxis(new[..., 0, :], -3, 0)
    return whole.at[..., jnp.arange(len(place)), :, place, :].set(first)
