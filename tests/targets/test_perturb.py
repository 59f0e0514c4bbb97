"""Perturbations: keys, counts, sets."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cotjax.errors import InputError
from cotjax.targets.perturb import Mask, Perturbation, Shuffle, Swap, mix, streams, word_keys

RATIONALES = st.lists(
    st.lists(st.integers(1, 3), min_size=1, max_size=8), min_size=1, max_size=6
)  # tokens of each word
SEEDS = st.integers(0, 2**31)


def batch_of(rationales):
    """Tokens that name their word and place, words, lengths."""
    rows = [
        [(w, 10 * w + t + 1) for w, size in enumerate(sizes) for t in range(size)]
        for sizes in rationales
    ]
    width = max(map(len, rows))
    tokens, words = np.zeros((2, len(rows), width), np.int32)
    for row, pairs in enumerate(rows):
        words[row, : len(pairs)], tokens[row, : len(pairs)] = zip(*pairs, strict=True)
    return tokens, words, np.array([len(pairs) for pairs in rows], np.int32)


def draw(count, seed=0, name="shuffle", epoch=0):
    ids = np.arange(count, dtype=np.uint64) * np.uint64(0x123456789ABCDEF)
    return streams(seed, ids, np.zeros(count, int), epoch, name)


def transform(perturbation, rationales, seed=0):
    tokens, words, lengths = batch_of(rationales)
    changed = perturbation.transform(
        tf.constant(tokens),
        tf.constant(words),
        tf.constant(lengths),
        tf.constant(draw(len(tokens), seed, perturbation.name)),
    )
    return tokens, words, lengths, changed.numpy()


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
def test_numpy_and_tensorflow_draw_the_same_keys(numbers):
    stream = np.array(numbers, np.uint32)
    positions = np.arange(17, dtype=np.uint32)
    keys = word_keys(stream, positions)
    in_graph = tf.function(word_keys)(tf.constant(stream), tf.constant(positions))
    np.testing.assert_array_equal(keys, in_graph.numpy())


def test_mix_is_murmurs_finaliser():
    """Reference values: fmix32 of MurmurHash3, a bijection of 32-bit numbers."""
    numbers = np.array([0, 1, 2, 0xFFFFFFFF], np.uint32)
    np.testing.assert_array_equal(mix(numbers), [0, 0x514E28B7, 0x30F4C306, 0x81F16F39])


def test_keys_are_uniform_and_independent_of_small_changes():
    for other in ({"seed": 1}, {"epoch": 1}, {"name": "mask"}):
        a = word_keys(draw(400), np.arange(20, dtype=np.uint32)) / 2**32
        b = word_keys(draw(400, **other), np.arange(20, dtype=np.uint32)) / 2**32
        assert stats.kstest(a.ravel(), "uniform").pvalue > 1e-4
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(a[:-1].ravel(), a[1:].ravel())[0, 1]) < 0.05


def test_every_order_of_four_words_is_equally_likely():
    *_, changed = transform(Shuffle(), [[1] * 4] * 4800)
    counts = Counter(map(tuple, changed.tolist()))
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


@settings(deadline=None)
@given(RATIONALES, SEEDS, st.booleans())
def test_shuffling_keeps_every_token(rationales, seed, by_word):
    tokens, _, lengths, changed = transform(Shuffle(by_word=by_word), rationales, seed)
    for row, length in enumerate(lengths):
        assert sorted(changed[row, :length]) == sorted(tokens[row, :length])
        assert (changed[row, length:] == 0).all()


@settings(deadline=None)
@given(RATIONALES, SEEDS)
def test_shuffling_words_keeps_each_together(rationales, seed):
    _, _, lengths, changed = transform(Shuffle(), rationales, seed)
    for row, length in enumerate(lengths):
        word, place = np.divmod(changed[row, :length] - 1, 10)
        starts = place == 0
        assert starts[0]
        np.testing.assert_array_equal(word[1:][~starts[1:]], word[:-1][~starts[1:]])
        np.testing.assert_array_equal(place[1:][~starts[1:]], place[:-1][~starts[1:]] + 1)


@settings(deadline=None)
@given(RATIONALES, SEEDS, st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_masked_counts_are_exact_and_sets_nested(rationales, seed, low, high, by_word):
    low, high = sorted((low, high))
    masked = []
    for fraction in (low, high):
        mask = Mask(by_word=by_word, fraction=fraction, mask_token=99)
        tokens, words, lengths, changed = transform(mask, rationales, seed)
        hit = changed == 99
        np.testing.assert_array_equal(changed[~hit], tokens[~hit])
        for row, sizes in enumerate(rationales):
            units = words[row, : lengths[row]] if by_word else np.arange(lengths[row])
            expected = int(np.floor((len(sizes) if by_word else lengths[row]) * fraction + 0.5))
            assert len(set(units[hit[row, : lengths[row]]])) == expected
            kept = set(units[~hit[row, : lengths[row]]])
            assert not kept & set(units[hit[row, : lengths[row]]])  # a word goes as a whole
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


@given(st.integers(2, 60), SEEDS, st.integers(0, 5))
def test_swap_is_a_derangement(questions, seed, epoch):
    donors = Swap().donors(questions, seed, epoch)
    assert sorted(donors) == list(range(questions))
    assert (donors != np.arange(questions)).all()


def test_swap_of_one_question_is_refused():
    with pytest.raises(InputError, match="needs two questions"):
        Swap().donors(1, 0, 0)


def test_none_leaves_a_rationale_alone():
    tokens, _, _, changed = transform(Perturbation(), [[1, 2], [1]])
    np.testing.assert_array_equal(tokens, changed)
