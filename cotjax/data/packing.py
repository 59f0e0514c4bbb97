"""Several replies a row: first-fit decreasing on encoder and decoder length.

A reply is what the decoder says to one input; a target has one, or one for each task. A decoder
row attends to itself alone, so long ones are dear: where many replies read one input, an encoder
row has several decoder rows, which all read it.
"""

import dataclasses

import numpy as np


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

    A unit is one encoder pass: an input, shared by the replies that read it.

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
    inputs, said = replies.inputs, replies.said
    units = _share(inputs, said, shape) if packing else _alone(inputs)
    unit_read = replies.read[[unit[0] for unit in units]]
    unit_said = np.array([said[unit].sum() for unit in units])
    greed = np.maximum(unit_read / shape.encoder, unit_said / (shape.decoder * shape.decoder_rows))
    rows = _Rows(len(units), len(inputs), shape)
    for unit in np.argsort(-greed, kind="stable"):
        rows.put(unit, int(unit_read[unit]), units[unit], said[units[unit]], packing)
    return Layout(
        rows=rows.used,
        unit_reply=np.array([unit[0] for unit in units]),
        unit_row=rows.unit[0],
        unit_offset=rows.unit[1],
        unit_segment=rows.unit[2],
        row=rows.reply[0],
        offset=rows.reply[1],
        segment=rows.reply[2],
        source=rows.reply[3],
    )


class _Rows:
    """Rows as they fill.

    Attributes:
      used: Encoder rows that hold something.
      unit: int [3, units], row, offset and segment.
      reply: int [4, replies], decoder row, offset, segment and source.
    """

    def __init__(self, units: int, replies: int, shape: RowShape):
        self.used, self._shape = 0, shape
        self.unit = np.zeros((3, units), np.int64)
        self.reply = np.zeros((4, replies), np.int64)
        self._encoder = np.full(units, shape.encoder)  # what is free
        self._decoder = np.full((units, shape.decoder_rows), shape.decoder)
        self._segments = np.full((units, shape.decoder_rows), shape.segments)
        self._held = np.zeros(units, np.int64)

    def put(self, unit: int, read: int, replies: np.ndarray, said: np.ndarray, packing: bool):
        """Puts a unit and its replies, the longest first, into the first row with room for all."""
        first = 0 if packing else self.used
        open_rows = slice(first, self.used + 1)  # the last is empty
        places = _places(said, self._decoder[open_rows], self._segments[open_rows])
        row = int(np.argmax((self._encoder[open_rows] >= read) & (places[-1] >= 0))) + first
        self.used = max(self.used, row + 1)
        self._held[row] += 1
        self.unit[:, unit] = row, self._shape.encoder - self._encoder[row], self._held[row]
        self._encoder[row] -= read
        decoder, segments = self._decoder[row], self._segments[row]
        for reply, length, place in zip(replies, said, places[:, row - first], strict=True):
            self.reply[:, reply] = (
                row * self._shape.decoder_rows + place,
                self._shape.decoder - decoder[place],
                self._shape.segments - segments[place] + 1,
                self._held[row],
            )
            decoder[place] -= length
            segments[place] -= 1


def _places(said: np.ndarray, decoder: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """The first decoder row with room for each reply, after those before it.

    Args:
      said: int [replies], tokens.
      decoder, segments: int [rows, decoder rows], tokens and replies for which there is room.

    Returns:
      int [replies, rows], -1 from the first reply on that finds no room.
    """
    places = np.full((len(said), len(decoder)), -1)
    open_rows = np.arange(len(decoder))
    for number, length in enumerate(said):
        fits = (decoder >= length) & (segments > 0)
        place = fits.argmax(axis=1)
        found = fits[open_rows, place]
        if number:
            found &= places[number - 1] >= 0
        places[number, found] = place[found]
        if number + 1 < len(said):
            taken = np.zeros_like(decoder)
            taken[open_rows, place] = found
            decoder, segments = decoder - length * taken, segments - taken
    return places


def _share(inputs: np.ndarray, said: np.ndarray, shape: RowShape) -> list[np.ndarray]:
    """Groups a step's replies by input, longest first, as many as an empty row can hold."""
    order = np.lexsort((-said, inputs))
    groups = np.split(order, np.flatnonzero(np.diff(inputs[order])) + 1)
    decoder = np.full((1, shape.decoder_rows), shape.decoder)
    segments = np.full_like(decoder, shape.segments)
    units = []
    for group in groups:
        while len(group):
            count = 1
            if len(group) > 1:
                count = int((_places(said[group], decoder, segments) >= 0).sum())
            units.append(group[:count])
            group = group[count:]
    return units


def _alone(inputs: np.ndarray) -> list[np.ndarray]:
    return [np.array([reply]) for reply in range(len(inputs))]
