"""Which words stay, drawn by hand."""

import itertools

import numpy as np
import pytest

from cotjax.targets.words import WordChoice


@pytest.mark.parametrize(
    ("choice", "num_words", "key_words", "kept"),
    [
        (WordChoice(), 3, [], [0, 1, 2]),
        (WordChoice("all", 1), 3, [2], [0, 1, 2]),  # `all` has no k
        (WordChoice(), 0, [], []),
        (WordChoice("first_k", 2), 4, [3], [0, 1]),
        (WordChoice("first_k", 4), 4, [], [0, 1, 2, 3]),
        (WordChoice("first_k", 9), 4, [], [0, 1, 2, 3]),  # fewer words than k
        (WordChoice("first_k", 0), 4, [], []),
        (WordChoice("first_k", 2), 0, [], []),
        # The most important words are named first; those that stay keep their order in the text.
        (WordChoice("key_words", 2), 5, [4, 1, 0], [1, 4]),
        (WordChoice("key_words", 3), 5, [4, 1, 0], [0, 1, 4]),
        (WordChoice("key_words", 9), 5, [4, 1, 0], [0, 1, 4]),  # fewer named than k
        (WordChoice("key_words", None), 5, [4, 1, 0], [0, 1, 4]),  # all that are named
        (WordChoice("key_words", 0), 5, [4, 1, 0], []),
        (WordChoice("key_words", 2), 5, [], []),
    ],
)
def test_the_words_that_stay(choice, num_words, key_words, kept):
    found = choice.keep(num_words, np.array(key_words, int))
    assert (found.dtype, found.shape) == (bool, (num_words,))
    assert np.flatnonzero(found).tolist() == kept


@pytest.mark.parametrize("name", ["first_k", "key_words"])
def test_more_words_never_drop_one(name):
    """Rationales cut to fewer words are part of those cut to more."""
    key_words = np.array([3, 0, 5, 2])
    kept = [WordChoice(name, k).keep(6, key_words) for k in range(7)]
    for fewer, more in itertools.pairwise(kept):
        assert (more | ~fewer).all()
