"""Optimizers against torch, transformers and optax; schedules at points worked out by hand."""

import jax
import numpy as np
import optax
import pytest
import torch
from transformers.optimization import Adafactor

from cotjax.errors import InputError
from cotjax.training.optimizer import (
    OptimizerConfig,
    ScheduleConfig,
    make_optimizer,
    make_schedule,
)

SHAPES = {
    "shared/embedding": (256, 128),
    "encoder/layers/mlp/wo/kernel": (3, 160, 128),
    "encoder/layers/mlp/norm/scale": (3, 128),
    "encoder/final_norm/scale": (128,),
    "encoder/relative_bias/embedding": (32, 8),
}


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def _random(seed: int) -> dict[str, np.ndarray]:
    """Leaves by path; the scales of layers lie far apart, so that mixing them would show."""
    rng = np.random.default_rng(seed)
    leaves = {}
    for name, shape in SHAPES.items():
        scale = 10.0 ** -np.arange(shape[0]) if "layers" in name else np.ones(shape[0])
        leaves[name] = rng.normal(size=shape) * scale.reshape(-1, *[1] * (len(shape) - 1))
    return leaves


def _run(config: OptimizerConfig, steps: int) -> dict[str, np.ndarray]:
    """Parameters after some steps with random gradients."""
    optimizer = make_optimizer(config)
    params = _random(0)
    state = optimizer.init(params)
    for step in range(steps):
        directions, state = jax.jit(optimizer.update)(_random(step + 1), state, params)
        params = jax.tree.map(lambda p, d: p - config.learning_rate * d, params, directions)
    return params


def _unstack(leaves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One leaf for each layer, as in models that don't stack them."""
    layers = {}
    for name, leaf in leaves.items():
        stacked = dict(enumerate(leaf)) if "layers" in name else {"": leaf}
        layers |= {f"{name}{number}": layer for number, layer in stacked.items()}
    return layers


def _run_torch(make, steps: int) -> dict[str, np.ndarray]:
    """The same as `_run` for a torch optimizer over unstacked layers."""
    params = {name: torch.tensor(leaf) for name, leaf in _unstack(_random(0)).items()}
    optimizer = make(params)
    for step in range(steps):
        for name, gradient in _unstack(_random(step + 1)).items():
            params[name].grad = torch.tensor(gradient)
        optimizer.step()
    return {name: param.numpy() for name, param in params.items()}


def _assert_same(actual, expected, without: str = "nothing") -> None:
    for name, leaf in _unstack(actual).items():
        if without not in name:
            np.testing.assert_allclose(leaf, expected[name], rtol=0, atol=1e-12, err_msg=name)


def test_adamw_is_torch_adamw():
    config = OptimizerConfig("adamw", 0.01, weight_decay=0.1, beta1=0.8, beta2=0.95, epsilon=1e-6)

    def make(params):
        free = [param for name, param in params.items() if "norm" in name or "relative" in name]
        decayed = [param for name, param in params.items() if "kernel" in name or "shared" in name]
        assert len(free) + len(decayed) == len(params)
        groups = [{"params": free, "weight_decay": 0.0}, {"params": decayed, "weight_decay": 0.1}]
        return torch.optim.AdamW(groups, lr=0.01, betas=(0.8, 0.95), eps=1e-6)

    _assert_same(_run(config, 7), _run_torch(make, 7))


def test_adafactor_is_transformers_adafactor_layer_by_layer():
    def make(params):
        return Adafactor(params.values(), lr=1e-3, relative_step=False, scale_parameter=True)

    # transformers factors even the smallest matrix; the bias is held to optax below.
    _assert_same(
        _run(OptimizerConfig("adafactor", 1e-3), 7), _run_torch(make, 7), without="relative_bias"
    )


def test_adafactor_is_optax_adafactor_on_unstacked_layers():
    optimizer = optax.adafactor(1e-3)  # its decay is float32, hence the tolerance
    params = _unstack(_random(0))
    state = optimizer.init(params)
    for step in range(4):
        updates, state = optimizer.update(_unstack(_random(step + 1)), state, params)
        params = optax.apply_updates(params, updates)
    actual = _unstack(_run(OptimizerConfig("adafactor", 1e-3), 4))
    for name, leaf in actual.items():
        np.testing.assert_allclose(leaf, params[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_adafactor_keeps_rows_and_columns_of_large_matrices_only():
    (state,) = make_optimizer(OptimizerConfig("adafactor")).init(_random(0))
    shapes = {
        name: tuple(moment[name].shape for moment in (state.v_row, state.v_col, state.v))
        for name in SHAPES
    }
    assert shapes == {
        "shared/embedding": ((256,), (128,), (1,)),
        "encoder/layers/mlp/wo/kernel": ((3, 160), (3, 128), (1,)),
        "encoder/layers/mlp/norm/scale": ((1,), (1,), (3, 128)),
        "encoder/final_norm/scale": ((1,), (1,), (128,)),
        "encoder/relative_bias/embedding": ((1,), (1,), (32, 8)),
    }


def test_adafactor_of_a_zero_gradient_is_zero():
    optimizer = make_optimizer(OptimizerConfig("adafactor"))
    params = jax.tree.map(np.float32, _random(0))
    zeros = jax.tree.map(np.zeros_like, params)
    directions, _ = optimizer.update(zeros, optimizer.init(params), params)
    assert all((direction == 0).all() for direction in directions.values())


@pytest.mark.parametrize("clip_norm", [None, 0, 1.0, 1e9])
def test_clipping_scales_the_whole_gradient(clip_norm):
    optimizer = make_optimizer(OptimizerConfig("adamw", clip_norm=clip_norm))
    params, gradients = _random(0), _random(1)
    _, state = optimizer.update(gradients, optimizer.init(params), params)
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
    assert norm > 10
    scale = 1 / norm if clip_norm == 1 else 1
    for name, moment in state[-1].mu.items():
        np.testing.assert_allclose(moment, 0.1 * scale * gradients[name], rtol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        (ScheduleConfig("constant"), {0: 2, 99: 2}),
        (ScheduleConfig("constant", warmup_steps=4), {0: 0.5, 1: 1, 3: 2, 4: 2, 99: 2}),
        (
            ScheduleConfig("linear", warmup_steps=2, total_steps=10),
            {0: 1, 1: 2, 2: 1.75, 5: 1, 9: 0, 20: 0},
        ),
        (
            ScheduleConfig("linear", warmup_steps=0, total_steps=4, final_fraction=0.5),
            {0: 1.75, 1: 1.5, 3: 1, 20: 1},
        ),
        (
            ScheduleConfig("cosine", warmup_steps=2, total_steps=6, final_fraction=0.1),
            {0: 1, 1: 2, 2: 0.2 + 1.8 * (1 + 0.5**0.5) / 2, 3: 1.1, 5: 0.2, 20: 0.2},
        ),
        (ScheduleConfig("rsqrt", warmup_steps=4), {0: 0.5, 3: 2, 15: 1, 63: 0.5}),
        (ScheduleConfig("rsqrt"), {0: 2, 3: 1, 99: 0.2}),
    ],
)
def test_schedules_at_points_worked_out_by_hand(schedule, points):
    learning_rate = make_schedule(schedule, 2.0)
    actual = {step: float(jax.jit(learning_rate)(step)) for step in points}
    assert actual == pytest.approx(points, abs=1e-12)


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match=r"config\.optimizer\.name='adam' is not one of"):
        make_optimizer(OptimizerConfig("adam"))
    with pytest.raises(InputError, match=r"config\.schedule\.name='step' is not one of"):
        make_schedule(ScheduleConfig("step"), 1.0)
