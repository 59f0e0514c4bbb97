"""Which words stay, drawn by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.targets.words import (
    KEYWORDS,
    WordChoice,
    words_of_label,
    words_of_reasoning,
)

SOME = st.sampled_from(["first_k", "random_k", "key_words"])
RANKED = st.permutations(range(9))


@pytest.mark.parametrize(
    ("choice", "num_words", "ranked", "kept"),
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
        (WordChoice("key_words", 2), 4, [9, 1, 4, 0], [0, 1]),  # some named that are not there
        (WordChoice("key_words", 0), 5, [4, 1, 0], []),
        (WordChoice("key_words", 2), 5, [], []),
        (WordChoice("key_words", 2, by_rank=True), 5, [4, 1, 0], [4, 1]),
        (WordChoice("random_k", 2), 4, [3, 0, 1, 2], [0, 3]),
        # A share is rounded, as those of perturbations are, but one word stays.
        (WordChoice("first_k", fraction=0.5), 5, [], [0, 1, 2]),
        (WordChoice("first_k", fraction=0.5), 7, [], [0, 1, 2, 3]),
        (WordChoice("first_k", fraction=0.1), 3, [], [0]),
        (WordChoice("first_k", fraction=0.1), 0, [], []),
        (WordChoice("key_words", fraction=0.4), 5, [4, 1, 0], [1, 4]),
        (WordChoice("random_k", fraction=1.0), 3, [2, 0, 1], [0, 1, 2]),
        (WordChoice("without_label"), 5, [1, 3], [0, 2, 4]),
        (WordChoice("without_keywords"), 3, [0, 1, 2], []),
        (WordChoice("without_keywords"), 3, [], [0, 1, 2]),
    ],
)
def test_the_words_that_stay(choice, num_words, ranked, kept):
    found = choice.keep(num_words, np.array(ranked, int))
    assert found.dtype.kind == "i"
    assert found.tolist() == kept


@given(SOME, RANKED, st.integers(0, 8))
def test_more_words_never_drop_one(name, ranked, k):
    """Rationales cut to fewer words are part of those cut to more."""
    fewer, more = (WordChoice(name, words).keep(9, np.array(ranked)) for words in (k, k + 1))
    assert len(fewer) == k < len(more)
    assert set(fewer) < set(more)


@given(SOME, RANKED, st.integers(1, 9))
def test_a_share_is_as_many_words(name, ranked, k):
    ranked = np.array(ranked)
    share = WordChoice(name, fraction=k / 9).keep(9, ranked)
    np.testing.assert_array_equal(share, WordChoice(name, k).keep(9, ranked))


@given(RANKED, st.integers(0, 9))
def test_ranks_change_the_order_alone(ranked, k):
    choice = WordChoice("key_words", k)
    by_rank = dataclasses.replace(choice, by_rank=True).keep(9, np.array(ranked))
    assert by_rank.tolist() == ranked[:k]
    assert sorted(by_rank) == choice.keep(9, np.array(ranked)).tolist()


@pytest.mark.parametrize(
    ("text", "label", "positions"),
    [
        ("of these the bank, (Bank). not the riverbank or Banks", "bank", [3, 4]),
        ("", "bank", []),
        ("the bank", "", []),
        ("the bank", "  ", []),
        ("a public\nplace, so 'Public place'.", "public place", [1, 2, 4, 5]),
        ("a place that is public", "public place", []),
        ("3.5 and 35 and 5. and 5, 5", "5", [4, 6, 7]),
        ("1,234 is not 234", "234", [3]),
        ("so 3*5=15.Then", "15", [1]),  # words are cut by white space alone
        ("why (C) or C++?", "c++", [3]),
        ("a b a b", "b a", [1, 2]),
        ("ÄPFEL äpfel", "Äpfel", [0, 1]),
    ],
)
def test_the_words_of_a_label(text, label, positions):
    assert words_of_label(text, label) == positions


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["bank", "BANK", "Bank", "banks", "river", "a"]),
            st.sampled_from(["", ".", ",", '"', "!)"]),
        )
    )
)
def test_all_words_that_say_the_label_go_and_no_others(parts):
    said = [position for position, (word, _) in enumerate(parts) if word.lower() == "bank"]
    words = [f"({word}{mark}" if mark == "!)" else word + mark for word, mark in parts]
    assert words_of_label(" ".join(words), "bank") == said
    kept = WordChoice("without_label").keep(len(words), np.array(said, int))
    assert sorted([*kept, *said]) == list(range(len(words)))


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        ("Wait, let me think again. Waiting is fine, however hard.", [0, 1, 2, 3, 4, 8]),
        ("They butter it; BUT - on the other hand -they don't.", [3, 5, 6, 7, 8]),
        ("let me\ncheck", [0, 1, 2]),
        ("let me go", []),
    ],
)
def test_the_words_of_reasoning(text, positions):
    assert words_of_reasoning(text) == positions


@given(st.sampled_from(KEYWORDS), st.sampled_from(["", "so ", "the tree, "]))
def test_every_keyword_is_found_whole(keyword, before):
    text = f"{before}{keyword.upper()}, he said"
    first = len(before.split())
    expected = list(range(first, first + len(keyword.split())))
    assert words_of_reasoning(text) == expected
