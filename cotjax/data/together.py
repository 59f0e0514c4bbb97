"""Several steps as one: what a call of numpy or TensorFlow costs is paid once for all of them."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from cotjax.data.packing import NOWHERE, Layout
from cotjax.data.steps import Step

OF_TARGETS = ("targets", "places", "rationale_lengths", "streams")
OF_REPLIES = ("inputs", "read", "tokens", "coefficients")  # [replies, targets, ...]
PLACES_OF_UNITS = ("unit_reply", "unit_row", "unit_offset", "unit_segment")
PLACES_OF_REPLIES = ("row", "offset", "segment", "source")


def join(some: Sequence[Step], rows: Sequence[slice], decoder_rows: int) -> Step:
    """One step of some of the rows of each of `some`: those of the first come first.

    Args:
      some: Of one run.
      rows: Of each, the encoder rows to take.
      decoder_rows: That read one encoder row.

    Returns:
      All of their targets. What stands in other rows is NOWHERE.
    """
    counts = np.array([these.stop - these.start for these in rows])
    sizes = np.array([len(step.targets) for step in some])
    befores = np.cumsum(counts) - counts, np.cumsum(sizes) - sizes
    num_targets = sizes.sum()
    layouts = [
        _among(step, these, decoder_rows, rows_before, targets_before, num_targets)
        for step, these, rows_before, targets_before in zip(some, rows, *befores, strict=True)
    ]
    fields = {name: np.concatenate([getattr(s, name) for s in some]) for name in OF_TARGETS}
    fields |= {
        name: np.concatenate([getattr(s, name) for s in some], axis=1) for name in OF_REPLIES
    }
    num_rows = int(counts.sum())
    layout = _concatenated(layouts, [step.read.shape for step in some], num_rows)
    return Step(**fields, layout=layout, num_rows=num_rows)


def _concatenated(
    layouts: Sequence[Layout], shapes: Sequence[tuple[int, int]], rows: int
) -> Layout:
    """One layout of so many rows, of replies that are [replies, targets] of each."""
    places = {n: np.concatenate([getattr(one, n) for one in layouts]) for n in PLACES_OF_UNITS}
    for name in PLACES_OF_REPLIES:
        each = [
            getattr(one, name).reshape(shape) for one, shape in zip(layouts, shapes, strict=True)
        ]
        places[name] = np.concatenate(each, axis=1).ravel()
    return Layout(rows=rows, **places)


def _among(
    step: Step,
    rows: slice,
    decoder_rows: int,
    rows_before: int,
    targets_before: int,
    all_targets: int,
) -> Layout:
    """A step's layout by rows and targets of all, so many of which come before its own."""

    def moved(row: np.ndarray, times: int) -> np.ndarray:
        first, last = times * rows.start, times * rows.stop
        here = (row >= first) & (row < last)
        return np.where(here, row - first + times * rows_before, NOWHERE)

    reply, target = np.divmod(step.layout.unit_reply, len(step.targets))
    return dataclasses.replace(
        step.layout,
        unit_reply=reply * all_targets + targets_before + target,
        unit_row=moved(step.layout.unit_row, 1),
        row=moved(step.layout.row, decoder_rows),
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
