"""First-fit decreasing on two lengths."""

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cotjax.data.packing import Replies, RowShape, lay_out

SHAPE = RowShape(encoder=16, decoder=16, segments=4)
SHAPES = st.integers(1, 3).map(lambda rows: dataclasses.replace(SHAPE, decoder_rows=rows))
TARGETS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 16)), min_size=1, max_size=30
)  # question, decoder length


def replies(targets):
    """Replies to questions 0, 1, ... of 3, 4, ... tokens."""
    questions, said = np.array(targets).T
    return Replies(questions, 3 + questions, said)


@given(TARGETS, SHAPES, st.booleans())
def test_nothing_overlaps_and_everything_fits(targets, shape, packing):
    step = replies(targets)
    layout = lay_out(step, shape, packing)
    read = np.zeros((layout.rows, 16), int)
    for row, offset, length in zip(
        layout.unit_row, layout.unit_offset, step.read[layout.unit_reply], strict=True
    ):
        read[row, offset : offset + length] += 1
        assert offset + length <= 16
    said = np.zeros((layout.rows * shape.decoder_rows, 16), int)
    for row, offset, length in zip(layout.row, layout.offset, step.said, strict=True):
        said[row, offset : offset + length] += 1
        assert offset + length <= 16
    assert max(read.max(), said.max()) == 1
    assert said.sum() == step.said.sum()
    assert layout.segment.max() <= (4 if packing else 1)
    assert read.any(axis=1).all()  # no row is empty


@given(TARGETS, SHAPES)
def test_every_target_reads_its_own_question(targets, shape):
    step = replies(targets)
    layout = lay_out(step, shape, packing=True)
    asked = {
        (row, segment): question
        for row, segment, question in zip(
            layout.unit_row, layout.unit_segment, step.inputs[layout.unit_reply], strict=True
        )
    }
    read_by = layout.row // shape.decoder_rows
    for question, row, source in zip(step.inputs, read_by, layout.source, strict=True):
        assert asked[row, source] == question


@given(TARGETS, SHAPES)
def test_segments_count_from_one_and_stand_in_order(targets, shape):
    step = replies(targets)
    layout = lay_out(step, shape, packing=True)
    for row in range(layout.rows * shape.decoder_rows):
        here = np.flatnonzero(layout.row == row)
        here = here[np.argsort(layout.offset[here])]
        assert layout.segment[here].tolist() == list(range(1, len(here) + 1))
        assert layout.offset[here].tolist() == [0, *np.cumsum(step.said[here])][: len(here)]


def test_a_packed_step_is_as_drawn():
    layout = lay_out(
        Replies(np.array([0, 1, 0]), np.array([6, 8, 6]), np.array([4, 9, 3])), SHAPE, packing=True
    )
    # row 0:  encoder 1111111122222200   decoder 1111111112222333
    assert layout.rows == 1
    assert layout.source.tolist() == [2, 1, 2]
    assert layout.segment.tolist() == [2, 1, 3]
    assert layout.offset.tolist() == [9, 0, 13]
    assert layout.unit_offset.tolist() == [8, 0]


def test_decoder_rows_of_one_encoder_row_are_as_drawn():
    layout = lay_out(
        Replies(np.array([0, 1, 0, 0]), np.array([6, 8, 6, 6]), np.array([9, 7, 8, 5])),
        dataclasses.replace(SHAPE, decoder_rows=2),
        packing=True,
    )
    # encoder row 0:  1111112222222200
    # decoder rows 0 and 1:  1111111112222200   1111111122222220
    assert layout.rows == 1
    assert layout.row.tolist() == [0, 1, 1, 0]
    assert layout.offset.tolist() == [0, 8, 0, 9]
    assert layout.segment.tolist() == [1, 2, 1, 2]
    assert layout.source.tolist() == [1, 2, 1, 1]
