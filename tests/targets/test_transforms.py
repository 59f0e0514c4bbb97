"""Perturbations that keep the number of tokens: counts, sets, orders."""

import re
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cotjax.targets.transforms import Digits, DigitTokens, Mask, Reverse, Shuffle, ShuffleSome
from tests.targets.rationales import FRACTIONS, RATIONALES, SEEDS, batch_of, draw, transform


def test_every_order_of_four_words_is_equally_likely():
    *_, changed = transform(Shuffle(), [[1] * 4] * 4800)
    counts = Counter(map(tuple, changed.tolist()))
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


@settings(deadline=None)
@given(RATIONALES, SEEDS)
def test_shuffling_keeps_every_token(rationales, seed):
    tokens, _, lengths, changed = transform(Shuffle(), rationales, seed)
    for row, length in enumerate(lengths):
        assert sorted(changed[row, :length]) == sorted(tokens[row, :length])
        assert (changed[row, length:] == 0).all()


@settings(deadline=None)
@given(RATIONALES, SEEDS)
def test_shuffling_keeps_units_together(rationales, seed):
    _, _, lengths, changed = transform(Shuffle(), rationales, seed)
    for row, length in enumerate(lengths):
        unit, place = np.divmod(changed[row, :length] - 1, 10)
        starts = place == 0
        assert starts[0]
        np.testing.assert_array_equal(unit[1:][~starts[1:]], unit[:-1][~starts[1:]])
        np.testing.assert_array_equal(place[1:][~starts[1:]], place[:-1][~starts[1:]] + 1)


def units_in_order(changed, length):
    """The unit of every first token of a perturbed rationale."""
    units, places = np.divmod(changed[:length] - 1, 10)
    return units[places == 0].tolist()


@settings(deadline=None)
@given(RATIONALES, SEEDS, FRACTIONS)
def test_some_units_take_each_others_places(rationales, seed, fraction):
    """Those that a mask of this fraction and stream hits, in the order that shuffling gives all."""
    rows = batch_of(rationales)
    rows = [*map(tf.constant, (*rows, draw(len(rationales), seed)))]
    some, masked, shuffled = (
        one.transform(*rows).numpy()
        for one in (
            ShuffleSome(fraction=fraction),
            Mask(fraction=fraction, mask_token=0),
            Shuffle(),
        )
    )
    for row, sizes in enumerate(rationales):
        length = sum(sizes)
        whole = [token for unit in units_in_order(some[row], length)
                 for token in range(10 * unit + 1, 10 * unit + 1 + sizes[unit])]  # fmt: skip
        assert whole == some[row, :length].tolist()  # a unit's tokens stay together
        assert (some[row, length:] == 0).all()
        said = units_in_order(some[row], length)
        assert sorted(said) == list(range(len(sizes)))
        staying = set(units_in_order(masked[row], length))
        assert all(said[unit] == unit for unit in staying)
        moving = [unit for unit in said if unit not in staying]
        assert len(moving) == np.floor(len(sizes) * fraction + 0.5)
        assert moving == [unit for unit in units_in_order(shuffled[row], length) if unit in moving]


@pytest.mark.parametrize(("fraction", "same_as"), [(0.0, None), (1.0, Shuffle())])
def test_some_is_none_or_all_at_its_ends(fraction, same_as):
    tokens, units, lengths = batch_of([[2, 1, 3], [1], [1, 2, 1, 1, 2]])
    rows = [*map(tf.constant, (tokens, units, lengths, draw(3)))]
    expected = tokens if same_as is None else same_as.transform(*rows)
    np.testing.assert_array_equal(ShuffleSome(fraction=fraction).transform(*rows), expected)


def test_every_pair_of_four_words_is_as_likely_to_change_places():
    *_, changed = transform(ShuffleSome(), [[1] * 4] * 4800)
    counts = Counter(map(tuple, changed.tolist()))
    *swapped, (same, stayed) = sorted(counts.items(), key=lambda item: item[0] == (1, 11, 21, 31))
    assert same == (1, 11, 21, 31)
    assert len(swapped) == 6
    expected = [400] * 6 + [2400]
    assert stats.chisquare([count for _, count in swapped] + [stayed], expected).pvalue > 1e-4


@settings(deadline=None)
@given(RATIONALES, SEEDS, FRACTIONS, FRACTIONS)
def test_masked_counts_are_exact_and_sets_nested(rationales, seed, low, high):
    low, high = sorted((low, high))
    masked = []
    for fraction in (low, high):
        mask = Mask(fraction=fraction, mask_token=99)
        tokens, all_units, lengths, changed = transform(mask, rationales, seed)
        hit = changed == 99
        np.testing.assert_array_equal(changed[~hit], tokens[~hit])
        for row, sizes in enumerate(rationales):
            units = all_units[row, : lengths[row]]
            expected = int(np.floor(len(sizes) * fraction + 0.5))
            assert len(set(units[hit[row, : lengths[row]]])) == expected
            kept = set(units[~hit[row, : lengths[row]]])
            assert not kept & set(units[hit[row, : lengths[row]]])  # a unit goes as a whole
        masked.append(hit)
    assert (masked[1] | ~masked[0]).all()


@pytest.mark.parametrize(("fraction", "share"), [(0.0, 0), (1.0, 1)])
def test_mask_at_its_ends(fraction, share):
    tokens, _, lengths, changed = transform(Mask(fraction=fraction, mask_token=99), [[2, 1], [3]])
    inside = np.arange(tokens.shape[1]) < lengths[:, None]
    np.testing.assert_array_equal(changed[inside] == 99, np.full(inside.sum(), share, bool))


def test_a_draw_does_not_depend_on_the_batch():
    tokens, words, lengths = batch_of([[1] * 8] * 5)
    stream = draw(5)
    whole = Shuffle().transform(*map(tf.constant, (tokens, words, lengths, stream))).numpy()
    for row in range(5):
        alone = [tf.constant(a[row : row + 1]) for a in (tokens, words, lengths, stream)]
        np.testing.assert_array_equal(Shuffle().transform(*alone)[0], whole[row])


def test_draws_are_pinned():
    """A change here would change every published run."""
    *_, changed = transform(Shuffle(), [[1] * 6])
    assert changed.tolist() == [[11, 31, 21, 51, 41, 1]]
    *_, changed = transform(ShuffleSome(), [[1] * 6])
    assert changed.tolist() == [[1, 11, 21, 41, 31, 51]]
    *_, changed = transform(Mask(mask_token=99), [[1] * 6])
    assert changed.tolist() == [[99, 99, 21, 31, 99, 51]]
    *_, changed = digits_of([[40, 41, 42, 40, 43, 41]])
    assert changed.tolist() == [[41, 40, 41, 40, 43, 41]]


def test_reversed_units_are_as_drawn():
    *_, changed = transform(Reverse(), [[2, 1, 3], [1], [1, 2]])
    assert changed.tolist() == [
        [21, 22, 23, 11, 1, 2],
        [1, 0, 0, 0, 0, 0],
        [11, 12, 1, 0, 0, 0],
    ]


@settings(deadline=None)
@given(RATIONALES)
def test_reversing_twice_changes_nothing(rationales):
    tokens, units, lengths, once = transform(Reverse(), rationales)
    inside = np.arange(tokens.shape[1]) < lengths[:, None]
    last = np.where(inside, units, -1).max(axis=1)
    back = np.where(inside, last[:, None] - np.take_along_axis(units, _where(once, tokens), 1), 0)
    twice = Reverse().transform(*map(tf.constant, (once, back, lengths, draw(len(lengths)))))
    np.testing.assert_array_equal(twice, tokens)


def _where(found, tokens):
    """Column of each found token among a row's tokens."""
    return (found[:, :, None] == tokens[:, None, :]).argmax(axis=2)


# Ids and patterns: 40, 41, 42 are one digit, 43 to 46 two with a word mark; 47 is alone.
PIECES = [f"<extra_id_{i}>" for i in range(30)] + ["a"] * 10
PIECES += ["1", "2", "7", "\u258112", "\u258147", "\u258100", "\u258199", "x9y"]


def digits_of(tokens, units=None, fraction=0.5, seed=0):
    """Tokens, units, and the tokens that corrupting digits makes of full rows."""
    tokens = np.array(tokens, np.int32)
    units = (
        np.array(units, np.int32)
        if units
        else np.tile(np.arange(tokens.shape[1]), (len(tokens), 1))
    )
    lengths = np.full(len(tokens), tokens.shape[1], np.int32)
    digits = Digits(fraction=fraction, digit_tokens=DigitTokens.of(PIECES))
    stream = draw(len(tokens), seed, "digits")
    args = (tokens, units.astype(np.int32), lengths, stream)
    return tokens, units, digits.transform(*map(tf.constant, args)).numpy()


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(28, 47), min_size=12, max_size=12), min_size=1, max_size=5),
    SEEDS,
    FRACTIONS,
    FRACTIONS,
)
def test_corrupted_digits_keep_their_pattern_and_counts_are_exact(rows, seed, low, high):
    changed = []
    for fraction in sorted((low, high)):
        tokens, _, corrupted = digits_of(rows, fraction=fraction, seed=seed)
        hit = corrupted != tokens
        for before, after in zip(tokens[hit], corrupted[hit], strict=True):
            assert re.sub(r"\d", "0", PIECES[before]) == re.sub(r"\d", "0", PIECES[after])
        holds = (tokens >= 40) & (tokens <= 46)  # special pieces and 47 stay
        assert not (hit & ~holds).any()
        expected = np.floor(holds.sum(axis=1) * fraction + 0.5)
        np.testing.assert_array_equal(hit.sum(axis=1), expected)
        changed.append((hit, corrupted))
    (few, at_low), (many, at_high) = changed
    assert (many | ~few).all()
    np.testing.assert_array_equal(at_high[few], at_low[few])


def test_a_words_digits_are_corrupted_together():
    row, units = [[40, 41, 30, 43, 42, 31]], [[0, 0, 0, 1, 1, 2]]
    tokens, _, changed = digits_of(row * 40, units * 40)
    hit = (changed != tokens).tolist()
    assert set(map(tuple, hit)) == {
        (True, True, False, False, False, False),
        (False, False, False, True, True, False),
    }


def test_every_other_digit_is_equally_likely():
    _, _, changed = digits_of([[43]] * 3000, fraction=1.0)
    counts = Counter(changed[:, 0].tolist())
    assert sorted(counts) == [44, 45, 46]
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


def test_padding_holds_no_digits():
    digits = Digits(fraction=1.0, digit_tokens=DigitTokens.of(["0", "1", "2"]))  # of a zero
    tokens, units = np.array([[1, 0, 0]], np.int32), np.zeros((1, 3), np.int32)
    changed = digits.transform(*map(tf.constant, (tokens, units, np.array([1], np.int32), draw(1))))
    assert changed.numpy()[0, 0] != 1
    assert changed.numpy()[0, 1:].tolist() == [0, 0]
