"""The device's part of sampling: slots that write many tokens before the host looks at them.

A slot writes one sample at a time. The host says which slots begin which samples; the device then
runs all slots, token after token, until some have ended, and the host takes these out and fills
them again (continuous batching: no sample waits for the longest).
"""

import dataclasses
import functools
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from cotjax.decoding.limits import Limits
from cotjax.decoding.sampling import Contrast, Method, keys_at, sample
from cotjax.decoding.stops import Marks
from cotjax.mesh import LogicalAxes, leaf_shardings

IDLE, RUNNING, ENDED, FULL = range(4)  # ended by an end token; full: at the limit of tokens
NO_ENTRY = 2**30  # of a row that reads no prompt


class Reader(Protocol):
    """A teacher that reads text in three parts; see `causal_reader.py` and `t5_reader.py`.

    Attributes:
      logical_axes: Of its cache; see `mesh.leaf_shardings`.
    """

    logical_axes: LogicalAxes

    def empty(self, sizes: "Sizes") -> Any:
        """Returns a cache with room for all slots."""

    def read_prefix(self, params: Any, cache: Any, tokens: Array) -> Any:
        """Runs the prefix of all prompts, int32 [prefix]."""

    def read_prompts(
        self, params: Any, cache: Any, tokens: Array, lengths: Array, at: Array
    ) -> Any:
        """Runs prompts [prompts, length] behind the prefix into the entries `at` [prompts]."""

    def read_token(
        self, params: Any, cache: Any, token: Array, fed: Array, entry: Array
    ) -> tuple[Array, Any]:
        """Returns logits [rows, vocab] after one more token in each row, and the cache with it."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What a cache has room for.

    Attributes:
      slots: Samples that are written at once.
      contexts: Rows of a slot: prompts that one sample reads.
      entries: Prompts kept at once.
      prefix: Tokens that all prompts begin with.
      question: Tokens of a prompt behind the prefix at most.
      tokens: Tokens of a sample at most.
      samples: Samples of a prompt at most; 0 where that is not known.
    """

    slots: int
    contexts: int
    entries: int
    prefix: int
    question: int
    tokens: int
    samples: int = 0

    @property
    def rows(self) -> int:
        """Rows of the batch that is decoded."""
        return self.slots * self.contexts

    @property
    def seats(self) -> int:
        """Rows that read one prompt at once, at most."""
        return min(self.samples or self.slots, self.slots)


@dataclasses.dataclass(frozen=True)
class Rules:
    """How samples are written.

    Attributes:
      method: Chooses tokens.
      limits: What may not be chosen.
      ends: Tokens that end a sample.
      steps: Tokens that each slot writes at most before the host looks.
      patience: The host also looks once so many slots may have ended.
    """

    method: Method
    limits: Limits
    ends: tuple[int, ...]
    steps: int = 32
    patience: int = 1


class Slots(NamedTuple):
    """What the device keeps.

    Attributes:
      cache: The reader's.
      entry: int32 [rows], the prompt of each row, NO_ENTRY for none; rows of the second context
        follow the first's.
      token: int32 [rows], read next.
      keys: uint32 [slots, 2], of the samples.
      written: int32 [slots, tokens]
      logprobs: float32 [slots, tokens], of what is written, by the plain model.
      length: int32 [slots], tokens written.
      state: int32 [slots], IDLE, RUNNING, ENDED or FULL.
      marked: bool [slots], whether a token was written that may complete a stop string.
    """

    cache: Any
    entry: Array
    token: Array
    keys: Array
    written: Array
    logprobs: Array
    length: Array
    state: Array
    marked: Array


class Orders(NamedTuple):
    """What the host wants: arrays as in `Slots`.

    Attributes:
      begin: bool [slots], whether a sample begins here, with `entry`, `token` and `keys`.
      release: bool [slots], whether the host has ended the sample.
      entry, token, keys: See `Slots`.
    """

    begin: Array
    release: Array
    entry: Array
    token: Array
    keys: Array


def empty_slots(reader: Reader, sizes: Sizes, mesh: Mesh) -> Slots:
    """Returns slots that are all idle, rows split over the mesh's batch axes."""
    shardings = jax.tree.map(lambda leaf: leaf.sharding, abstract_slots(reader, sizes, mesh))
    return jax.jit(functools.partial(_empty_slots, reader, sizes), out_shardings=shardings)()


def abstract_slots(reader: Reader, sizes: Sizes, mesh: Mesh) -> Slots:
    """Returns the shapes of `empty_slots`, and how they are split."""
    shapes = jax.eval_shape(functools.partial(_empty_slots, reader, sizes))
    shardings = leaf_shardings(shapes, mesh, (*reader.logical_axes, *_SLOT_AXES))
    return jax.tree.map(lambda leaf, sharding: leaf.update(sharding=sharding), shapes, shardings)


_SLOT_AXES = (
    (r"^(keys|written|logprobs)$", ("batch", None)),
    (r"^(entry|token|length|state|marked)$", ("batch",)),
)


def _empty_slots(reader: Reader, sizes: Sizes) -> Slots:
    rows, slots = (sizes.rows,), (sizes.slots,)
    return Slots(
        cache=reader.empty(sizes),
        entry=jnp.full(rows, NO_ENTRY, jnp.int32),
        token=jnp.zeros(rows, jnp.int32),
        keys=jnp.zeros((*slots, 2), jnp.uint32),
        written=jnp.zeros((*slots, sizes.tokens), jnp.int32),
        logprobs=jnp.zeros((*slots, sizes.tokens), jnp.float32),
        length=jnp.zeros(slots, jnp.int32),
        state=jnp.full(slots, IDLE, jnp.int32),
        marked=jnp.zeros(slots, bool),
    )


@functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
def read_prefix(reader: Reader, params: Any, slots: Slots, tokens: Array) -> Slots:
    """Runs the prefix that all prompts share, once."""
    return slots._replace(cache=reader.read_prefix(params, slots.cache, tokens))


@functools.partial(jax.jit, static_argnums=0, donate_argnums=2)
def read_prompts(
    reader: Reader, params: Any, slots: Slots, tokens: Array, lengths: Array, at: Array
) -> Slots:
    """Runs prompts, each once for all of its samples."""
    cache = reader.read_prompts(params, slots.cache, tokens, lengths, at)
    return slots._replace(cache=cache)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=3)
def decode(
    reader: Reader, rules: Rules, params: Any, slots: Slots, orders: Orders, marks: Marks
) -> tuple[Slots, Array]:
    """Runs all slots until the host should look.

    Args:
      reader: The teacher.
      rules: How samples are written.
      params: The teacher's.
      slots: Taken over.
      orders: What to begin and to release first.
      marks: What tokens may end.

    Returns:
      The slots, and how many steps were done.
    """

    def going_on(carry: tuple[Slots, Array]) -> Array:
        slots, step = carry
        is_running = slots.state == RUNNING
        for_host = jnp.sum((slots.state > RUNNING) | (is_running & slots.marked))
        return (step < rules.steps) & jnp.any(is_running) & (for_host < rules.patience)

    def write(carry: tuple[Slots, Array]) -> tuple[Slots, Array]:
        slots, step = carry
        return _write(reader, rules, params, slots, marks), step + 1

    return jax.lax.while_loop(going_on, write, (_begin(slots, orders), jnp.int32(0)))


def _begin(slots: Slots, orders: Orders) -> Slots:
    contexts = len(slots.entry) // len(slots.state)
    rows = jnp.tile(orders.begin, contexts)
    state = jnp.where(orders.release, IDLE, slots.state)
    left = jnp.where(jnp.tile(orders.release, contexts), NO_ENTRY, slots.entry)
    return slots._replace(
        entry=jnp.where(rows, orders.entry, left),
        token=jnp.where(rows, orders.token, slots.token),
        keys=jnp.where(orders.begin[:, None], orders.keys, slots.keys),
        length=jnp.where(orders.begin, 0, slots.length),
        state=jnp.where(orders.begin, RUNNING, state),
        marked=jnp.zeros_like(slots.marked),
    )


def _write(reader: Reader, rules: Rules, params: Any, slots: Slots, marks: Marks) -> Slots:
    """One token more in every slot that is running."""
    num_slots, limit = slots.written.shape
    contexts = len(slots.entry) // num_slots
    fed = jnp.tile(jnp.minimum(slots.length, limit - 1), contexts)
    logits, cache = reader.read_token(params, slots.cache, slots.token, fed, slots.entry)
    tokens, logprobs = sample(
        rules.method,
        rules.limits,
        logits[:num_slots],
        keys_at(slots.keys, slots.length),
        slots.written,
        slots.length,
        ends=rules.ends,
        contrast=Contrast(logits[num_slots:], marks.closing) if contexts > 1 else None,
    )
    is_running = slots.state == RUNNING
    here = is_running[:, None] & (jnp.arange(limit) == slots.length[:, None])
    length = slots.length + is_running
    is_end = jnp.any(tokens[:, None] == jnp.array(rules.ends, jnp.int32), axis=1)
    state = jnp.where(is_end, ENDED, jnp.where(length == limit, FULL, RUNNING))
    return slots._replace(
        cache=cache,
        token=jnp.tile(tokens, contexts),
        written=jnp.where(here, tokens[:, None], slots.written),
        logprobs=jnp.where(here, logprobs[:, None], slots.logprobs),
        length=length,
        state=jnp.where(is_running, state, slots.state),
        marked=slots.marked | (is_running & marks.completing[tokens]),
    )
