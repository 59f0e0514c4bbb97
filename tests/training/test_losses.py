"""Losses against torch and scipy, and sums by kind against a picture."""

import jax
import numpy as np
import pytest
import scipy.special
import torch

from cotjax.targets.segments import NUM_KINDS, Kind
from cotjax.training.losses import is_first_choice, kind_sums, segment_sums, token_nll


@pytest.fixture
def logits_and_targets():
    rng = np.random.default_rng(0)
    return 3 * rng.normal(size=(2, 5, 11)), rng.integers(0, 11, (2, 5))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_token_nll_is_torch_cross_entropy(logits_and_targets, smoothing):
    logits, targets = logits_and_targets
    with jax.enable_x64(True):
        objective, nll = token_nll(logits, targets, label_smoothing=smoothing)
    arguments = torch.tensor(logits).transpose(1, 2), torch.tensor(targets)
    cross_entropy = torch.nn.functional.cross_entropy
    expected = cross_entropy(*arguments, reduction="none", label_smoothing=smoothing)
    np.testing.assert_allclose(objective, expected, atol=1e-12)
    np.testing.assert_allclose(nll, cross_entropy(*arguments, reduction="none"), atol=1e-12)


def test_gradient_is_softmax_minus_one_hot(logits_and_targets):
    logits, targets = logits_and_targets
    with jax.enable_x64(True):
        gradient = jax.grad(lambda x: token_nll(x, targets)[1].sum())(logits)
    expected = scipy.special.softmax(logits, axis=-1) - np.eye(11)[targets]
    np.testing.assert_allclose(gradient, expected, atol=1e-12)


def test_z_loss_is_the_squared_log_normaliser(logits_and_targets):
    logits, targets = logits_and_targets
    with jax.enable_x64(True):
        objective, nll = token_nll(logits, targets, z_loss=0.01)
    expected = 0.01 * scipy.special.logsumexp(logits, axis=-1) ** 2
    np.testing.assert_allclose(objective - nll, expected, atol=1e-12)


def test_large_logits_stay_finite():
    objective, nll = token_nll(np.float32([[[1e30, 0, -1e30]]]), np.array([[1]]))
    assert np.isfinite(objective).all()
    np.testing.assert_allclose(nll, [[1e30]])


def test_first_choice_is_argmax():
    logits = np.random.default_rng(0).integers(0, 4, (3, 50, 7)).astype(np.float32)  # many ties
    logits[0, 0] = np.nan
    targets = np.random.default_rng(1).integers(0, 7, (3, 50))
    expected = np.argmax(logits, axis=-1) == targets
    expected[0, 0] = False
    assert expected.any()
    np.testing.assert_array_equal(is_first_choice(logits, targets), expected)


L, C, R, E = Kind.LABEL, Kind.CONNECTIVE, Kind.RATIONALE, Kind.EOS

DRAWN = {
    "decoder_segments": np.array([[1, 1, 1, 1, 2, 2, 0], [1, 1, 1, 0, 0, 0, 0]]),
    "decoder_kinds": np.array([[R, R, L, E, L, E, 0], [L, C, R, 0, 0, 0, 0]]),
    "segment_source": np.array([[1, 1, 0], [1, 0, 0]]),
}
NLL = np.float32([[1, 2, 4, 8, 16, 32, 999], [3, 5, 7, 999, 999, 999, 999]])
RIGHT = np.array([[1, 0, 1, 0, 0, 1, 1], [0, 1, 1, 1, 1, 1, 1]], bool)


def test_segment_sums_of_a_drawn_batch():
    sums = jax.tree.map(np.asarray, segment_sums(DRAWN, NLL, RIGHT))

    def picture(entries, dtype=int):
        expected = np.zeros((2, 3, NUM_KINDS), dtype)
        for position, value in entries.items():
            expected[position] = value
        return expected

    np.testing.assert_array_equal(
        sums["nll"],
        picture(
            {(0, 0, R): 3, (0, 0, L): 4, (0, 0, E): 8, (0, 1, L): 16, (0, 1, E): 32}
            | {(1, 0, L): 3, (1, 0, C): 5, (1, 0, R): 7}
        ),
    )
    np.testing.assert_array_equal(
        sums["right"],
        picture({(0, 0, R): 1, (0, 0, L): 1, (0, 1, E): 1, (1, 0, C): 1, (1, 0, R): 1}),
    )
    np.testing.assert_array_equal(
        sums["count"],
        picture(
            {(0, 0, R): 2, (0, 0, L): 1, (0, 0, E): 1, (0, 1, L): 1, (0, 1, E): 1}
            | {(1, 0, L): 1, (1, 0, C): 1, (1, 0, R): 1}
        ),
    )


def test_kind_sums_leave_padding_out():
    sums = kind_sums(DRAWN, NLL, RIGHT)
    #                                             padding label connective rationale prefix eos
    np.testing.assert_array_equal(sums["nll"], [0, 23, 5, 10, 0, 40])
    np.testing.assert_array_equal(sums["right"], [0, 1, 1, 2, 0, 1])
    np.testing.assert_array_equal(sums["count"], [0, 3, 1, 3, 0, 2])
