"""A step that is not finite leaves the student bit for bit as it was, on every mesh alike."""

import jax
import numpy as np
import pytest

from cotjax.mesh import make_mesh, to_global
from cotjax.models.t5 import T5Config
from cotjax.training.optimizer import OptimizerConfig, ScheduleConfig
from cotjax.training.poison import poisoned_leaves
from cotjax.training.state import init_state
from cotjax.training.step import train_step
from tests.training.batches import packed_batch

TINY = T5Config(
    vocab_size=64,
    d_model=16,
    d_kv=4,
    d_ff=16,
    num_layers=1,
    num_decoder_layers=1,
    num_heads=4,
    gated=False,
    tied=True,
    scale_decoder_outputs=True,
)
ADAMW = OptimizerConfig("adamw", 1e-2, weight_decay=0.1, clip_norm=1.0)
ADAFACTOR = OptimizerConfig("adafactor", 1e-2)
SCHEDULE = ScheduleConfig("linear", warmup_steps=2, total_steps=10)
MIXED = {"data": 2, "fsdp": 2, "tensor": 2}

pytestmark = pytest.mark.usefixtures("quick_to_compile")


def poisoned(batch, weight):
    """One token of one row weighs as much as given; the row is of one device, one microbatch."""
    batch["loss_weights"][3, 0] = weight
    return batch


@pytest.mark.parametrize(
    ("sizes", "accumulation", "optimizer", "weight"),
    [
        ({"data": 1}, 1, ADAMW, np.inf),  # the loss overflows
        (MIXED, 2, ADAFACTOR, 1e30),  # the loss does not, but the gradients do
    ],
)
def test_nothing_but_the_step_changes(sizes, accumulation, optimizer, weight):
    mesh = make_mesh(sizes, jax.devices()[: np.prod(list(sizes.values()))])
    how = (0.0, 0.0, accumulation, mesh)
    step = train_step(TINY, optimizer, SCHEDULE, *how)
    good = to_global(packed_batch(0), mesh, 16)
    bad = to_global(poisoned(packed_batch(1), weight), mesh, 16)
    state, metrics = step(init_state(TINY, optimizer, mesh, seed=3), good, 7)
    assert not metrics["skipped"]
    assert np.isfinite(metrics["loss"])
    before = jax.device_get((state.params, state.opt_state))
    state, metrics = step(state, bad, 7)
    assert metrics["skipped"]
    assert np.isfinite(metrics["loss"]) == (weight == 1e30)
    assert not np.isfinite(metrics["grad_norm"])
    assert int(state.step) == 2  # so that the next data, rate and dropout are those of step 2
    after = jax.device_get((state.params, state.opt_state))
    jax.tree.map(np.testing.assert_array_equal, after, before)
    state, metrics = step(state, good, 7)
    assert not metrics["skipped"]
    assert not poisoned_leaves(state)
    changed = jax.device_get(state.params)["shared"]["embedding"]
    assert (changed != before[0]["shared"]["embedding"]).any()
    shards = metrics["skipped"].addressable_shards
    assert {bool(shard.data) for shard in shards} == {False}  # whole on every device


def test_poisoned_leaves_are_named():
    tree = {"a": {"kernel": np.ones(3)}, "count": np.int32(1), "b": np.array([1, np.inf])}
    assert poisoned_leaves(tree) == ["b"]
    assert poisoned_leaves(tree | {"c": np.float32(np.nan)}) == ["b", "c"]
