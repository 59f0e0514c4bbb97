"""Batches, drawn by hand."""

import numpy as np
import pytest

from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps
from tests.data.small import EOS, random_table, small_table, step_config

L, C, R, E = 1, 2, 3, 5  # LABEL, CONNECTIVE, RATIONALE, EOS


def only_batch(config):
    steps = Steps(small_table(), config)
    return next(batches(steps, EOS, 0, 1))[1]


def test_label_first_padded_batch_is_as_drawn():
    batch = only_batch(step_config(packing=False, seed=1))
    order = np.argsort(batch["segment_target"][:, 0])  # rows by target, whatever the draw
    expected = {
        "encoder_tokens": [
            [20, 21, 1, 0, 0, 0, 0, 0],
            [20, 21, 1, 0, 0, 0, 0, 0],
            [22, 1, 0, 0, 0, 0, 0, 0],
        ],
        "encoder_segments": [
            [1, 1, 1, 0, 0, 0, 0, 0],
            [1, 1, 1, 0, 0, 0, 0, 0],
            [1, 1, 0, 0, 0, 0, 0, 0],
        ],
        "decoder_targets": [
            [5, 9, 30, 31, 32, 1, 0, 0],
            [5, 9, 33, 34, 1, 0, 0, 0],
            [6, 7, 9, 40, 41, 42, 43, 1],
        ],
        "decoder_inputs": [
            [0, 5, 9, 30, 31, 32, 0, 0],
            [0, 5, 9, 33, 34, 0, 0, 0],
            [0, 6, 7, 9, 40, 41, 42, 43],
        ],
        "decoder_segments": [
            [1, 1, 1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 1, 0, 0, 0],
            [1, 1, 1, 1, 1, 1, 1, 1],
        ],
        "decoder_kinds": [
            [L, C, R, R, R, E, 0, 0],
            [L, C, R, R, E, 0, 0, 0],
            [L, L, C, R, R, R, R, E],
        ],
        "segment_source": [[1], [1], [1]],
        "segment_target": [[0], [1], [2]],
    }
    for name, rows in expected.items():
        np.testing.assert_array_equal(batch[name][order], rows, err_msg=name)
    used = np.array(expected["decoder_segments"]) > 0
    np.testing.assert_allclose(batch["loss_weights"][order], used / 19, rtol=1e-6)


def test_a_rationale_of_no_token_leaves_the_others_theirs():
    batch = only_batch(step_config(perturbation="shuffle", target_length=4, packing=False))
    order = np.argsort(batch["segment_target"][:, 0])
    expected = [[5, 9, 30, 1], [5, 9, 33, 1], [6, 7, 9, 1]]
    np.testing.assert_array_equal(batch["decoder_targets"][order][:, :4], expected)


def test_packed_targets_of_a_question_share_its_encoder_segment():
    batch = only_batch(step_config(targets_per_question=2, encoder_length=8, decoder_length=24))
    assert batch["encoder_tokens"].shape == (1, 8)
    order = batch["segment_target"][0]
    assert sorted(order[order >= 0]) == [0, 1, 2]
    source = dict(zip(order, batch["segment_source"][0], strict=True))
    assert source[0] == source[1] != source[2]
    assert (batch["encoder_segments"] > 0).sum() == 5  # 20 21 1 and 22 1, once each
    assert (batch["decoder_segments"] > 0).sum() == 19


@pytest.mark.parametrize(
    ("order", "kinds"),
    [
        ("label_only", [L, L, E]),
        ("rationale_first", [R, R, R, R, C, L, L, E]),
        ("label_first", [L, L, C, R, R, R, R, E]),
    ],
)
def test_orders_compose_their_segments(order, kinds):
    batch = only_batch(step_config(order, packing=False))
    row = int(np.flatnonzero(batch["segment_target"][:, 0] == 2)[0])
    np.testing.assert_array_equal(batch["decoder_kinds"][row][: len(kinds)], kinds)
    assert batch["decoder_kinds"][row][len(kinds) :].sum() == 0


def test_kinds_are_normalised_apart_and_eos_goes_with_what_it_closes():
    batch = only_batch(
        step_config(normalise="kinds", label_weight=2.0, rationale_weight=3.0, packing=False)
    )
    kinds, weights = batch["decoder_kinds"], batch["loss_weights"]
    assert weights[kinds == L].sum() == pytest.approx(2.0)
    assert weights[(kinds == R) | (kinds == C) | (kinds == E)].sum() == pytest.approx(3.0)
    first = only_batch(step_config("rationale_first", normalise="kinds", packing=False))
    kinds, weights = first["decoder_kinds"], first["loss_weights"]
    assert weights[kinds == L].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(weights[kinds == E], weights[kinds == L][0])
    assert weights[(kinds == R) | (kinds == C)].sum() == pytest.approx(1.0)


def test_a_group_without_weight_carries_no_loss():
    batch = only_batch(step_config(normalise="kinds", rationale_weight=0.0))
    kinds, weights = batch["decoder_kinds"], batch["loss_weights"]
    assert (weights[kinds != L] == 0).all()
    assert weights[kinds == L].sum() == pytest.approx(1.0)


def test_truncation_cuts_the_rationale_and_never_the_label():
    steps = Steps(small_table(), step_config(target_length=6, packing=False))
    batch = next(batches(steps, EOS, 0, 1))[1]
    row = int(np.flatnonzero(batch["segment_target"][:, 0] == 2)[0])
    np.testing.assert_array_equal(batch["decoder_targets"][row][:6], [6, 7, 9, 40, 41, 1])
    assert steps.count_cut() == (1, 2)


@pytest.mark.parametrize("perturbation", ["shuffle", "mask", "swap"])
@pytest.mark.parametrize("order", ["rationale_first", "label_first"])
def test_perturbations_touch_rationale_tokens_alone(order, perturbation):
    table = random_table([1] * 12)
    plain = Steps(table, step_config(order, batch_size=12, target_length=32))
    other = Steps(table, step_config(order, perturbation, batch_size=12, target_length=32))
    (_, a), (_, b) = (next(batches(steps, EOS, 0, 1)) for steps in (plain, other))

    def labels(batch):
        found = {}
        for row, column in np.argwhere(batch["segment_target"] >= 0):
            here = (batch["decoder_segments"][row] == column + 1) & (
                batch["decoder_kinds"][row] != R
            )
            target = batch["segment_target"][row, column]
            found[int(target)] = batch["decoder_targets"][row][here].tolist()
        return found

    assert labels(a) == labels(b)
    if perturbation != "swap":  # a twin's tokens stand in the same places
        np.testing.assert_array_equal(a["decoder_kinds"], b["decoder_kinds"])
        assert (a["decoder_targets"] != b["decoder_targets"]).any()
