"""Several replies a row: first-fit decreasing on encoder and decoder length.

A reply is what the decoder says to one input; a target has one, or one for each task.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from cotjax.errors import InputError

MAX_ROW_COUNTS = 4  # each is one compilation of the train step
MAX_SEGMENTS = 128  # replies a row at most
REPLIES_A_ROW = 3  # aimed at when the row lengths are chosen from the data


@dataclasses.dataclass(frozen=True)
class RowShape:
    """Lengths of a row, and how many decoder segments it may hold.

    Attributes:
      encoder: S, tokens of an encoder row.
      decoder: T, tokens of a decoder row.
      segments: K, replies a row at most.
    """

    encoder: int
    decoder: int
    segments: int


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where every encoder pass and every reply of a step stands.

    A unit is one encoder pass: an input, shared by the replies that read it.

    Attributes:
      rows: Rows that are used.
      unit_reply: [units] a reply that reads the unit.
      unit_row, unit_offset, unit_segment: [units] in the encoder; segments count from 1.
      row, offset, segment, source: [replies] in the decoder; `source` is the encoder segment read.
    """

    rows: int
    unit_reply: np.ndarray
    unit_row: np.ndarray
    unit_offset: np.ndarray
    unit_segment: np.ndarray
    row: np.ndarray
    offset: np.ndarray
    segment: np.ndarray
    source: np.ndarray


def lay_out(
    inputs: np.ndarray,
    encoder_lengths: np.ndarray,
    decoder_lengths: np.ndarray,
    shape: RowShape,
    packing: bool,
) -> Layout:
    """Lays out a step's replies.

    Args:
      inputs: int [replies], which input each reply reads; equal ones share an encoder pass.
      encoder_lengths, decoder_lengths: int [replies], tokens of its input and of itself.
      shape: No length may be above the row's.
      packing: Otherwise every reply has a row and an encoder pass of its own.
    """
    units = _share(inputs, decoder_lengths, shape) if packing else _alone(inputs)
    unit_encoder = np.array([encoder_lengths[unit[0]] for unit in units])
    unit_decoder = np.array([decoder_lengths[unit].sum() for unit in units])
    unit_size = np.array([len(unit) for unit in units])
    need = np.stack([unit_encoder, unit_decoder, unit_size], axis=1)
    room = np.array([shape.encoder, shape.decoder, shape.segments if packing else 1])
    unit_row, before, unit_segment = _first_fit_decreasing(need, room)
    of_reply = np.concatenate(units)
    unit_of = np.repeat(np.arange(len(units)), unit_size)
    within = np.arange(len(of_reply)) - np.repeat(np.cumsum(unit_size) - unit_size, unit_size)
    ahead = np.cumsum(decoder_lengths[of_reply]) - decoder_lengths[of_reply]
    ahead -= np.repeat(ahead[np.cumsum(unit_size) - unit_size], unit_size)
    back = np.argsort(of_reply)  # from the units' order to the step's
    return Layout(
        rows=int(unit_row.max(initial=-1)) + 1,
        unit_reply=np.array([unit[0] for unit in units]),
        unit_row=unit_row,
        unit_offset=before[:, 0],
        unit_segment=unit_segment,
        row=unit_row[unit_of][back],
        offset=(before[unit_of, 1] + ahead)[back],
        segment=(before[unit_of, 2] + within + 1)[back],
        source=unit_segment[unit_of][back],
    )


def choose_shape(
    encoder_lengths: np.ndarray,
    decoder_lengths: np.ndarray,
    encoder: int | None,
    decoder: int | None,
    packing: bool,
    sharing: float = 1.0,
    multiple: int = 8,
) -> RowShape:
    """Chooses row lengths that the data fill evenly, where the config names none.

    Args:
      encoder_lengths, decoder_lengths: int [replies] of an epoch.
      encoder, decoder: Lengths from the config, or None.
      packing: Otherwise rows are as long as the longest reply.
      sharing: Replies that share an encoder pass; a row has room for all of them.
      multiple: Of which chosen lengths are; a TPU's registers hold 128 numbers side by side.
    """
    longest = int(encoder_lengths.max()), int(decoder_lengths.max())
    for name, length, needed in zip(
        ("encoder", "decoder"), (encoder, decoder), longest, strict=True
    ):
        if length is not None and length < needed:
            raise InputError(
                f"config.data.{name}_length={length} is below the {needed} tokens of the longest "
                f"{name} sequence: raise it, or lower the length that questions or targets may have"
            )

    def rounded(*lengths: float) -> int:
        return math.ceil(max(lengths) / multiple) * multiple

    if not packing:
        return RowShape(encoder or rounded(longest[0]), decoder or rounded(longest[1]), 1)
    ratio = sharing * decoder_lengths.mean() / encoder_lengths.mean()
    aimed = max(1, REPLIES_A_ROW / sharing) * encoder_lengths.mean()
    encoder = encoder or rounded(longest[0], aimed, longest[1] / ratio)
    decoder = decoder or rounded(longest[1], encoder * ratio)
    segments = min(MAX_SEGMENTS, max(1, decoder // int(decoder_lengths.min())))
    return RowShape(encoder, decoder, segments)


def choose_row_counts(needed: Sequence[int], most: int, multiple: int) -> tuple[int, ...]:
    """At most four row counts for the steps of a run, each a multiple of what the mesh divides.

    Args:
      needed: Rows that some full steps of the run need.
      most: Rows that any step could need.
      multiple: Of which every count must be a multiple.

    Returns:
      Rising counts. One is left out where the next saves less than a tenth by it.
    """
    wanted = [*np.quantile(needed, [0.25, 0.75, 1.0]), most]
    counts: list[int] = []
    for rows in reversed([math.ceil(rows / multiple) * multiple for rows in wanted]):
        if not counts or rows < 0.9 * counts[0]:
            counts.insert(0, rows)
    assert len(counts) <= MAX_ROW_COUNTS
    return tuple(counts)


def _first_fit_decreasing(
    need: np.ndarray, room: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Puts each unit into the first row with room for it, the greediest units first.

    Args:
      need: int [units, 3], encoder tokens, decoder tokens, replies.
      room: int [3], of an empty row.

    Returns:
      Row of each unit [units], what stood in the row before it [units, 3], and its number there
      from 1 [units].
    """
    free = np.tile(room, (len(need), 1))
    rows = np.zeros(len(need), np.int64)
    before = np.zeros_like(need)
    number = np.zeros(len(need), np.int64)
    held = np.zeros(len(need), np.int64)
    for unit in np.argsort(-(need / room).max(axis=1), kind="stable"):
        row = int(np.argmax((free >= need[unit]).all(axis=1)))
        rows[unit], before[unit] = row, room - free[row]
        free[row] -= need[unit]
        held[row] += 1
        number[unit] = held[row]
    return rows, before, number


def _share(inputs: np.ndarray, lengths: np.ndarray, shape: RowShape) -> list[np.ndarray]:
    """Groups a step's replies by input, as many as a decoder row can hold."""
    order = np.argsort(inputs, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(inputs[order])) + 1)
    units = []
    for group in groups:
        while len(group):
            fits = np.cumsum(lengths[group]) <= shape.decoder
            count = min(int(fits.sum()), shape.segments)
            units.append(group[:count])
            group = group[count:]
    return units


def _alone(inputs: np.ndarray) -> list[np.ndarray]:
    return [np.array([reply]) for reply in range(len(inputs))]
