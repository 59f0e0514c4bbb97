"""Which examples stand together in a batch, in one of a few static shapes, and what they give."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from rich.progress import Progress

from cotjax.mesh import batch_parts, local_rows, to_global

SHORT = 32  # positions below which another shape would not be worth its compilation
MULTIPLE = 8  # of which the positions of the longest rows are one


@dataclasses.dataclass(frozen=True)
class Rows:
    """The examples of one batch, and its static shape.

    Attributes:
      members: Numbers of the examples, one a row; rows beyond them stay empty.
      count: Rows; the mesh divides them.
      lengths: Positions of a row, for each of the lengths that an example has.
    """

    members: list[int]
    count: int
    lengths: tuple[int, ...]

    def fill(self, rows: Sequence[Sequence[int]], axis: int = 0) -> np.ndarray:
        """The members' `rows` (one sequence each) over zeros, int32 [count, lengths[axis]]."""
        filled = np.zeros((self.count, self.lengths[axis]), np.int32)
        for row, values in zip(filled, rows, strict=False):
            row[: len(values)] = values
        return filled


def group(
    lengths: Sequence[tuple[int, ...]],
    mesh: Mesh,
    batch_size: int,
    most_positions: int | None = None,
) -> Iterator[Rows]:
    """Yields every example in exactly one batch, long ones first.

    Examples of like length stand together, and lengths are rounded up to a power of two (or to the
    longest of all), so that each of a few shapes is compiled once.

    Args:
      lengths: Of every example; batches are sorted by the first.
      mesh: Whose data and fsdp axes divide the rows.
      batch_size: Examples a batch at most, but for what the mesh asks for.
      most_positions: What rows times first length should not exceed on one device.
    """
    longest = [max(column) for column in zip(*lengths, strict=True)]
    devices = batch_parts(mesh)
    most = math.ceil(min(batch_size, len(lengths)) / devices)  # rows of a device
    waiting = sorted(range(len(lengths)), key=lambda example: lengths[example], reverse=True)
    while waiting:
        count = most
        if most_positions:
            length = _round_up(lengths[waiting[0]][0], longest[0])
            count = max(1, min(most, most_positions // length))
        members, waiting = waiting[: count * devices], waiting[count * devices :]
        columns = zip(*(lengths[member] for member in members), strict=True)
        shape = tuple(_round_up(max(c), most) for c, most in zip(columns, longest, strict=True))
        yield Rows(members, count * devices, shape)


def to_devices(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Puts a batch, which every process holds whole, on the devices."""
    rows = len(next(iter(batch.values())))
    here = local_rows(mesh, rows)
    return to_global({name: value[here] for name, value in batch.items()}, mesh, rows)


def to_host(tree):
    """Whole numpy arrays of global arrays, on every process."""

    def fetch(array: jax.Array) -> np.ndarray:
        if array.is_fully_addressable or array.is_fully_replicated:
            return np.asarray(array)
        return multihost_utils.process_allgather(array, tiled=True)

    return jax.tree.map(fetch, tree)


@contextmanager
def advancing(
    progress: Progress | None,
    description: str,
    total: int,
    between: Callable[[], None] | None = None,
) -> Iterator[Callable[[int], None]]:
    """Shows a line of `progress`, if there is one, while `total` examples are worked on.

    A progress that isn't shown yet is shown for as long.

    Yields:
      A function that takes how many more are done, and calls `between`.
    """
    between = between or (lambda: None)
    if progress is None:
        yield lambda done: between()
        return
    line = progress.add_task(description, total=total, rate="")

    def advance(done: int) -> None:
        progress.advance(line, done)
        between()

    with nullcontext() if progress.live.is_started else progress:
        try:
            yield advance
        finally:
            progress.remove_task(line)


def _round_up(length: int, longest: int) -> int:
    """The next power of two, or the longest length (rounded up a little) where that is less."""
    power = max(SHORT, 1 << (length - 1).bit_length())
    return min(power, math.ceil(longest / MULTIPLE) * MULTIPLE)
