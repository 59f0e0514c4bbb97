"""How much memory sampling takes, worked out before it starts."""

import dataclasses
import math
import os
from typing import Any, Protocol

import jax
import numpy as np
from jax.sharding import Mesh

from cotjax.decoding.engine import Reader, Sizes, abstract_slots
from cotjax.errors import InputError
from cotjax.mesh import batch_parts

USABLE = 0.9  # of a device's memory: the rest is for what prompts leave behind while they are run
MOST_SLOTS = {"cpu": 64}  # twice as many write a tenth faster on two cores, in twice the memory
MOST_SLOTS_ELSEWHERE = 512
LOGITS_COPIES = 6  # of the logits in float32: what choosing a token holds at once, by rough count
GIB = 2**30


class Sampled(Protocol):
    """A teacher."""

    reader: Reader
    params: Any


@dataclasses.dataclass(frozen=True)
class Need:
    """Bytes of one device.

    Attributes:
      params: Of the teacher.
      cache: Keys and values of prefix, prompts and samples.
      logits: And what is made of them.
    """

    params: int
    cache: int
    logits: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.params + self.cache + self.logits

    def __str__(self) -> str:
        parts = {"parameters": self.params, "keys and values": self.cache, "logits": self.logits}
        sums = " + ".join(f"{_gib(size)} {name}" for name, size in parts.items())
        return f"{sums} = {_gib(self.total)}"


def need(teacher: Sampled, sizes: Sizes, mesh: Mesh, stages: int = 1) -> Need:
    """What `stages` schedulers of these sizes take on each device; they share the parameters."""
    rows = -(-sizes.rows // batch_parts(mesh))
    return Need(
        params=_bytes(teacher.params),
        cache=stages * _bytes(abstract_slots(teacher.reader, sizes, mesh)),
        logits=stages * LOGITS_COPIES * 4 * rows * teacher.reader.config.vocab_size,
    )


def available(mesh: Mesh) -> int:
    """Bytes that there are on each device of a mesh, what lies there already included."""
    device = mesh.devices.flat[0]
    if device.platform == "cpu":  # the devices of a CPU share one memory
        return int(USABLE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) // mesh.size
    return int(USABLE * device.memory_stats()["bytes_limit"])


def fit(
    teacher: Sampled, sizes: Sizes, mesh: Mesh, *, questions: int, samples: int, stages: int = 1
) -> Sizes:
    """Chooses slots and entries, as many as are of use and fit.

    Args:
      teacher: Who is sampled.
      sizes: All but slots and entries; with slots above 0 these are taken.
      mesh: Where everything lies.
      questions: How many there are. More slots than samples would be of no use.
      samples: How many each question gets: they share an entry.
      stages: How many such caches there are.

    Raises:
      InputError: with the arithmetic, where not even one slot a device fits, or not those wanted.
    """
    multiple, room = batch_parts(mesh), available(mesh)
    if sizes.slots % multiple:
        raise InputError(
            f"config.sampling.slots={sizes.slots}: the mesh's data x fsdp = {multiple} must"
            " divide it"
        )
    most = MOST_SLOTS.get(mesh.devices.flat[0].platform, MOST_SLOTS_ELSEWHERE)
    slots = sizes.slots or _round_up(min(most, questions * samples), multiple)
    while True:
        chosen = with_slots(sizes, slots, samples)
        taken = need(teacher, chosen, mesh, stages)
        if taken.total <= room:
            return chosen
        if sizes.slots or slots == multiple:
            raise InputError(
                f"config.sampling: {slots} slots take {taken} on each device, but there are"
                f" {_gib(room)}; lower config.sampling.slots or max_tokens, or use a smaller"
                " teacher or more devices"
            )
        slots = _round_up(slots // 2, multiple)


def with_slots(sizes: Sizes, slots: int, samples: int) -> Sizes:
    """Sizes with so many slots, and entries enough that no slot waits for one.

    A question's samples share an entry, which its longest sample keeps: twice as many are held as
    are filled when all samples are equally long.
    """
    entries = min(2 * -(-slots // samples) + 1, slots) * sizes.contexts
    return dataclasses.replace(sizes, slots=slots, entries=entries, samples=samples)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _bytes(tree: Any) -> int:
    """Bytes that each device holds of arrays or their shapes."""
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * np.dtype(leaf.dtype).itemsize
        for leaf in jax.tree.leaves(tree)
    )


def _gib(size: int) -> str:
    return f"{size / GIB:.2f} GiB"
