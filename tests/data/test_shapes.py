"""Rows whose shape costs least."""

import numpy as np
import pytest

from cotjax.data.packing import Replies, RowShape, lay_out
from cotjax.data.shapes import choose_row_counts, choose_shape
from cotjax.errors import InputError


def chosen(*steps, encoder=None, decoder=None, packing=True, **how):
    said = np.concatenate([step.said for step in steps])
    longest = max(step.read.max() for step in steps), said.max()
    return choose_shape(steps, longest, said.min(), encoder, decoder, packing, **how)


def own_inputs(read, said):
    return Replies(np.arange(len(read)), np.array(read), np.array(said))


def filled(step, shape):
    """The shares of encoder and decoder positions that hold a token."""
    rows = lay_out(step, shape, packing=True).rows
    read = step.read[np.unique(step.inputs, return_index=True)[1]].sum()
    said = rows * shape.decoder_rows * shape.decoder
    return read / (rows * shape.encoder), step.said.sum() / said


def test_row_counts_are_few_and_divisible():
    assert choose_row_counts([9, 10, 11, 19], most=32, multiple=8) == (16, 24, 32)
    assert choose_row_counts([32] * 5, most=32, multiple=4) == (32,)
    assert choose_row_counts([34, 34, 35], most=64, multiple=1) == (35, 38, 64)


def test_equal_lengths_leave_no_padding():
    step = own_inputs([40] * 48, [16] * 48)
    assert filled(step, chosen(step)) == (1, 1)


def test_lengths_are_multiples_of_what_is_asked():
    step = own_inputs([40] * 48, [10] * 48)
    on_tpu = chosen(step, multiple=128)
    assert (on_tpu.encoder % 128, on_tpu.decoder % 128) == (0, 0)


def test_uneven_lengths_fill_rows_well():
    rng = np.random.default_rng(0)
    step = own_inputs(rng.integers(30, 70, 64), rng.integers(20, 50, 64))
    assert min(filled(step, chosen(step))) > 0.8


def test_many_replies_to_one_input_get_decoder_rows_of_their_own():
    rng = np.random.default_rng(0)
    step = Replies(np.repeat(np.arange(8), 8), np.full(64, 112), rng.integers(90, 150, 64))
    shape = chosen(step)
    assert shape.decoder_rows > 1
    assert len(lay_out(step, shape, packing=True).unit_row) == 8  # each is encoded once
    assert min(filled(step, shape)) > 0.8


def test_without_packing_rows_are_as_long_as_the_longest():
    padded = chosen(own_inputs([5, 17], [3, 9]), packing=False)
    assert padded == RowShape(24, 16, 1)


def test_lengths_of_the_config_are_taken():
    shape = chosen(own_inputs([40] * 8, [10] * 8), encoder=50, decoder=30)
    assert (shape.encoder, shape.decoder) == (50, 30)


def test_a_row_shorter_than_a_question_is_refused():
    with pytest.raises(InputError, match=r"config\.data\.encoder_length=16 is below the 17 tokens"):
        chosen(own_inputs([5, 17], [3, 9]), encoder=16)
