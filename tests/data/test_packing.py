"""First-fit decreasing on two lengths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.data.packing import RowShape, choose_row_counts, choose_shape, lay_out
from cotjax.errors import InputError

SHAPE = RowShape(encoder=16, decoder=16, segments=4)
TARGETS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 16)), min_size=1, max_size=30
)  # question, decoder length


@given(TARGETS, st.booleans())
def test_nothing_overlaps_and_everything_fits(targets, packing):
    questions = np.array([question for question, _ in targets])
    decoder = np.array([length for _, length in targets])
    encoder = 3 + questions  # a question has one length
    layout = lay_out(questions, encoder, decoder, SHAPE, packing)
    written = np.zeros((2, layout.rows, 16), int)
    for row, offset, question in zip(
        layout.unit_row, layout.unit_offset, questions[layout.unit_reply], strict=True
    ):
        written[0, row, offset : offset + 3 + question] += 1
        assert offset + 3 + question <= 16
    for row, offset, length in zip(layout.row, layout.offset, decoder, strict=True):
        written[1, row, offset : offset + length] += 1
        assert offset + length <= 16
    assert written.max() == 1
    assert written[1].sum() == decoder.sum()
    assert layout.segment.max() <= (4 if packing else 1)


@given(TARGETS)
def test_every_target_reads_its_own_question(targets):
    questions = np.array([question for question, _ in targets])
    decoder = np.array([length for _, length in targets])
    layout = lay_out(questions, 3 + questions, decoder, SHAPE, packing=True)
    asked = {
        (row, segment): question
        for row, segment, question in zip(
            layout.unit_row, layout.unit_segment, questions[layout.unit_reply], strict=True
        )
    }
    for target, (row, source) in enumerate(zip(layout.row, layout.source, strict=True)):
        assert asked[row, source] == questions[target]


@given(TARGETS)
def test_segments_count_from_one_and_stand_in_order(targets):
    questions = np.array([question for question, _ in targets])
    decoder = np.array([length for _, length in targets])
    layout = lay_out(questions, 3 + questions, decoder, SHAPE, packing=True)
    for row in range(layout.rows):
        here = np.flatnonzero(layout.row == row)
        here = here[np.argsort(layout.offset[here])]
        assert layout.segment[here].tolist() == list(range(1, len(here) + 1))
        assert layout.offset[here].tolist() == [0, *np.cumsum(decoder[here])[:-1]]


def test_a_packed_step_is_as_drawn():
    layout = lay_out(
        np.array([0, 1, 0]), np.array([6, 8, 6]), np.array([4, 9, 3]), SHAPE, packing=True
    )
    # row 0:  encoder 1111111122222200   decoder 1111111112222333
    assert layout.rows == 1
    assert layout.source.tolist() == [2, 1, 2]
    assert layout.segment.tolist() == [2, 1, 3]
    assert layout.offset.tolist() == [9, 0, 13]
    assert layout.unit_offset.tolist() == [8, 0]


def test_row_counts_are_few_and_divisible():
    assert choose_row_counts([9, 10, 11, 19], most=32, multiple=8) == (16, 24, 32)
    assert choose_row_counts([32] * 5, most=32, multiple=4) == (32,)
    assert choose_row_counts([11, 11, 11, 11], most=12, multiple=1) == (12,)


def test_row_lengths_follow_the_data():
    shape = choose_shape(np.full(50, 40), np.full(50, 10), None, None, packing=True)
    assert (shape.encoder, shape.decoder) == (120, 32)
    shared = choose_shape(np.full(50, 40), np.full(50, 10), None, None, packing=True, sharing=8)
    assert (shared.encoder, shared.decoder) == (40, 80)
    on_tpu = choose_shape(np.full(50, 40), np.full(50, 10), None, None, packing=True, multiple=128)
    assert (on_tpu.encoder, on_tpu.decoder) == (128, 128)
    padded = choose_shape(np.array([5, 17]), np.array([3, 9]), None, None, packing=False)
    assert padded == RowShape(24, 16, 1)


def test_a_row_shorter_than_a_question_is_refused():
    with pytest.raises(InputError, match=r"config\.data\.encoder_length=16 is below the 17 tokens"):
        choose_shape(np.array([5, 17]), np.array([3, 9]), 16, None, packing=True)
