"""Whose rationale a question is given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.errors import InputError
from cotjax.targets.donors import Perturbation, Swap, SwapSameLabel
from tests.targets.rationales import SEEDS


@given(st.integers(2, 60), SEEDS, st.integers(0, 5))
def test_swap_is_a_derangement(questions, seed, epoch):
    donors = Swap().donors(np.zeros(questions), seed, epoch)
    assert sorted(donors) == list(range(questions))
    assert (donors != np.arange(questions)).all()


def test_swap_of_one_question_is_refused():
    with pytest.raises(InputError, match="needs two questions"):
        Swap().donors(np.zeros(1), 0, 0)


def test_swaps_are_pinned():
    """A change here would change every published run."""
    assert Swap().donors(np.zeros(8), 0, 0).tolist() == [6, 2, 7, 1, 5, 3, 4, 0]
    labels = np.arange(8) % 2
    assert SwapSameLabel().donors(labels, 0, 0).tolist() == [2, 7, 6, 1, 0, 3, 4, 5]


@given(st.lists(st.integers(0, 5), min_size=12, max_size=60), SEEDS, st.integers(0, 5))
def test_swap_same_label_is_a_derangement_within_labels(labels, seed, epoch):
    labels = np.array(labels)
    donors = SwapSameLabel().donors(labels, seed, epoch)
    assert sorted(donors) == list(range(len(labels)))
    np.testing.assert_array_equal(labels[donors], labels)
    alone = np.bincount(labels)[labels] == 1
    np.testing.assert_array_equal(donors == np.arange(len(labels)), alone)


def test_every_other_question_of_a_label_is_as_likely_a_donor():
    labels = np.array([0, 1, 0, 1, 0, 0])
    donors = np.array([SwapSameLabel().donors(labels, seed, 0) for seed in range(600)])
    for question, others in ((0, [2, 4, 5]), (1, [3])):
        found, counts = np.unique(donors[:, question], return_counts=True)
        assert found.tolist() == others
        assert abs(counts - 600 / len(others)).max() < 60  # five standard deviations


def test_labels_that_are_all_alone_are_refused():
    with pytest.raises(InputError, match="no two questions have the same label"):
        SwapSameLabel().donors(np.arange(5), 0, 0)


def test_by_default_a_question_keeps_its_own():
    np.testing.assert_array_equal(Perturbation().donors(np.zeros(5), 0, 0), np.arange(5))
