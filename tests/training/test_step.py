"""One step on every mesh: the same numbers, each device holding its own share."""

import dataclasses
import functools
import math

import jax
import numpy as np
import pytest

from cotjax.compilations import compilations
from cotjax.errors import InputError
from cotjax.mesh import leaf_shardings, make_mesh, to_global
from cotjax.models.t5 import LOGICAL_AXES, T5, T5Config
from cotjax.targets.segments import Kind
from cotjax.training import state as state_module
from cotjax.training import step as step_module
from cotjax.training.optimizer import OptimizerConfig, ScheduleConfig
from cotjax.training.state import TrainState, abstract_state, init_state
from cotjax.training.step import eval_step, train_step
from tests.training.batches import packed_batch

MESHES = {
    "one device": {},
    "data parallel": {"data": 8},
    "fully sharded": {"fsdp": 8},
    "tensor parallel": {"tensor": 8},
    "mixed": {"data": 2, "fsdp": 2, "tensor": 2},
}
TINY = T5Config(
    vocab_size=64,
    d_model=32,
    d_kv=4,
    d_ff=48,
    num_layers=2,
    num_decoder_layers=2,
    num_heads=8,
    gated=True,
    tied=False,
    scale_decoder_outputs=False,
    scan_layers=True,
)
EXACT = dataclasses.replace(TINY, dtype="float64", dropout_rate=0.0)
# Large enough for Adafactor to factor the matrices.
WIDE = dataclasses.replace(EXACT, d_model=128, d_kv=16, d_ff=128, vocab_size=128)
ADAMW = OptimizerConfig("adamw", 1e-2, weight_decay=0.1, clip_norm=1.0)
WARM = ScheduleConfig("linear", warmup_steps=2, total_steps=10)
MIXED = MESHES["mixed"]


def _mesh(sizes: dict[str, int]):
    return make_mesh(sizes, jax.devices()[: math.prod(sizes.values())])


@functools.cache
def _params(config: T5Config):
    """Random parameters, as numpy arrays."""
    return jax.device_get(init_state(config, ADAMW, _mesh({}), seed=3).params)


def _run(config, sizes, *, optimizer=ADAMW, steps=1, accumulation=1, smoothing=0.1, z_loss=1e-3):
    """A few steps from one seed: the last state and the metrics of all steps, as numpy."""
    mesh = _mesh(sizes)
    state = init_state(config, optimizer, mesh, seed=0, params=_params(config))
    step = train_step(config, optimizer, WARM, smoothing, z_loss, accumulation, mesh)
    history = []
    for number in range(steps):
        batch = packed_batch(number, vocab_size=config.vocab_size)
        state, metrics = step(state, to_global(batch, mesh, 16), 7)
        history.append(metrics)
    return jax.device_get((state, history))


@pytest.fixture(scope="module", autouse=True)
def _quick_compilation():
    """These programs run for milliseconds: spares four fifths of the time to compile them."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module")
def one_device():
    """The reference for all meshes: five steps in float32, with dropout."""
    return _run(TINY, {}, steps=5)[1]


@pytest.fixture(scope="module")
def one_device_exact():
    """The reference in float64, without dropout: two steps."""
    with jax.enable_x64(True):
        return _run(EXACT, {}, steps=2)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", list(MESHES)[1:])
def test_losses_are_the_same_on_every_mesh(name, one_device):
    _, history = _run(TINY, MESHES[name], steps=5)
    losses = [metrics["loss"] for metrics in history]
    expected = [metrics["loss"] for metrics in one_device]
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-5)
    assert losses[0] != losses[1]


@pytest.mark.parametrize("name", list(MESHES)[1:])
def test_gradients_and_parameters_are_the_same_on_every_mesh(name, one_device_exact, float64):
    _assert_same(_run(EXACT, MESHES[name], steps=2), one_device_exact)


def test_four_microbatches_on_a_mesh_are_one_batch(one_device_exact, float64):
    _assert_same(_run(EXACT, MIXED, steps=2, accumulation=4), one_device_exact)


def test_factored_adafactor_is_the_same_on_a_mesh(float64):
    optimizer = OptimizerConfig("adafactor", 1e-3)
    state, history = _run(WIDE, MIXED, optimizer=optimizer, steps=2)
    expected, expected_history = _run(WIDE, {}, optimizer=optimizer, steps=2)
    assert expected.opt_state[0].v_row["decoder"]["layers"]["mlp"]["wo"]["kernel"].shape == (2, 128)
    _assert_same((state, history), (expected, expected_history))


def _assert_same(actual, expected) -> None:
    """States (Adam's first moment is the gradients' average) and metrics within 1e-9."""
    jax.tree.map(lambda a, e: np.testing.assert_allclose(a, e, rtol=0, atol=1e-9), actual, expected)


def test_gradients_are_those_of_the_weighted_sum(float64):
    """The first step against a loss written down here, in full."""
    params = _params(EXACT)
    batch = packed_batch(0)

    def loss(params):
        logits = T5(EXACT).apply({"params": params}, batch)
        log_normaliser = jax.nn.logsumexp(logits, axis=-1)
        target = 0.9 * jax.nn.one_hot(batch["decoder_targets"], 64) + 0.1 / 64
        tokens = -(target * jax.nn.log_softmax(logits)).sum(-1) + 1e-3 * log_normaliser**2
        return (batch["loss_weights"] * tokens).sum()

    value, gradients = jax.device_get(jax.jit(jax.value_and_grad(loss))(params))
    norm = math.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(gradients)))
    state, (metrics,) = _run(EXACT, {}, steps=1)
    np.testing.assert_allclose(metrics["loss"], value, rtol=0, atol=1e-9)
    np.testing.assert_allclose(metrics["grad_norm"], norm, rtol=0, atol=1e-9)
    # The first moment starts as a tenth of the gradient, here clipped to a norm of 1.
    moments = jax.tree.map(lambda moment: moment / 0.1 * max(norm, 1), state.opt_state[-2].mu)
    _assert_same(moments, gradients)


def test_metrics_count_every_kind(one_device):
    kinds = packed_batch(0)["decoder_kinds"]
    expected = [0, *(int((kinds == kind).sum()) for kind in list(Kind)[1:])]
    np.testing.assert_array_equal(one_device[0]["count"], expected)
    assert (one_device[0]["right"] <= one_device[0]["count"]).all()
    rates = [metrics["learning_rate"] for metrics in one_device]
    np.testing.assert_allclose(rates, [0.005, 0.01, 0.00875, 0.0075, 0.00625], rtol=1e-6)


def test_dropout_depends_on_seed_and_step_alone():
    mesh = _mesh(MIXED)
    step = train_step(TINY, ADAMW, WARM, 0.1, 1e-3, 1, mesh)
    batch = to_global(packed_batch(0), mesh, 16)

    def loss(seed, number):
        state = init_state(TINY, ADAMW, mesh, seed=3)
        return float(step(state.replace(step=state.step + number), batch, seed)[1]["loss"])

    assert loss(7, 0) == loss(7, 0)
    assert len({loss(7, 0), loss(8, 0), loss(7, 1)}) == 3


def test_state_is_donated_and_nothing_compiled_twice(monkeypatch):
    traces = []
    kind_sums = step_module.kind_sums

    def traced(*arguments):
        traces.append(1)
        return kind_sums(*arguments)

    monkeypatch.setattr(step_module, "kind_sums", traced)
    mesh = _mesh(MIXED)
    step = train_step(TINY, ADAMW, WARM, 0.25, 0.0, 1, mesh)
    first = state = init_state(TINY, ADAMW, mesh, seed=3)
    for number in range(4):
        state, _ = step(state, to_global(packed_batch(number), mesh, 16), number)
    assert len(traces) == 1
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves((first.params, first.opt_state)))
    assert train_step(TINY, ADAMW, WARM, 0.25, 0.0, 1, _mesh(MIXED)) is step


def test_runs_of_other_rates_and_lengths_share_what_is_compiled():
    mesh, batch = _mesh(MIXED), packed_batch(0)

    def last_rate(peak: float, schedule: ScheduleConfig) -> float:
        optimizer = dataclasses.replace(ADAMW, learning_rate=peak)
        step = train_step(TINY, optimizer, schedule, 0.125, 0.0, 1, mesh)
        state = init_state(TINY, optimizer, mesh, seed=3)
        return float(step(state, to_global(batch, mesh, 16), 0)[1]["learning_rate"])

    assert last_rate(0.5, ScheduleConfig("linear", 4, 10)) == 0.125
    with compilations() as compiled:
        assert last_rate(1.0, ScheduleConfig("linear", 2, 20)) == 0.5
    assert len(compiled) == 0


@pytest.mark.parametrize("optimizer", [ADAMW, OptimizerConfig("adafactor")], ids=lambda o: o.name)
def test_state_is_born_sharded(optimizer):
    mesh = _mesh(MIXED)
    state = init_state(TINY, optimizer, mesh, seed=3)
    expected = leaf_shardings(state, mesh, LOGICAL_AXES)
    assert jax.tree.map(lambda leaf: leaf.sharding, state) == expected
    moments = state.opt_state[-2].mu if optimizer.name == "adamw" else state.opt_state[0].v
    for tree in (state.params, moments):
        kernel = tree["decoder"]["layers"]["mlp"]["wi_0"]["kernel"]
        assert kernel.shape == (2, 32, 48)
        assert {shard.data.shape for shard in kernel.addressable_shards} == {(2, 16, 24)}


def test_state_stays_sharded():
    mesh = _mesh(MIXED)
    step = train_step(TINY, ADAMW, WARM, 0.1, 1e-3, 1, mesh)
    batch = to_global(packed_batch(0), mesh, 16)
    state, _ = step(init_state(TINY, ADAMW, mesh, seed=3), batch, 7)
    like = abstract_state(TINY, ADAMW, mesh)
    for leaf, expected in zip(jax.tree.leaves(state), jax.tree.leaves(like), strict=True):
        assert (leaf.shape, leaf.dtype) == (expected.shape, expected.dtype)
        assert leaf.sharding == expected.sharding


def test_no_device_makes_a_full_copy():
    """The compiled initialisation of a wider model needs less than half of it on any device."""
    mesh = _mesh({"fsdp": 8})
    config = dataclasses.replace(TINY, d_model=256, d_ff=1024, vocab_size=4096)
    shapes = abstract_state(config, ADAMW, mesh).params
    full = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))
    shardings = jax.tree.map(lambda leaf: leaf.sharding, abstract_state(config, ADAMW, mesh))
    new = jax.jit(lambda: state_module._new_state(config, ADAMW, 0), out_shardings=shardings)
    memory = new.lower().compile().memory_analysis()
    assert memory.output_size_in_bytes < 3 * full / 8 + 1e5  # parameters and two moments
    assert memory.temp_size_in_bytes < full / 2


def test_given_parameters_are_taken_over_unchanged():
    mesh = _mesh(MIXED)
    params = _params(TINY)
    state = init_state(TINY, ADAMW, mesh, seed=0, params=params)
    assert isinstance(state, TrainState)
    assert int(state.step) == 0
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(state.params), params)
    assert jax.tree.map(lambda leaf: leaf.sharding, state) == jax.tree.map(
        lambda leaf: leaf.sharding, abstract_state(TINY, ADAMW, mesh)
    )


def test_initial_parameters_depend_on_the_seed_and_not_on_the_mesh():
    one, other, mixed = (
        jax.device_get(init_state(TINY, ADAMW, _mesh(sizes), seed=seed).params)
        for seed, sizes in ((3, {}), (4, {}), (3, MIXED))
    )
    jax.tree.map(np.testing.assert_array_equal, one, mixed)
    assert (one["shared"]["embedding"] != other["shared"]["embedding"]).all()


def test_rows_that_do_not_split_are_refused():
    mesh = _mesh({"data": 8})
    step = train_step(TINY, ADAMW, WARM, 0.1, 1e-3, 3, mesh)
    state = init_state(TINY, ADAMW, mesh, seed=3)
    with pytest.raises(InputError, match=r"accumulation=3 does not divide the 2 row"):
        step(state, to_global(packed_batch(0), mesh, 16), 7)


@pytest.mark.parametrize("name", ["one device", "mixed"])
def test_eval_step_sums_each_target(name):
    mesh = _mesh(MESHES[name])
    params = init_state(TINY, ADAMW, mesh, seed=3).params
    batch = packed_batch(0)
    sums = eval_step(TINY, mesh)(params, to_global(batch, mesh, 16))
    logits = jax.jit(T5(TINY).apply)({"params": jax.device_get(params)}, batch)
    log_probs = np.asarray(jax.nn.log_softmax(logits))
    nll = -np.take_along_axis(log_probs, batch["decoder_targets"][..., None], axis=-1)[..., 0]
    right = np.argmax(log_probs, axis=-1) == batch["decoder_targets"]
    for row, segment, kind in np.ndindex(sums["count"].shape):
        member = (batch["decoder_segments"][row] == segment + 1) & (
            batch["decoder_kinds"][row] == kind
        )
        position = row, segment, kind
        assert sums["count"][position] == member.sum()
        assert sums["right"][position] == right[row][member].sum()
        np.testing.assert_allclose(sums["nll"][position], nll[row][member].sum(), rtol=0, atol=1e-4)
