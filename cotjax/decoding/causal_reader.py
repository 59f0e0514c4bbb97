"""Keys and values of a causal teacher: a shared prefix, prompts, and each sample's own tokens.

A few-shot prefix is run once for a whole job and kept once. A prompt (what follows the prefix) is
run once for all of its samples, which read the same keys and values. Only the tokens that a sample
writes are its own. Keys and values are read where they lie, and queries go there, which are few:
those of all rows to the prefix, and those of a prompt's samples to the prompt.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from cotjax.decoding.engine import Sizes
from cotjax.decoding.parts import Found, KeyValue, join, look
from cotjax.mesh import LogicalAxes
from cotjax.models import causal
from cotjax.models.causal_config import CausalConfig


class CausalCache(NamedTuple):
    """All that has been read: of every layer, apart or stacked as the parameters are.

    Attributes:
      prefix: [heads, prefix, head_dim], the same for every prompt.
      prompts: [entries, heads, question, head_dim]
      lengths: int32 [entries], tokens of each prompt.
      seats: int32 [entries, samples], the rows that go on with each prompt, then any rows.
      own: [rows, heads, tokens, head_dim]
    """

    prefix: Any
    prompts: Any
    lengths: Array
    seats: Array
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
            (r"^cache/seats", (None, None)),
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
            seats=jnp.zeros((sizes.entries, sizes.seats), jnp.int32),
            own=self._layered(lambda: zeros(sizes.rows, sizes.tokens)),
        )

    def read_prefix(self, params: dict, cache: CausalCache, tokens: Array) -> CausalCache:
        """Runs the prefix that all prompts share, int32 [prefix]."""
        positions = jnp.arange(len(tokens))
        distances = positions[:, None] - positions

        def attend(query, key, value, window, _):
            new, grouped = _heads_first(key, value), self._grouped(query)
            found = look(self.config, grouped, new, _seen(distances, window))
            return _ungrouped([found], query), jax.tree.map(lambda x: x[0], new)

        x = causal.embed(self.config, params, tokens[None])
        _, prefix = causal.decoder_layers(self.config, params, x, positions[None], attend)
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
        places = jnp.arange(tokens.shape[1])
        distances = places[:, None] - places
        positions = jnp.broadcast_to(_length(cache.prefix) + places, tokens.shape)

        def attend(query, key, value, window, prefix):
            new, grouped = _heads_first(key, value), self._grouped(query)
            found = [
                self._look_at_prefix(grouped, prefix, positions, window),
                look(self.config, grouped, new, _seen(distances, window)),
            ]
            return _ungrouped(found, query), new

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
          entry: int32 [rows], the prompt that the row goes on with; `NO_ENTRY` if none.
        """
        behind = cache.lengths[entry] + fed  # [rows], tokens of the row behind the prefix
        positions = (_length(cache.prefix) + behind)[:, None]
        seats, seat = _take_seats(cache.seats.shape, entry)
        prompt_distances = _prompt_distances(cache, behind[seats])
        own_distances = _own_distances(cache, fed)

        def attend(query, key, value, window, parts):
            prefix, prompts, own = parts
            grouped = self._grouped(query)
            seated = jnp.swapaxes(grouped[seats, :, 0], 1, 2)  # [entries, heads, samples, ...]
            in_prompts = look(self.config, seated, prompts, _seen(prompt_distances, window))
            in_own, kept = self._look_at_own(
                grouped, own, _heads_first(key, value), own_distances, window, fed
            )
            found = [
                self._look_at_prefix(grouped, prefix, positions, window),
                jax.tree.map(lambda x: x[entry, :, seat][:, :, None], in_prompts),
                *in_own,
            ]
            return _ungrouped(found, query), kept

        x = causal.embed(self.config, params, token[:, None])
        parts = (cache.prefix, cache.prompts, cache.own)
        parts = parts if self.config.scan_layers else list(zip(*parts, strict=True))
        x, own = causal.decoder_layers(self.config, params, x, positions, attend, parts)
        if self.config.scan_layers:
            own = _put_token(cache.own, own, fed)
        logits = causal.head(self.config, params, x)[:, 0]
        return logits, cache._replace(own=own, seats=seats)

    def _look_at_prefix(
        self, query: Array, prefix: KeyValue, positions: Array, window: Array
    ) -> Found:
        """What queries at `positions` [batch, queries] find in the prefix.

        `query` is [batch, heads, queries, group, head_dim]: for each head one matrix of all.
        """
        by_head = jnp.swapaxes(query, 0, 1)
        together = by_head.reshape(len(by_head), -1, *by_head.shape[3:])
        distances = positions.reshape(-1, 1) - jnp.arange(_length(prefix))
        found = look(self.config, together, prefix, _seen(distances, window))
        return jax.tree.map(
            lambda x: jnp.swapaxes(x.reshape(*by_head.shape[:-1], x.shape[-1]), 0, 1), found
        )

    def _look_at_own(
        self,
        query: Array,
        own: KeyValue,
        new: KeyValue,
        distances: Array,
        window: Array,
        fed: Array,
    ) -> tuple[list[Found], KeyValue]:
        """What queries find among their row's own tokens, the new one included; and what to keep.

        Returns:
          What was found, and the tokens with the new one, or that one alone where layers are
          stacked: a compiled loop would copy a cache that it hands on.
        """
        if self.config.scan_layers:
            before = jnp.where(distances == 0, -1, distances)  # where it will be written
            itself = jnp.ones((1, 1), bool)
            return [
                look(self.config, query, own, _seen(before, window)),
                look(self.config, query, new, itself),
            ], new
        # Written before it is read: else the compiler would copy it, to read what it was.
        own = _put_token(own, new, fed)
        return [look(self.config, query, own, _seen(distances, window))], own

    def _grouped(self, query: Array) -> Array:
        """[batch, length, heads, head_dim] -> [batch, key-value heads, length, group, head_dim]."""
        heads = self.config.num_key_value_heads
        return jnp.swapaxes(query.reshape(*query.shape[:2], heads, -1, query.shape[-1]), 1, 2)

    def _layered(self, make: Callable[[], KeyValue]) -> Any:
        """One cache a layer, stacked where the parameters are."""
        layers = [make() for _ in self.config.layers]
        if not self.config.scan_layers:
            return layers
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)


def _ungrouped(found: list[Found], query: Array) -> Array:
    """What was found in all parts, as the query was before `_grouped`."""
    return jnp.swapaxes(join(found), 1, 2).reshape(query.shape).astype(query.dtype)


def _heads_first(key: Array, value: Array) -> KeyValue:
    """[batch, length, heads, head_dim] -> [batch, heads, length, head_dim]."""
    return KeyValue(jnp.swapaxes(key, 1, 2), jnp.swapaxes(value, 1, 2))


def _seen(distances: Array, window: Array) -> Array:
    """Whether a query sees keys that lie so far before it; negative: it doesn't."""
    return (distances >= 0) & (distances < window)


def _take_seats(shape: tuple[int, int], entry: Array) -> tuple[Array, Array]:
    """The rows of each prompt [entries, samples], and the place of each row [rows] among them."""
    same = entry[:, None] == entry
    seat = jnp.sum(jnp.tril(same, -1), axis=1)
    rows = jnp.arange(len(entry), dtype=jnp.int32)
    return jnp.zeros(shape, jnp.int32).at[entry, seat].set(rows, mode="drop"), seat


def _prompt_distances(cache: CausalCache, behind: Array) -> Array:
    """From prompts' keys to the queries of their samples, [entries, 1, samples, question].

    `behind` [entries, samples] are the queries' positions behind the prefix.
    """
    place = jnp.arange(_length(cache.prompts))
    distances = behind[:, :, None] - place
    return jnp.where(place < cache.lengths[:, None, None], distances, -1)[:, None]


def _own_distances(cache: CausalCache, fed: Array) -> Array:
    """From rows' own keys to their new token, [rows, 1, 1, tokens]; negative behind it."""
    return (fed[:, None] - jnp.arange(_length(cache.own)))[:, None, None]


def _length(cache: Any) -> int:
    """How many tokens a part has room for."""
    return jax.tree.leaves(cache)[0].shape[-2]


def _put_prompts(whole: Array, new: Array, at: Array) -> Array:
    """Writes [.., prompts, heads, length, head_dim] at the head of the entries `at`."""
    return whole.at[..., at, :, : new.shape[-2], :].set(new)


def _put_token(own: KeyValue, new: KeyValue, place: Array) -> KeyValue:
    """Writes a token [.., rows, heads, 1, head_dim] at its place [rows] in every row."""
    rows = jnp.arange(len(place))

    def put(whole: Array, x: Array) -> Array:
        # Two index arrays with a slice between them: their axis comes first.
        return whole.at[..., rows, :, place, :].set(jnp.moveaxis(x[..., 0, :], -3, 0))

    return jax.tree.map(put, own, new)
