"""Which shape rows have, and how many a step has: what costs least where the data are laid out."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from cotjax.data.packing import Replies, RowShape, lay_out
from cotjax.errors import InputError

MAX_ROW_COUNTS = 4  # each is one compilation of the train step
HEADROOM = 1.08  # of a count above what the surveyed steps need
MAX_SEGMENTS = 128  # replies a decoder row at most
INPUTS_A_ROW = (1, 2, 3, 4, 6, 8)  # encoder rows that are tried have room for so many on average
DECODER_ROWS = (1, 2, 3, 4, 6, 8)  # that read one encoder row, where replies share inputs
SLACK = (0.9, 1.0, 1.1, 1.2)  # decoder rows that are tried are so much longer than replies need
# What costs as much as a token of the encoder: a part of one of the decoder, which cross-attention
# and head read too, or so many pairs of tokens in attention (by T5 small's steps on a CPU).
DECODER_TOKEN = 1.5
PAIRS = 800


def choose_shape(
    surveyed: Sequence[Replies],
    longest: tuple[int, int],
    shortest: int,
    encoder: int | None,
    decoder: int | None,
    packing: bool,
    multiple: int = 8,
) -> RowShape:
    """Chooses the shape of rows in which some steps cost least, whatever the mesh.

    Dropout draws by row: a run that goes on with another mesh needs the same rows.

    Args:
      surveyed: Some full steps.
      longest: Tokens that any reply of the run reads, and says, at most.
      shortest: Tokens that any says at least.
      encoder, decoder: Lengths from the config, or None.
      packing: Otherwise rows are as long as the longest reply.
      multiple: Of which chosen lengths are; a TPU's registers hold 128 numbers side by side.

    Raises:
      InputError: if a length from the config is below what a reply needs.
    """
    for name, length, needed in zip(
        ("encoder", "decoder"), (encoder, decoder), longest, strict=True
    ):
        if length is not None and length < needed:
            raise InputError(
                f"config.data.{name}_length={length} is below the {needed} tokens of the longest "
                f"{name} sequence: raise it, or lower the length that questions or targets may have"
            )
    least = tuple(math.ceil(length / multiple) * multiple for length in longest)
    if not packing:
        return RowShape(encoder or least[0], decoder or least[1], 1)
    candidates = set(_candidates(surveyed, least, shortest, encoder, decoder, multiple))
    totals = [(_read_once(step).sum(), step.said.sum()) for step in surveyed]
    bounds = {one: _cost(one, _least_rows(one, totals)) for one in candidates}
    best, lowest = None, math.inf
    for shape in sorted(candidates, key=lambda one: (bounds[one], dataclasses.astuple(one))):
        if bounds[shape] >= lowest:
            break
        rows = [lay_out(step, shape, packing).rows for step in surveyed]
        cost = _cost(shape, rows)
        if cost < lowest:
            best, lowest = shape, cost
    return best


def choose_row_counts(needed: Sequence[int], most: int, multiple: int) -> tuple[int, ...]:
    """At most four row counts for the steps of a run, each a multiple of what the mesh divides.

    Args:
      needed: Rows that some full steps of the run need.
      most: Rows that any step could need.
      multiple: Of which every count must be a multiple.

    Returns:
      Rising counts: for half of these steps, for all, for others that need a little more, for any.
      One is left out where the next has less than a twentieth more rows.
    """
    wanted = [np.median(needed), max(needed), min(HEADROOM * max(needed), most), most]
    counts: list[int] = []
    for rows in reversed([math.ceil(rows / multiple) * multiple for rows in wanted]):
        if not counts or rows < 0.95 * counts[0]:
            counts.insert(0, rows)
    assert len(counts) <= MAX_ROW_COUNTS
    return tuple(counts)


def _candidates(
    surveyed: Sequence[Replies],
    least: tuple[int, int],
    shortest: int,
    encoder: int | None,
    decoder: int | None,
    multiple: int,
) -> Iterator[RowShape]:
    """Shapes to try: rows for a few inputs each, and for what is said to these."""
    read = np.concatenate([_read_once(step) for step in surveyed])
    said = np.concatenate([step.said for step in surveyed])
    shared = len(said) > len(read)

    def rounded(length: float, at_least: int) -> int:
        return max(math.ceil(length / multiple) * multiple, at_least)

    for inputs in INPUTS_A_ROW:
        row = encoder or rounded(inputs * read.mean(), least[0])
        replies = row / read.mean() * len(said) / len(read)
        for decoder_rows in DECODER_ROWS if shared else (1,):
            for slack in SLACK:
                wanted = slack * replies * said.mean() / decoder_rows
                length = decoder or rounded(wanted, least[1])
                segments = min(MAX_SEGMENTS, max(1, length // shortest))
                yield RowShape(row, length, segments, decoder_rows)


def _read_once(step: Replies) -> np.ndarray:
    """Tokens of each input of a step."""
    return step.read[np.unique(step.inputs, return_index=True)[1]]


def _least_rows(shape: RowShape, totals: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Rows of each step that reads and says so many tokens if there were no padding."""
    room = shape.decoder_rows * shape.decoder
    for read, said in totals:
        yield math.ceil(max(read / shape.encoder, said / room))


def _cost(shape: RowShape, rows: Iterable[int]) -> float:
    """What steps of so many rows cost, in tokens of the encoder."""
    encoder = shape.encoder * (1 + shape.encoder / PAIRS)
    said = shape.decoder_rows * shape.decoder
    return sum(rows) * (encoder + said * (DECODER_TOKEN + (shape.decoder + shape.encoder) / PAIRS))
