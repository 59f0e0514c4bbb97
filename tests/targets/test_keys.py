"""Random keys: the same everywhere, uniform and independent."""

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cotjax.targets.keys import mix, second_stream, word_keys
from tests.targets.rationales import draw


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


def test_a_second_stream_says_nothing_about_the_first():
    first, second = draw(4000), second_stream(draw(4000))
    keys = [word_keys(stream, np.arange(3, dtype=np.uint32)) / 2**32 for stream in (first, second)]
    assert stats.kstest(keys[1].ravel(), "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(keys[0].ravel(), keys[1].ravel())[0, 1]) < 0.05
    np.testing.assert_array_equal(second_stream(tf.constant(first)).numpy(), second)
