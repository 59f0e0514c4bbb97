"""Slots of a batch whose texts are written token by token, and filled anew when texts have ended.

A slot whose text has ended waits for others of its batch no longer than until a few have ended:
then they get the next inputs (continuous batching: Yu et al., 2022, "Orca", section 3). All slots
are fed at the same time, and the cache is a ring, in which what is fed at a time stands at the
remainder of it. T5 knows positions by their distances alone, so a text may begin at any time; it
just sees nothing that is older than itself.
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


class Inputs(NamedTuple):
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
    """What a slot's text goes on from; see `Inputs`.

    Attributes:
      cross: Keys and values of the encoder, of every layer.
      segments, keys: As in `Inputs`.
      prefix: With a last column of zeros: past what is forced, a text is free.
    """

    cross: Any
    segments: Array
    prefix: Array
    keys: Array | None


class TextSlots(NamedTuple):
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

    def __post_init__(self):
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens={self.max_tokens}: a text has at least one token")

    @functools.partial(jax.jit, static_argnums=0)
    def write(self, params: dict, inputs: Inputs) -> Generated:
        """What is written to a single batch, to its end; compiled once for each shape."""
        params = unstack(self.config, params)
        slots = self._slots(self._read(params, inputs))
        ring = self._ring(slots.source)  # told, so that who counts the loop's work knows of it

        def going_on(slots: TextSlots) -> Array:
            return (slots.time < ring) & ~jnp.all(slots.done)

        return self.result(self._advance(params, slots, going_on))

    @functools.partial(jax.jit, static_argnums=(0, 3))
    def empty(self, params: dict, inputs: Inputs, slots: int) -> TextSlots:
        """So many slots without anything to write, for inputs of the shape of `inputs`."""
        source = jax.tree.map(
            lambda leaf: jnp.zeros((slots, *leaf.shape[1:]), leaf.dtype),
            jax.eval_shape(self._read, params, inputs),
        )
        return _settled(self._slots(source))

    @functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
    def fill(self, params: dict, slots: TextSlots, inputs: Inputs, places: Array) -> TextSlots:
        """Begins a text for each input in the slot at its place, int32 [rows].

        What has a place behind the last slot is dropped. Inputs may be shorter than those that the
        slots are for: each length is compiled once.
        """
        old, length = slots.source, inputs.tokens.shape[1]
        new = self._read(params, inputs)
        segments = jnp.pad(new.segments, ((0, 0), (0, old.segments.shape[1] - length)))
        cross = jax.tree.map(
            lambda old, new: old.at[places, :, :length].set(new, mode="drop"), old.cross, new.cross
        )
        source = jax.tree.map(
            lambda old, new: old.at[places].set(new, mode="drop"),
            old._replace(cross=None),
            new._replace(cross=None, segments=segments),
        )._replace(cross=cross)
        taken = jnp.zeros(len(slots.done), bool).at[places].set(True, mode="drop")
        blank = self._slots(source)
        return _settled(
            slots._replace(
                begun=jnp.where(taken, slots.time, slots.begun),
                source=source,
                text=jax.tree.map(functools.partial(select, taken), blank.text, slots.text),
                done=jnp.where(taken, blank.done, slots.done),
            )
        )

    @functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
    def advance(self, params: dict, slots: TextSlots, enough: int) -> TextSlots:
        """Writes on until `enough` slots are done, those that never began among them, or all."""

        def going_on(slots: TextSlots) -> Array:
            return (jnp.sum(slots.done) < enough) & ~jnp.all(slots.done)

        return _settled(self._advance(params, slots, going_on))

    @functools.partial(jax.jit, static_argnums=0)
    def look(self, slots: TextSlots) -> tuple[Array, Generated]:
        """Which slots are done, and what every slot has written."""
        return slots.done, self.result(slots)

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
    def result(self, slots: TextSlots) -> Generated:
        """What every slot has written."""

    def _read(self, params: dict, inputs: Inputs) -> Source:
        """What texts to some inputs go on from."""
        cross = read(self.config, params, inputs.tokens, inputs.segments)
        prefix = jnp.pad(inputs.prefix.astype(jnp.int32), ((0, 0), (0, 1)))
        return Source(cross, inputs.segments, prefix, inputs.keys)

    def _slots(self, source: Source) -> TextSlots:
        """Slots in which nothing is written yet; those without any encoder token are done."""
        (rows, width), ring = self.rows(source), self._ring(source)
        return TextSlots(
            time=jnp.int32(0),
            begun=jnp.zeros(len(source.segments), jnp.int32),
            source=source,
            cache=new_cache(self.config, rows, ring * width),
            text=self.blank(rows, ring),
            done=~jnp.any(source.segments, axis=1),
        )

    def _advance(
        self, params: dict, slots: TextSlots, going_on: Callable[[TextSlots], Array]
    ) -> TextSlots:
        source, ring = slots.source, self._ring(slots.source)

        def step(slots: TextSlots) -> TextSlots:
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
        return jax.lax.while_loop(going_on, step, looped)._replace(source=source)

    def _ring(self, source: Source) -> int:
        """Places of the cache: as many as the longest text has tokens, the prefix's too."""
        return source.prefix.shape[1] - 1 + self.max_tokens


def select(slots: Array, leaf: Array, other: Array) -> Array:
    """`leaf` [rows, ..] in the rows of some slots, bool [slots], `other` elsewhere."""
    rows = jnp.repeat(slots, len(leaf) // len(slots))
    return jnp.where(rows.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, other)


def _settled(slots: TextSlots) -> TextSlots:
    """The same, split over the mesh in one way, whichever program hands it on."""
    cache, cross = constrain_rows((slots.cache, slots.source.cross), "heads")
    slots = constrain_rows(slots._replace(cache=None, source=slots.source._replace(cross=None)))
    return slots._replace(cache=cache, source=slots.source._replace(cross=cross))
