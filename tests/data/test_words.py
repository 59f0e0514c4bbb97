"""Keeping words of a table: drawn by hand, and as properties of any table."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.data.perturbed import units_of
from cotjax.data.ragged import Ragged
from cotjax.data.words import count_words, keep_words
from cotjax.errors import InputError
from cotjax.targets.words import WordChoice
from tests.data.small import begins, random_table, small_table

# Tokens, words and steps of the small table's rationales:
#   30 31 32 | 33 34 | 40 41 42 43
#    0  0  1    0  1    0  1  1  2
#    0  0  1    0  0    0  0  0  1
CHOICES = st.sampled_from(
    [
        WordChoice("first_k", 2),
        WordChoice("random_k", 2),
        WordChoice("random_k", fraction=0.5, seed=3),
        WordChoice("key_words", 1),
        WordChoice("key_words", 3, by_rank=True),
        WordChoice("without_label"),
        WordChoice("without_keywords"),
    ]
)


@pytest.mark.parametrize(
    ("choice", "tokens", "words", "steps"),
    [
        (WordChoice("first_k", 1), [30, 31, 33, 40], [0, 0, 0, 0], [0, 0, 0, 0]),
        (WordChoice("key_words", 1), [32, 33, 43], [0, 0, 0], [0, 0, 0]),
        (WordChoice("key_words", 2), [32, 33, 40, 43], [0, 0, 0, 1], [0, 0, 0, 1]),
        # In the order of rank the last step comes first, and is the first one.
        (WordChoice("key_words", 2, by_rank=True), [32, 33, 43, 40], [0, 0, 0, 1], [0, 0, 0, 1]),
        (WordChoice("without_label"), [30, 31, 32, 40, 43], [0, 0, 1, 0, 1], [0, 0, 1, 0, 1]),
        (
            WordChoice("without_keywords"),
            [32, 33, 34, 40, 41, 42],
            [0, 0, 1, 0, 1, 1],
            [0, 0, 0, 0, 0, 0],
        ),
    ],
)
def test_kept_words_are_as_drawn(choice, tokens, words, steps):
    table = keep_words(small_table(), choice)
    assert table.rationales.values.tolist() == tokens
    assert units_of(table, "words").tolist() == words
    assert units_of(table, "steps").tolist() == steps


def test_all_words_are_the_table_itself():
    table = small_table()
    assert keep_words(table, WordChoice()) is table
    assert count_words(table, table, WordChoice()) == {}


def test_what_is_left_out_is_counted():
    table, choice = small_table(), WordChoice("without_label")
    assert count_words(table, keep_words(table, choice), choice) == {
        "dropped/words of rationales": 3,  # of 7
        "kept/rationales with no word left": 1,
        "kept/rationales that held what is left out (without_label)": 2,
    }
    choice = WordChoice("first_k", 2)
    assert count_words(table, keep_words(table, choice), choice) == {
        "dropped/words of rationales": 1,
        "kept/rationales with no word left": 0,
    }


@pytest.mark.parametrize(
    ("choice", "short", "emptied", "dropped"),
    [
        (WordChoice("key_words", 1), 1, 1, 5),  # the third names none
        (WordChoice("key_words", 2), 3, 1, 5),  # the first two name one of two words
        (WordChoice("key_words", fraction=0.5), 1, 1, 5),
    ],
)
def test_rationales_short_of_key_words_are_counted(choice, short, emptied, dropped):
    table = dataclasses.replace(small_table(), key_words=Ragged.from_lists([[1], [0], []]))
    assert count_words(table, keep_words(table, choice), choice) == {
        "dropped/words of rationales": dropped,
        "kept/rationales with no word left": emptied,
        "kept/rationales with fewer key words than asked for": short,
    }


def test_no_rationale_is_short_of_words_that_it_does_not_have():
    table, choice = small_table(), WordChoice("key_words", 9)
    named = dataclasses.replace(table, key_words=Ragged.from_lists([[1, 0], [0, 1], [2, 0, 1]]))
    counts = count_words(named, keep_words(named, choice), choice)
    assert counts["kept/rationales with fewer key words than asked for"] == 0


def test_key_words_that_no_record_names_are_refused():
    table = dataclasses.replace(small_table(), key_words=Ragged.from_lists([[], [], []]))
    with pytest.raises(InputError, match="none of 3 rationales has any key word"):
        keep_words(table, WordChoice("key_words", 2))


@given(CHOICES, st.integers(0, 5))
def test_words_are_kept_whole_and_counted_from_0(choice, seed):
    table = random_table([2, 1, 3], seed)
    kept = keep_words(table, choice)
    assert kept.rationales.offsets[-1] == len(kept.rationales.values) == len(kept.begins)
    for before, after in zip(_words(table), _words(kept), strict=True):
        assert all(word in before for word in after)
    for units in (units_of(kept, "words"), units_of(kept, "steps")):
        for start, stop in zip(kept.rationales.offsets, kept.rationales.offsets[1:], strict=False):
            row = units[start:stop]
            assert row[:1].tolist() in ([], [0])
            assert set(np.diff(row)) <= {0, 1}
    for field in ("inputs", "labels"):
        assert getattr(kept, field) is getattr(table, field)


def test_random_words_depend_on_seed_question_and_sample_alone():
    table, choice = random_table([1] * 40, longest=12), WordChoice("random_k", 2, seed=1)
    kept = _words(keep_words(table, choice))
    assert kept == _words(keep_words(table, choice))
    assert kept != _words(keep_words(table, dataclasses.replace(choice, seed=2)))
    assert kept != _words(keep_words(table, WordChoice("first_k", 2)))
    fewer = _words(keep_words(table, WordChoice("random_k", 1, seed=1)))
    assert all(one[0] in two for one, two in zip(fewer, kept, strict=True))


def test_each_word_is_as_likely_to_stay():
    """One of four words, in 4,000 rationales: 4 standard deviations are 110."""
    number = 4_000
    one = Ragged.from_lists([[1, 2, 3, 4]] * number)
    table = dataclasses.replace(
        random_table([1] * number),
        rationales=one,
        begins=begins([range(4)] * number, [[0] * 4] * number),
    )
    counts = np.bincount(keep_words(table, WordChoice("random_k", 1)).rationales.values)[1:]
    assert abs(counts - number / 4).max() < 110


def _words(table):
    """Each rationale's words, as lists of tokens."""
    found = []
    for row, start in enumerate(table.rationales.offsets[:-1]):
        tokens = table.rationales[row]
        words = units_of(table, "words")[start : start + len(tokens)]
        found.append([tokens[words == word].tolist() for word in np.unique(words)])
    return found
