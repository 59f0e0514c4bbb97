"""Several replies a row: first-fit decreasing on encoder and decoder length.

A reply is what the decoder says to one input; a target has one, or one for each task. A decoder
row attends to itself alone, so long ones are dear: where many replies read one input, an encoder
row has several decoder rows, which all read it.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

NOWHERE = -1  # the row of what this host does not have


@dataclasses.dataclass(frozen=True)
class RowShape:
    """Lengths of a row, and how many decoder segments it may hold.

    Attributes:
      encoder: S, tokens of an encoder row.
      decoder: T, tokens of a decoder row.
      segments: K, replies a decoder row at most.
      decoder_rows: C, decoder rows that read one encoder row: r * C to r * C + C - 1 read row r.
    """

    encoder: int
    decoder: int
    segments: int
    decoder_rows: int = 1


@dataclasses.dataclass(frozen=True)
class Replies:
    """The replies of a step. Each is int [replies].

    Attributes:
      inputs: Which input each reads; equal ones share an encoder pass.
      read, said: Tokens of its input, and of itself.
    """

    inputs: np.ndarray
    read: np.ndarray
    said: np.ndarray


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where every encoder pass and every reply of a step stands.

    A unit is one encoder pass: an input, shared by the replies that read it. Where steps are
    joined, what another host has stands NOWHERE.

    Attributes:
      rows: Encoder rows that are used.
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


def lay_out(replies: Replies, shape: RowShape, packing: bool) -> Layout:
    """Lays out a step's replies.

    Args:
      replies: None longer than a row.
      shape: Of a row.
      packing: Otherwise every reply has a row and an encoder pass of its own.
    """
    said = replies.said.tolist()
    units = _share(replies.inputs, replies.said, shape) if packing else _alone(said)
    unit_reply = np.array([unit[0] for unit in units])
    unit_read = replies.read[unit_reply]
    unit_said = np.array([sum(said[reply] for reply in unit) for unit in units])
    greed = np.maximum(unit_read / shape.encoder, unit_said / (shape.decoder * shape.decoder_rows))
    rows, reads = _Rows(len(units), len(said), shape), unit_read.tolist()
    for unit in np.argsort(-greed, kind="stable").tolist():
        rows.put(unit, reads[unit], units[unit], [said[reply] for reply in units[unit]], packing)
    unit_row, unit_offset, unit_segment = np.array(rows.unit).T
    row, offset, segment, source = np.array(rows.reply).T
    return Layout(
        rows=len(rows.rows),
        unit_reply=unit_reply,
        unit_row=unit_row,
        unit_offset=unit_offset,
        unit_segment=unit_segment,
        row=row,
        offset=offset,
        segment=segment,
        source=source,
    )


@dataclasses.dataclass
class _Row:
    """What is free in an encoder row and in the decoder rows that read it.

    Attributes:
      number: Of the row.
      encoder: Tokens.
      decoder, segments: Tokens, and replies, of each decoder row.
      held: Units that it holds.
    """

    number: int
    encoder: int
    decoder: list[int]
    segments: list[int]
    held: int = 0

    @classmethod
    def empty(cls, number: int, shape: RowShape) -> "_Row":
        each = shape.decoder_rows
        return cls(number, shape.encoder, [shape.decoder] * each, [shape.segments] * each)

    def longest(self) -> int:
        """Tokens of the longest reply that one of the decoder rows has room for."""
        return max(
            free if left else 0 for free, left in zip(self.decoder, self.segments, strict=True)
        )

    def places(self, said: Sequence[int]) -> list[int]:
        """The first decoder row with room for each reply after those before it, while there is."""
        decoder, segments = self.decoder, self.segments
        if len(said) > 1:
            decoder, segments = [*decoder], [*segments]
        places = []
        for length in said:
            for place, free in enumerate(decoder):
                if free >= length and segments[place]:
                    break
            else:
                return places
            places.append(place)
            if len(said) > 1:
                decoder[place] -= length
                segments[place] -= 1
        return places


class _Rows:
    """Rows as they fill.

    Attributes:
      rows: Those that hold something.
      unit: Of each unit, row, offset and segment.
      reply: Of each reply, decoder row, offset, segment and source.
    """

    def __init__(self, units: int, replies: int, shape: RowShape):
        self.rows: list[_Row] = []
        self.unit, self.reply = [(0, 0, 0)] * units, [(0, 0, 0, 0)] * replies
        self._shape = shape
        # By row, to find one among thousands: tokens that are free, of decoder rows the most.
        self._encoder, self._decoder = np.zeros(units, np.int64), np.zeros(units, np.int64)

    def put(self, unit: int, read: int, replies: list[int], said: list[int], packing: bool) -> None:
        """Puts a unit and its replies, the longest first, into the first row with room for all."""
        row, places = self._find(read, said) if packing else (None, [])
        if row is None:
            row = _Row.empty(len(self.rows), self._shape)
            self.rows.append(row)
            places = row.places(said)
        row.held += 1
        self.unit[unit] = row.number, self._shape.encoder - row.encoder, row.held
        row.encoder -= read
        for reply, length, place in zip(replies, said, places, strict=True):
            self.reply[reply] = (
                row.number * self._shape.decoder_rows + place,
                self._shape.decoder - row.decoder[place],
                self._shape.segments - row.segments[place] + 1,
                row.held,
            )
            row.decoder[place] -= length
            row.segments[place] -= 1
        self._encoder[row.number], self._decoder[row.number] = row.encoder, row.longest()

    def _find(self, read: int, said: Sequence[int]) -> tuple[_Row | None, list[int]]:
        """The first row with room, if there is one, and the decoder rows of the replies in it."""
        count = len(self.rows)
        may_fit = (self._encoder[:count] >= read) & (self._decoder[:count] >= said[0])
        for number in may_fit.nonzero()[0]:
            row = self.rows[number]
            if len(places := row.places(said)) == len(said):
                return row, places
        return None, []


def _share(inputs: np.ndarray, said: np.ndarray, shape: RowShape) -> list[list[int]]:
    """Groups a step's replies by input, longest first, as many as an empty row can hold."""
    order, lengths = np.lexsort((-said, inputs)), said.tolist()
    begins = np.flatnonzero(np.diff(inputs[order], prepend=-1)).tolist()
    empty, units, order = _Row.empty(0, shape), [], order.tolist()
    for begin, end in itertools.pairwise([*begins, len(order)]):
        while begin < end:
            group = order[begin:end]
            fit = empty.places([lengths[reply] for reply in group]) if len(group) > 1 else group
            units.append(group[: len(fit)])
            begin += len(fit)
    return units


def _alone(said: Sequence[int]) -> list[list[int]]:
    return [[reply] for reply in range(len(said))]
