"""Texts of one token after the other: greedy, or samples that are drawn."""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from cotjax.decoding.sampling import Greedy, Method, keys_at
from cotjax.decoding.writer import Source, TextSlots, Writer
from cotjax.decoding.written import Generated, ends_with, nothing, write

GREEDY = Greedy()


class _Text(NamedTuple):
    """What a row has written.

    Attributes:
      token: int32 [rows], read next.
      written: Tokens and lengths.
      ended: bool [rows].
    """

    token: Array
    written: Generated
    ended: Array


@dataclasses.dataclass(frozen=True)
class Sampler(Writer):
    """Writes one text to each input, or a sample for each of its keys.

    An input is encoded once, and all of its samples read the same keys and values of it.

    Attributes:
      method: Chooses tokens.
    """

    method: Method = GREEDY

    def rows(self, source: Source) -> tuple[int, int]:
        """One row a sample."""
        return len(source.segments) * (1 if source.keys is None else source.keys.shape[1]), 1

    def blank(self, rows: int, ring: int) -> _Text:
        """See `Writer.blank`."""
        token = jnp.full(rows, self.config.decoder_start_token_id, jnp.int32)
        return _Text(token, nothing((rows,), self.max_tokens), jnp.zeros(rows, bool))

    def reading(self, text: _Text, ages: Array, position: Array) -> tuple[Array, Array]:
        """A text sees all of itself, and nothing older."""
        young = _of_rows(ages <= position[:, None], text)
        return text.token[:, None], young[:, None, :, None]

    def grow(
        self,
        text: _Text,
        seen: Array,
        logits: Array,
        forced: Array,
        done: Array,
        keys: Array | None,
    ) -> tuple[_Text, Array]:
        """See `Writer.grow`."""
        free = (_of_rows((forced == 0) & ~done, text)) & ~text.ended
        if keys is not None:
            keys = keys_at(keys.reshape(-1, 2), text.written.lengths)
        chosen = self.method.choose(logits[:, 0], keys)
        written = write(text.written, chosen, free)
        ends = (chosen == self.config.eos_token_id) | ends_with(written, self.stops)
        ended = text.ended | (free & (ends | (written.lengths == self.max_tokens)))
        forced = _of_rows(forced, text)
        text = _Text(jnp.where(forced == 0, chosen, forced), written, ended)
        return text, done | jnp.all(ended.reshape(len(done), -1), axis=1)

    def result(self, slots: TextSlots) -> Generated:
        """Of each slot its text; or its samples, tokens [slots, samples, max_tokens]."""
        tokens, lengths = slots.text.written
        if slots.source.keys is None:
            return slots.text.written
        return Generated(
            tokens.reshape(*slots.source.keys.shape[:2], -1),
            lengths.reshape(slots.source.keys.shape[:2]),
        )


def _of_rows(of_slots: Array, text: _Text) -> Array:
    """[slots, ..] -> [rows, ..]"""
    return jnp.repeat(of_slots, len(text.token) // len(of_slots), axis=0)
