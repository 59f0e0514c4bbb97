"""Layouts that must train alike: packed and padded, shared and separate encoder passes."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps
from cotjax.models.t5 import T5, T5Config
from cotjax.training.losses import segment_sums, token_nll
from tests.data.small import EOS, random_table, step_config

MODEL = T5Config(
    vocab_size=64,
    d_model=16,
    d_kv=4,
    d_ff=32,
    num_layers=1,
    num_decoder_layers=1,
    num_heads=4,
    gated=True,
    tied=False,
    scale_decoder_outputs=False,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=16,
    dropout_rate=0.0,
    dtype="float64",
)


def loss_of(params, batch):
    logits = T5(MODEL).apply({"params": params}, batch)
    objective, nll = token_nll(logits, batch["decoder_targets"])
    sums = segment_sums(batch, nll, logits.argmax(-1) == batch["decoder_targets"])
    return (batch["loss_weights"] * objective).sum(), sums["nll"].sum(-1)


VALUE_AND_GRADIENTS = jax.jit(jax.value_and_grad(loss_of, has_aux=True))


@functools.cache
def random_params():
    one = jnp.ones((1, 1), jnp.int32)
    names = ("encoder_tokens", "encoder_segments", "decoder_inputs", "decoder_segments")
    batch = dict.fromkeys((*names, "segment_source"), one)
    return jax.jit(T5(MODEL).init)(jax.random.key(0), batch)["params"]


def train_on(config, table, step=0):
    """Loss, gradients, and the negative log-likelihood of every target by its row in the table."""
    batch = next(batches(Steps(table, config), EOS, step, step + 1))[1]
    with jax.enable_x64(True):
        (loss, nll), gradients = VALUE_AND_GRADIENTS(random_params(), batch)
        here = batch["segment_target"] >= 0
        by_target = dict(
            zip(batch["segment_target"][here].tolist(), np.asarray(nll)[here], strict=True)
        )
        return float(loss), jax.device_get(gradients), by_target


def assert_alike(one, other):
    assert one[0] == pytest.approx(other[0], rel=0, abs=1e-9)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-9), one[1], other[1])
    assert one[2].keys() == other[2].keys()
    for target in one[2]:
        assert one[2][target] == pytest.approx(other[2][target], rel=0, abs=1e-9)


@pytest.mark.parametrize("normalise", ["tokens", "kinds"])
@pytest.mark.parametrize("order", ["label_only", "rationale_first", "label_first"])
def test_packed_equals_padded(order, normalise):
    table = random_table([1] * 11)
    packed = step_config(order, batch_size=11, target_length=24, normalise=normalise)
    padded = dataclasses.replace(packed, packing=False)
    assert_alike(train_on(packed, table), train_on(padded, table))


def test_a_shared_encoder_equals_separate_passes():
    table = random_table([3] * 4)
    shared = step_config(batch_size=12, targets_per_question=3, target_length=24)
    steps = Steps(table, shared)
    assert len(steps[0].layout.unit_row) == 4  # encoder passes, for twelve targets
    assert_alike(
        train_on(shared, table), train_on(dataclasses.replace(shared, packing=False), table)
    )


def test_unused_space_carries_no_loss():
    table = random_table([1] * 5)
    tight = step_config(batch_size=5, target_length=24, packing=False)
    wide = dataclasses.replace(tight, encoder_length=40, decoder_length=48, row_multiple=8)
    batch = next(batches(Steps(table, wide), EOS, 0, 1))[1]
    assert batch["decoder_targets"].shape == (8, 48)  # three empty rows
    assert (batch["loss_weights"][batch["decoder_segments"] == 0] == 0).all()
    assert_alike(train_on(wide, table), train_on(tight, table))
