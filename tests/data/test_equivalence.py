"""Layouts that must train alike: packed and padded, shared and separate encoder passes."""

import dataclasses
import functools
import math
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cotjax.data import shapes
from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps
from cotjax.mesh import make_mesh, to_global
from cotjax.models.t5 import T5, T5Config
from cotjax.targets.orders import ORDERS
from cotjax.training.losses import segment_sums, token_nll
from cotjax.training.optimizer import OptimizerConfig, ScheduleConfig
from cotjax.training.state import init_state
from cotjax.training.step import train_step
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
        by_target = Counter()  # of both tasks, where there are two
        for target, of_segment in zip(
            batch["segment_target"][here].tolist(), np.asarray(nll)[here], strict=True
        ):
            by_target[target] += of_segment
        return float(loss), jax.device_get(gradients), by_target


def assert_alike(one, other):
    assert one[0] == pytest.approx(other[0], rel=0, abs=1e-9)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-9), one[1], other[1])
    assert one[2].keys() == other[2].keys()
    for target in one[2]:
        assert one[2][target] == pytest.approx(other[2][target], rel=0, abs=1e-9)


def assert_steps_equal(one, many):
    """Of `one_step`."""
    assert one[1]["loss"] > 1
    for name in ("loss", "grad_norm", "nll", "count"):
        np.testing.assert_allclose(many[1][name], one[1][name], rtol=0, atol=1e-9)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-9), many[0], one[0])


@pytest.mark.parametrize("normalise", ["tokens", "kinds"])
@pytest.mark.parametrize("order", list(ORDERS))
def test_packed_equals_padded(order, normalise):
    table = random_table([1] * 11, order=order)
    packed = step_config(order, batch_size=11, target_length=24, normalise=normalise)
    padded = dataclasses.replace(packed, packing=False)
    assert_alike(train_on(packed, table), train_on(padded, table))


@pytest.mark.parametrize("decoder_rows", [1, 2, 3])
@pytest.mark.parametrize(("order", "passes"), [("label_first", 4), ("multitask", 8)])
def test_a_shared_encoder_equals_separate_passes(order, passes, decoder_rows, monkeypatch):
    monkeypatch.setattr(shapes, "DECODER_ROWS", (decoder_rows,))
    table = random_table([3] * 4, order=order)
    shared = step_config(
        order,
        batch_size=12,
        targets_per_question=3,
        target_length=24,
        decoder_length=-(-72 // decoder_rows),
    )
    steps = Steps(table, shared)
    assert len(steps[0].layout.unit_row) == passes  # of the encoder, for twelve targets
    assert steps.shape.decoder_rows == decoder_rows
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


@pytest.mark.parametrize(
    ("sizes", "accumulation"),
    [({"data": 8}, 1), ({"data": 2, "fsdp": 2, "tensor": 2}, 2)],
    ids=["data parallel", "mixed, two microbatches"],
)
def test_two_tasks_train_alike_on_every_mesh(sizes, accumulation):
    """Whichever device or microbatch holds the label of a question, and whichever the rationale."""
    table = random_table([1] * 24, order="multitask")
    config = step_config("multitask", batch_size=24, target_length=24, normalise="tasks")
    steps = Steps(table, dataclasses.replace(config, row_multiple=8 * accumulation))
    batch = next(batches(steps, EOS, 0, 1))[1]
    assert_steps_equal(one_step(batch, {}, 1), one_step(batch, sizes, accumulation))


@pytest.mark.parametrize(
    ("sizes", "accumulation"),
    [({"data": 8}, 1), ({"data": 2, "fsdp": 2, "tensor": 2}, 2)],
    ids=["data parallel", "mixed, two microbatches"],
)
def test_several_decoder_rows_train_alike_on_every_mesh(sizes, accumulation, monkeypatch):
    """Whichever device or microbatch holds them, they read their own encoder row."""
    monkeypatch.setattr(shapes, "DECODER_ROWS", (2,))
    config = step_config(batch_size=24, targets_per_question=3, target_length=24)
    steps = Steps(random_table([3] * 8), dataclasses.replace(config, row_multiple=8 * accumulation))
    batch = next(batches(steps, EOS, 0, 1))[1]
    assert len(batch["decoder_inputs"]) == 2 * len(batch["encoder_tokens"])
    assert_steps_equal(one_step(batch, {}, 1), one_step(batch, sizes, accumulation))


def one_step(batch, sizes, accumulation):
    """Adam's first moment after a step, which is a tenth of the gradient, and the metrics."""
    mesh = make_mesh(sizes, jax.devices()[: math.prod(sizes.values())])
    optimizer = OptimizerConfig("adamw", 1e-3, weight_decay=0.1, clip_norm=100.0)
    schedule = ScheduleConfig("constant", total_steps=10)
    with jax.enable_x64(True):
        params = jax.device_get(random_params())
        state = init_state(MODEL, optimizer, mesh, seed=0, params=params)
        step = train_step(MODEL, optimizer, schedule, 0.0, 0.0, accumulation, mesh)
        rows = len(batch["encoder_tokens"])
        state, metrics = step(state, to_global(batch, mesh, rows), np.uint32(0))
        return jax.device_get((state.opt_state[-2].mu, metrics))
