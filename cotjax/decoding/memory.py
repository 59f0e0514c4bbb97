"""How much memory sampling takes, worked out before it starts."""

import dataclasses
import math
import os
from typing import Any, Protocol

import jax
import numpy as np
from jax.sharding import Mesh

from cotjax.decoding.engine import Reader, Sizes
from cotjax.errors import InputError
from cotjax.mesh import BATCH_AXES

USABLE = 0.9  # of a device's memory: the rest is for the compiler's own buffers
MOST_SLOTS = {"cpu": 64}  # beyond it, products on two cores get no faster
MOST_SLOTS_ELSEWHERE = 512
LOGITS_COPIES = 6  # of the logits in float32: what choosing a token holds at once, by rough count
GIB = 2**30


class Sampled(Protocol):
    """A teacher."""

    reader: Reader
    params: Any


@dataclasses.dataclass(frozen=True)
class Need:
    """Bytes of all devices together.

    Attributes:
      params: Of the teacher.
      cache: Keys and values of prefix, prompts and samples.
      work: Of the logits and what is made of them.
    """

    params: int
    cache: int
    work: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.params + self.cache + self.work

    def __str__(self) -> str:
        parts = {"parameters": self.params, "keys and values": self.cache, "logits": self.work}
        sums = " + ".join(f"{size / GIB:.2f} GiB {name}" for name, size in parts.items())
        return f"{sums} = {self.total / GIB:.2f} GiB"


def need(teacher: Sampled, sizes: Sizes) -> Need:
    """What a job with these sizes takes."""
    return Need(
        params=_bytes(teacher.params),
        cache=_bytes(jax.eval_shape(lambda: teacher.reader.empty(sizes))),
        work=LOGITS_COPIES * 4 * sizes.rows * teacher.reader.config.vocab_size,
    )


def available(mesh: Mesh) -> int:
    """Bytes that there are on all devices of a mesh, what lies there already included."""
    device = mesh.devices.flat[0]
    if device.platform == "cpu":  # the devices of a CPU share one memory
        return int(USABLE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return int(USABLE * device.memory_stats()["bytes_limit"]) * mesh.size


def fit(teacher: Sampled, sizes: Sizes, mesh: Mesh, samples: int, stages: int = 1) -> Sizes:
    """Chooses slots and entries, as many as are of use and fit.

    Args:
      teacher: Who is sampled.
      sizes: All but slots and entries; with slots above 0 these are taken.
      mesh: Where everything lies.
      samples: How many each question gets: they share an entry.
      stages: How many such caches there are.

    Raises:
      InputError: with the arithmetic, where not even one slot a device fits, or not those wanted.
    """
    multiple = math.prod(mesh.shape[axis] for axis in BATCH_AXES)
    room = available(mesh) // stages
    if sizes.slots:
        if sizes.slots % multiple:
            raise InputError(
                f"config.sampling.slots={sizes.slots}: the mesh's data x fsdp = {multiple} must"
                " divide it"
            )
        wanted = with_slots(sizes, sizes.slots, samples)
        _check(need(teacher, wanted), room, wanted.slots)
        return wanted
    platform = mesh.devices.flat[0].platform
    slots = -(-MOST_SLOTS.get(platform, MOST_SLOTS_ELSEWHERE) // multiple) * multiple
    while True:
        chosen = with_slots(sizes, slots, samples)
        taken = need(teacher, chosen)
        if taken.total <= room:
            return chosen
        if slots == multiple:
            _check(taken, room, slots)
        slots = max(slots // 2 // multiple, 1) * multiple


def with_slots(sizes: Sizes, slots: int, samples: int) -> Sizes:
    """Sizes with so many slots, and entries enough that no slot waits for one.

    A question's samples share an entry, which its longest sample keeps: twice as many are held as
    are filled when all samples are equally long.
    """
    entries = min(2 * -(-slots // samples) + 1, slots) * sizes.contexts
    return dataclasses.replace(sizes, slots=slots, entries=entries)


def _check(taken: Need, room: int, slots: int) -> None:
    if taken.total > room:
        raise InputError(
            f"config.sampling: {slots} slots take {taken}, but there are {room / GIB:.2f} GiB;"
            " lower config.sampling.slots or max_tokens, or use a smaller teacher or more devices"
        )


def _bytes(tree: Any) -> int:
    return sum(
        math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(tree)
    )
