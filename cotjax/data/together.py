"""Several steps as one: what a call of numpy or TensorFlow costs is paid once for all of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from cotjax.data.packing import Layout
from cotjax.data.steps import Step

NOWHERE = -1  # the row of what another host has


def join(some: Sequence[Step], rows: Sequence[slice], decoder_rows: int) -> Step:
    """One step of some of the rows of each of `some`: those of the first come first.

    Args:
      some: Of one run.
      rows: Of each, the encoder rows to take.
      decoder_rows: That read one encoder row.

    Returns:
      All of their targets. What stands in other rows is NOWHERE.
    """
    counts = [these.stop - these.start for these in rows]
    return Step(
        **{
            name: np.concatenate([getattr(step, name) for step in some], axis=-1)
            for name in ("targets", "places", "rationale_lengths", "streams", "inputs", "read")
        },
        **{
            name: np.concatenate([getattr(step, name) for step in some], axis=1)
            for name in ("tokens", "coefficients")
        },
        layout=_joined(some, rows, counts, decoder_rows),
        num_rows=sum(counts),
    )


def _joined(
    some: Sequence[Step], rows: Sequence[slice], counts: Sequence[int], decoder_rows: int
) -> Layout:
    """Where everything stands; replies are numbered anew."""
    sizes = np.array([len(step.targets) for step in some])
    before, rows_before = (np.cumsum(each) - each for each in (sizes, np.array(counts)))

    def of_units(find: Callable[[int, Step], np.ndarray]) -> np.ndarray:
        return np.concatenate([find(number, step) for number, step in enumerate(some)])

    def of_replies(find: Callable[[int, Step], np.ndarray]) -> np.ndarray:
        each = [find(n, step).reshape(step.read.shape) for n, step in enumerate(some)]
        return np.concatenate(each, axis=1).ravel()

    def renumbered(number: int, step: Step) -> np.ndarray:
        reply, target = np.divmod(step.layout.unit_reply, sizes[number])
        return reply * sizes.sum() + before[number] + target

    def moved(row: np.ndarray, number: int, times: int) -> np.ndarray:
        """Rows of a step, `times` as many as of the encoder, among those of all."""
        first, last = times * rows[number].start, times * rows[number].stop
        here = (row >= first) & (row < last)
        return np.where(here, row - first + times * rows_before[number], NOWHERE)

    return Layout(
        rows=sum(step.layout.rows for step in some),
        unit_reply=of_units(renumbered),
        unit_row=of_units(lambda number, step: moved(step.layout.unit_row, number, 1)),
        unit_offset=of_units(lambda _, step: step.layout.unit_offset),
        unit_segment=of_units(lambda _, step: step.layout.unit_segment),
        row=of_replies(lambda number, step: moved(step.layout.row, number, decoder_rows)),
        offset=of_replies(lambda _, step: step.layout.offset),
        segment=of_replies(lambda _, step: step.layout.segment),
        source=of_replies(lambda _, step: step.layout.source),
    )


def apart(
    batch: Mapping[str, np.ndarray], counts: Iterable[int]
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the Batches of joined steps, which have so many encoder rows each: views of theirs."""
    last, rows = 0, len(batch["encoder_tokens"])
    for count in counts:
        first, last = last, last + count
        yield {
            name: value[first * len(value) // rows : last * len(value) // rows]
            for name, value in batch.items()
        }
