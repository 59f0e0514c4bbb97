"""Slots of a batch whose texts are written token by token, and filled anew when texts have ended.

A slot whose text has ended waits for others of its batch no longer than until a few have ended:
then they get the next inputs (continuous batching: Yu et al., 2022, "Orca", section 3), and nothing
is compiled for it. All slots are fed at the same time, and the cache is a ring: a token stands at
the remainder of its time. T5 knows positions by their distances alone, so a text may begin at any
time; it just sees nothing that is older than itself.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from cotjax.decoding.t5_steps import feed, new_cache, read, unstack
from cotjax.decoding.written import Generated
from cotjax.mesh import constrain_rows
from cotjax.models.t5 import T5Config


class Asked(NamedTuple):
    """What is to be written to, one input a row.

    Attributes:
      tokens: int32 [rows, S], of the encoder.
      segments: int32 [rows, S], 0 where there is no token. A row without any writes nothing.
      prefix: int32 [rows, P], 0 after its end: what the decoder is made to say first. It belongs
        neither to what is written nor to a stop.
      keys: uint32 [rows, samples, 2], of each input's samples (see `sampling.sample_key`); None
        where nothing is drawn.
    """

    tokens: Array
    segments: Array
    prefix: Array
    keys: Array | None = None


class Source(NamedTuple):
    """What a slot's text goes on from; see `Asked`.

    Attributes:
      cross: Keys and values of the encoder, of every layer.
      segments, keys: As asked.
      prefix: With a last column of zeros: past what is forced, a text is free.
    """

    cross: Any
    segments: Array
    prefix: Array
    keys: Array | None


class Slots(NamedTuple):
    """What the devices keep.

    Attributes:
      time: int32, how many tokens each slot was fed.
      begun: int32 [slots], the time at which its text began.
      source: What it goes on from.
      cache: See `t5_steps.new_cache`.
      text: What the writer knows of what is written.
      done: bool [slots], whether it has ended, or never began.
    """

    time: Array
    begun: Array
    source: Source
    cache: Any
    text: Any
    done: Array


@dataclasses.dataclass(frozen=True)
class Writer(abc.ABC):
    """How texts are written to inputs.

    A text ends with the end-of-sequence token, or when its last tokens are one of `stops`. But for
    `write`, parameters are those of `unstack`.

    Attributes:
      config: Of the student.
      max_tokens: At most as many are written to an input.
      stops: Tokens that end a text.
    """

    config: T5Config
    max_tokens: int
    stops: tuple[tuple[int, ...], ...] = ()

    @functools.partial(jax.jit, static_argnums=0)
    def write(self, params: dict, asked: Asked) -> Generated:
        """What is written to all inputs at once; compiled once for each shape."""
        params, rows = unstack(self.config, params), len(asked.tokens)
        slots = self.fill(params, self.empty(params, asked, rows), asked, jnp.arange(rows))
        ring = self._ring(slots.source)  # told, so that who counts the loop's work knows of it

        def going_on(slots: Slots) -> Array:
            return (slots.time < ring) & ~jnp.all(slots.done)

        return self.result(self._advance(params, slots, going_on))

    @functools.partial(jax.jit, static_argnums=0)
    def look(self, slots: Slots) -> tuple[Array, Generated]:
        """Which slots are done, and what every slot has written."""
        return slots.done, self.result(slots)

    @functools.partial(jax.jit, static_argnums=(0, 3))
    def empty(self, params: dict, asked: Asked, slots: int) -> Slots:
        """So many slots without anything to write, for inputs of the shape of `asked`."""
        wide = asked._replace(prefix=_with_end(asked.prefix))
        cross = jax.eval_shape(functools.partial(read, self.config), params, *asked[:2])
        source = jax.tree.map(
            lambda leaf: jnp.zeros((slots, *leaf.shape[1:]), leaf.dtype),
            Source(cross, wide.segments, wide.prefix, wide.keys),
        )
        rows, width = self.rows(source)
        return _settled(
            Slots(
                time=jnp.int32(0),
                begun=jnp.zeros(slots, jnp.int32),
                source=source,
                cache=new_cache(self.config, rows, self._ring(source) * width),
                text=self.blank(rows, self._ring(source)),
                done=jnp.ones(slots, bool),
            )
        )

    @functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
    def fill(self, params: dict, slots: Slots, asked: Asked, places: Array) -> Slots:
        """Begins a text for each input, in the slots at `places` [rows]; others are not there.

        Inputs may be shorter than those that the slots are for.
        """
        old, length = slots.source, asked.tokens.shape[1]
        cross = jax.tree.map(
            lambda old, new: old.at[places, :, :length].set(new, mode="drop"),
            old.cross,
            read(self.config, params, asked.tokens, asked.segments),
        )
        segments = jnp.pad(asked.segments, ((0, 0), (0, old.segments.shape[1] - length)))
        source = jax.tree.map(
            lambda old, new: old.at[places].set(new, mode="drop"),
            old._replace(cross=None),
            Source(None, segments, _with_end(asked.prefix), asked.keys),
        )._replace(cross=cross)
        taken = jnp.zeros(len(slots.done), bool).at[places].set(True, mode="drop")
        blank = self.blank(self.rows(source)[0], self._ring(source))
        return _settled(
            slots._replace(
                begun=jnp.where(taken, slots.time, slots.begun),
                source=source,
                text=jax.tree.map(functools.partial(select, taken), blank, slots.text),
                done=jnp.where(taken, ~jnp.any(source.segments, axis=1), slots.done),
            )
        )

    @functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
    def advance(self, params: dict, slots: Slots, enough: int) -> Slots:
        """Writes on until `enough` slots are done, those that never began among them."""
        return self._advance(params, slots, lambda slots: jnp.sum(slots.done) < enough)

    def rows(self, source: Source) -> tuple[int, int]:
        """How many rows the slots of a source have in the cache, and texts a row."""
        return len(source.segments), 1

    @abc.abstractmethod
    def blank(self, rows: int, ring: int) -> Any:
        """What is known of rows that have written nothing; all leaves begin with rows."""

    @abc.abstractmethod
    def reading(self, text: Any, ages: Array, position: Array) -> tuple[Array, Array]:
        """The tokens [rows, width] to feed, and what each sees, bool [rows, width, ring, width].

        Args:
          text: See `blank`.
          ages: int32 [ring], how long ago what stands in each place of the cache was fed.
          position: int32 [slots], of the tokens in their texts.
        """

    @abc.abstractmethod
    def grow(
        self,
        text: Any,
        seen: Array,
        logits: Array,
        forced: Array,
        done: Array,
        keys: Array | None,
    ) -> tuple[Any, Array]:
        """Texts that are a token longer, and which slots are done.

        Args:
          text: See `blank`.
          seen: See `reading`.
          logits: [rows, width, vocab].
          forced: int32 [slots], the prefix's next token, 0 where a text is free.
          done: bool [slots], which write no more.
          keys: See `Source`.
        """

    @abc.abstractmethod
    def result(self, slots: Slots) -> Generated:
        """What every slot has written."""

    def _advance(self, params: dict, slots: Slots, going_on: Callable[[Slots], Array]) -> Slots:
        source, ring = slots.source, self._ring(slots.source)

        def step(slots: Slots) -> Slots:
            position = slots.time - slots.begun
            ages = (slots.time - jnp.arange(ring)) % ring
            tokens, seen = self.reading(slots.text, ages, position)
            cross = source.cross, source.segments
            logits, cache = feed(self.config, params, tokens, slots.time, slots.cache, *cross, seen)
            at = jnp.minimum(position, source.prefix.shape[1] - 1)
            forced = jnp.take_along_axis(source.prefix, at[:, None], axis=1)[:, 0]
            text, done = self.grow(slots.text, seen, logits, forced, slots.done, source.keys)
            return slots._replace(time=slots.time + 1, cache=cache, text=text, done=done)

        looped = slots._replace(source=None)  # what stays as it is
        return _settled(jax.lax.while_loop(going_on, step, looped)._replace(source=source))

    def _ring(self, source: Source) -> int:
        """Places of the cache: as many as the longest text has tokens, the prefix's too."""
        return source.prefix.shape[1] - 1 + self.max_tokens


def select(slots: Array, leaf: Array, other: Array) -> Array:
    """`leaf` [rows, ..] in the rows of some slots, bool [slots], `other` elsewhere."""
    rows = jnp.repeat(slots, len(leaf) // len(slots))
    return jnp.where(rows.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, other)


def _with_end(prefix: Array) -> Array:
    return jnp.pad(prefix.astype(jnp.int32), ((0, 0), (0, 1)))


def _settled(slots: Slots) -> Slots:
    """The same, split over the mesh in one way, whichever program hands it on."""
    cache, cross = constrain_rows((slots.cache, slots.source.cross), "heads")
    slots = constrain_rows(slots._replace(cache=None, source=slots.source._replace(cross=None)))
    return slots._replace(cache=cache, source=slots.source._replace(cross=cross))
