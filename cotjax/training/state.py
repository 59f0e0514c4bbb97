"""What a train step changes: parameters and optimizer state, sharded from the first moment."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from cotjax.mesh import leaf_shardings
from cotjax.models.t5 import LOGICAL_AXES, T5, T5Config
from cotjax.training.optimizer import OptimizerConfig, make_optimizer

Params = Any


@flax.struct.dataclass
class TrainState:
    """All that changes in a step."""

    step: jax.Array  # int32, how many are done
    params: Params
    opt_state: Any


@functools.cache
def abstract_state(config: T5Config, optimizer: OptimizerConfig, mesh: Mesh) -> TrainState:
    """Shapes, dtypes and shardings of a state, as ShapeDtypeStructs: what a restore needs."""
    shapes = jax.eval_shape(functools.partial(_new_state, config, optimizer), 0)
    shardings = leaf_shardings(shapes, mesh, LOGICAL_AXES)
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        shardings,
    )


def init_state(
    config: T5Config,
    optimizer: OptimizerConfig,
    mesh: Mesh,
    seed: int,
    params: Params | None = None,
) -> TrainState:
    """A state at step 0, each device making its own shards alone.

    `params` are random by the seed, or those given, which then belong to the state: the first step
    donates their buffers.
    """
    optimizer = without_rate(optimizer)
    if params is None:
        return _compiled_init(config, optimizer, mesh)(seed)
    params = jax.device_put(params, state_shardings(config, optimizer, mesh).params)
    return _compiled_adoption(config, optimizer, mesh)(params)


# Compiled once for all runs of a process.
@functools.cache
def _compiled_init(config: T5Config, optimizer: OptimizerConfig, mesh: Mesh) -> Callable:
    create = functools.partial(_new_state, config, optimizer)
    return jax.jit(create, out_shardings=state_shardings(config, optimizer, mesh))


@functools.cache
def _compiled_adoption(config: T5Config, optimizer: OptimizerConfig, mesh: Mesh) -> Callable:
    create = functools.partial(_state_of, optimizer)
    return jax.jit(create, out_shardings=state_shardings(config, optimizer, mesh), donate_argnums=0)


def state_shardings(config: T5Config, optimizer: OptimizerConfig, mesh: Mesh) -> TrainState:
    """Where every leaf of a state lives."""
    return jax.tree.map(lambda leaf: leaf.sharding, abstract_state(config, optimizer, mesh))


def _new_state(config: T5Config, optimizer: OptimizerConfig, seed: int) -> TrainState:
    names = ("encoder_tokens", "encoder_segments", "decoder_inputs", "decoder_segments")
    batch = {name: jnp.ones((1, 1), jnp.int32) for name in (*names, "segment_source")}
    return _state_of(optimizer, T5(config).init(jax.random.key(seed), batch)["params"])


def _state_of(optimizer: OptimizerConfig, params: Params) -> TrainState:
    return TrainState(jnp.zeros([], jnp.int32), params, make_optimizer(optimizer).init(params))


def without_rate(optimizer: OptimizerConfig) -> OptimizerConfig:
    """The optimizer but for its learning rate, which is an argument of what is compiled."""
    return dataclasses.replace(optimizer, learning_rate=0.0)
