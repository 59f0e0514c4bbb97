"""The sharded train step and the eval step."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from cotjax.errors import InputError
from cotjax.mesh import BATCH_AXES, batch_parts, batch_sharding, replicated
from cotjax.models.t5 import T5, T5Config
from cotjax.training.head_loss import HeadLoss
from cotjax.training.losses import Batch, kind_sums, segment_sums
from cotjax.training.optimizer import OptimizerConfig, ScheduleConfig, make_optimizer, make_schedule
from cotjax.training.state import Params, TrainState, state_shardings, without_rate

Metrics = dict[str, jax.Array]


@functools.cache
def train_step(
    config: T5Config,
    optimizer: OptimizerConfig,
    schedule: ScheduleConfig,
    label_smoothing: float,
    z_loss: float,
    accumulation: int,
    mesh: Mesh,
) -> Callable[[TrainState, Batch, int], tuple[TrainState, Metrics]]:
    """The jitted step (state, batch, seed) -> (state, metrics); it consumes the state it is given.

    The batch goes through the model in `accumulation` microbatches, whose sums are added. Metrics
    are whole on every device: 'loss' (the sum of weighted objectives), 'grad_norm' (before any
    clipping), 'learning_rate', 'skipped', and 'nll', 'right', 'count' by kind. Dropout's key is a
    function of (seed, step, microbatch) alone. Runs that differ in the numbers of schedule and
    learning rate alone share what is compiled.

    Where the loss or the norm of the gradients is not finite, the step is 'skipped': parameters and
    the optimizer's state, its own count of updates too, stay as they were. The state's step goes
    on, for it names the data, the learning rate and dropout's key of the next one.
    """
    make_schedule(schedule, optimizer.learning_rate)  # refuses an unknown name now
    how = (schedule.name, label_smoothing, z_loss, accumulation, mesh)
    compiled = compiled_step(config, without_rate(optimizer), *how)
    # On the devices for good: no step waits for a number of the host's.
    numbers = replicated((optimizer.learning_rate, dataclasses.astuple(schedule)[1:]), mesh)

    def step(state: TrainState, batch: Batch, seed: int) -> tuple[TrainState, Metrics]:
        return compiled(state, batch, seed, *numbers)

    return step


@functools.cache
def compiled_step(
    config: T5Config,
    optimizer: OptimizerConfig,
    schedule_name: str,
    label_smoothing: float,
    z_loss: float,
    accumulation: int,
    mesh: Mesh,
) -> Callable[..., tuple[TrainState, Metrics]]:
    """What `train_step` runs: jitted (state, batch, seed, peak rate, the schedule's numbers)."""
    gradients_of = _gradients_of(config, optimizer, label_smoothing, z_loss, accumulation, mesh)
    shardings = state_shardings(config, optimizer, mesh)
    whole = NamedSharding(mesh, P())

    def step(
        state: TrainState, batch: Batch, seed: int, peak: float, numbers: tuple[float, ...]
    ) -> tuple[TrainState, Metrics]:
        gradients, metrics = gradients_of(state.params, batch, seed, state.step)
        rate = make_schedule(ScheduleConfig(schedule_name, *numbers), peak)(state.step)
        finite = _are_finite(metrics)
        metrics |= {"learning_rate": rate, "skipped": ~finite}
        update = make_optimizer(optimizer).update
        direction, opt_state = update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, optax.tree.scale(-rate, direction))
        params, opt_state = jax.tree.map(
            lambda after, before: jnp.where(finite, after, before),
            (params, opt_state),
            (state.params, state.opt_state),
        )
        return TrainState(state.step + 1, params, opt_state), metrics

    return jax.jit(
        step,
        in_shardings=(shardings, batch_sharding(mesh), whole, whole, whole),
        out_shardings=(shardings, whole),
        donate_argnums=0,
    )


def finite_check(
    config: T5Config,
    optimizer: OptimizerConfig,
    label_smoothing: float,
    z_loss: float,
    accumulation: int,
    mesh: Mesh,
) -> Callable[[Params, Batch, int, int], jax.Array]:
    """The jitted (params, batch, seed, step) -> whether that train step would be finite."""
    how = (label_smoothing, z_loss, accumulation, mesh)
    return _compiled_check(config, without_rate(optimizer), *how)


@functools.cache
def _compiled_check(config: T5Config, optimizer: OptimizerConfig, *how: Any) -> Callable:
    gradients_of, mesh = _gradients_of(config, optimizer, *how), how[-1]
    params, whole = state_shardings(config, optimizer, mesh).params, NamedSharding(mesh, P())
    return jax.jit(
        lambda *step: _are_finite(gradients_of(*step)[1]),
        in_shardings=(params, batch_sharding(mesh), whole, whole),
        out_shardings=whole,
    )


def _are_finite(metrics: Metrics) -> jax.Array:
    """One answer for the whole step: a sum is not finite where any of its terms is not."""
    return jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])


def _gradients_of(
    config: T5Config,
    optimizer: OptimizerConfig,
    label_smoothing: float,
    z_loss: float,
    accumulation: int,
    mesh: Mesh,
) -> Callable[[Params, Batch, int, jax.Array], tuple[Params, Metrics]]:
    """The function (params, batch, seed, step) -> gradients of the whole batch, and metrics."""
    loss = functools.partial(_loss, config, label_smoothing, z_loss)
    shardings = state_shardings(config, optimizer, mesh).params

    def of_microbatch(params: Params, batch: Batch, key: jax.Array) -> tuple[Params, Metrics]:
        gradients, metrics = jax.grad(loss, has_aux=True)(params, batch, key)
        return jax.lax.with_sharding_constraint(gradients, shardings), metrics

    def of_batch(
        params: Params, batch: Batch, seed: int, step: jax.Array
    ) -> tuple[Params, Metrics]:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            key = jax.random.fold_in(jax.random.key(seed), step)
            microbatches = _split(batch, accumulation, mesh)
            gradients, metrics = _accumulate(of_microbatch, params, microbatches, key)
        return gradients, metrics | {"grad_norm": optax.tree.norm(gradients)}

    return of_batch


def _loss(
    config: T5Config,
    label_smoothing: float,
    z_loss: float,
    params: Params,
    batch: Batch,
    key: jax.Array,
) -> tuple[jax.Array, Metrics]:
    """The loss of a microbatch, and its metrics; both only need adding."""
    states = T5(config).apply(
        {"params": params},
        batch,
        deterministic=config.dropout_rate == 0,
        rngs={"dropout": key},
        method="states",
    )
    head = HeadLoss(config, label_smoothing, z_loss)
    loss, nll, right = head(params, states, batch["decoder_targets"], batch["loss_weights"])
    return loss, {"loss": loss, **kind_sums(batch, nll, right)}


def _accumulate(
    gradients_of: Callable, params: Params, microbatches: Batch, key: jax.Array
) -> tuple[Params, Metrics]:
    """Gradients and metrics, added over microbatches [microbatches, rows, ...] one at a time."""

    def one(index: jax.Array | int, microbatch: Batch) -> tuple[Params, Metrics]:
        return gradients_of(params, microbatch, jax.random.fold_in(key, index))

    def add(total, numbered_microbatch):
        return jax.tree.map(jnp.add, total, one(*numbered_microbatch)), None

    count = len(microbatches["loss_weights"])
    first = jax.tree.map(lambda leaf: leaf[0], microbatches)
    if count == 1:
        return one(0, first)
    zeros = jax.tree.map(jnp.zeros_like, jax.eval_shape(one, 0, first))
    total, _ = jax.lax.scan(add, zeros, (jnp.arange(count), microbatches))
    return total


def _split(batch: Batch, accumulation: int, mesh: Mesh) -> Batch:
    """[rows, ...] -> [microbatches, rows, ...]: every device splits the rows that it holds."""
    devices = batch_parts(mesh)
    sharding = P(None, BATCH_AXES)

    def split(leaf: jax.Array) -> jax.Array:
        rows, *rest = leaf.shape
        if rows % (devices * accumulation):
            raise InputError(
                f"config.optimizer.accumulation={accumulation} does not divide the "
                f"{rows // devices} row(s) of a device ({rows} rows over {devices})"
            )
        leaf = leaf.reshape(devices, accumulation, -1, *rest).swapaxes(0, 1)
        leaf = leaf.reshape(accumulation, rows // accumulation, *rest)
        return jax.lax.with_sharding_constraint(leaf, sharding)

    return jax.tree.map(split, batch)


@functools.cache
def eval_step(config: T5Config, mesh: Mesh) -> Callable[[Params, Batch], Metrics]:
    """The jitted (params, batch) -> `segment_sums`, whole on every device; dropout is off."""

    def step(params: Params, batch: Batch) -> Metrics:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            states = T5(config).apply({"params": params}, batch, method="states")
            targets = batch["decoder_targets"]
            weights = jnp.zeros(targets.shape)  # what is only scored has none
            _, nll, right = HeadLoss(config)(params, states, targets, weights)
            return segment_sums(batch, nll, right)

    return jax.jit(
        step,
        in_shardings=(None, batch_sharding(mesh)),
        out_shardings=NamedSharding(mesh, P()),
    )
