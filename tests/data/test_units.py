"""Words and steps in two bits a token; rows of unequal length."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.data.ragged import Ragged
from cotjax.data.units import begins_of, numbers_of, pack

ROWS = st.lists(st.lists(st.integers(0, 255), max_size=6), min_size=1, max_size=6)
# How many words, and steps, further each token is than the one before it.
FURTHER = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=8)


@given(st.lists(FURTHER, max_size=6))
def test_packed_words_and_steps_come_back(rationales):
    """Numbered from 0, and without the gaps of words and steps that have no token."""
    packed, expected = [np.zeros(0, np.uint8)], {"words": [], "steps": []}
    for further in rationales:
        numbers = [list(itertools.accumulate(one)) for one in zip(*further, strict=True)]
        words, steps = numbers or ([], [])
        packed.append(pack(words, steps))
        for unit, of_token in (("words", words), ("steps", steps)):
            expected[unit] += np.unique(of_token, return_inverse=True)[1].tolist()
    joined, lengths = np.concatenate(packed), np.array([len(one) for one in rationales], int)
    assert joined.dtype == np.uint8
    for unit, numbers in expected.items():
        assert numbers_of(joined, unit, lengths).tolist() == numbers
    each = [number for length in lengths for number in range(length)]
    assert numbers_of(joined, "tokens", lengths).tolist() == each


def test_what_begins_is_as_drawn():
    packed = pack([0, 0, 1, 2], [4, 4, 4, 5])
    assert packed.tolist() == [3, 0, 1, 3]
    assert begins_of(packed, "words").tolist() == [True, False, True, True]
    assert begins_of(packed, "steps").tolist() == [True, False, False, True]
    assert begins_of(packed, "tokens").all()


@given(ROWS, st.data())
def test_rows_are_where_they_are_said_to_be(rows, data):
    ragged = Ragged.from_lists(iter(rows), np.uint8)
    taken = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
    places, lengths = ragged.places(np.array(taken, int))
    assert ragged.values[places].tolist() == [value for row in taken for value in rows[row]]
    assert lengths.tolist() == ragged.lengths_of(np.array(taken, int)).tolist()
    assert lengths.tolist() == [len(rows[row]) for row in taken]


@given(ROWS, ROWS)
def test_parts_are_joined(rows, others):
    joined = Ragged.join([Ragged.from_lists(one, np.uint16) for one in (rows, others)])
    assert [row.tolist() for row in joined] == rows + others
    assert (joined.values.dtype, joined.offsets.dtype) == (np.uint16, np.int32)


def test_offsets_take_eight_bytes_only_where_four_are_too_few():
    for total, dtype in ((2**31 - 1, np.int32), (2**31, np.int64)):
        ragged = Ragged(np.zeros(0, np.uint8), np.array([0, 5, total]))
        assert ragged.offsets.dtype == dtype
        assert ragged.lengths.tolist() == [5, total - 5]
        assert ragged.lengths.dtype == np.int64


def test_a_number_that_does_not_fit_is_refused():
    with pytest.raises(OverflowError):
        Ragged.from_lists([[1, 2**16]], np.uint16)
