"""AdamW and Adafactor, learning rates, clipping.

An optimizer here gives a direction; the train step multiplies it by the learning rate of that step.
So the optimizer's state knows nothing of schedules, and a schedule is a pure function of the step.
"""

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from cotjax.errors import InputError
from cotjax.training.adafactor import scale_by_adafactor

Schedule = Callable[[jax.Array | int], jax.Array]


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Which optimizer, and its peak learning rate.

    T5's fine-tuning preset is 'adafactor' at 1e-3 with a constant schedule: no momentum, no weight
    decay, no clipping of the global norm (t5x, `configs/runs/finetune.gin`).
    """

    name: str = "adafactor"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0  # decoupled; not on norms and relative biases
    beta1: float = 0.9  # beta1, beta2 and epsilon are AdamW's alone
    beta2: float = 0.999
    epsilon: float = 1e-8
    clip_norm: float | None = None  # of the whole gradient; None or 0 is off


@dataclasses.dataclass(frozen=True)
class ScheduleConfig:
    """How the learning rate goes over the steps, as a fraction of the peak."""

    name: str = "constant"
    warmup_steps: int = 0
    total_steps: int = 0  # linear and cosine end here
    final_fraction: float = 0.0  # of the peak, in the last step and after


def _constant(count: jax.Array, config: ScheduleConfig) -> jax.Array:
    return jnp.ones_like(count)


def _linear(count: jax.Array, config: ScheduleConfig) -> jax.Array:
    return 1 - (1 - config.final_fraction) * _progress(count, config)


def _cosine(count: jax.Array, config: ScheduleConfig) -> jax.Array:
    half_wave = (1 + jnp.cos(jnp.pi * _progress(count, config))) / 2
    return config.final_fraction + (1 - config.final_fraction) * half_wave


def _rsqrt(count: jax.Array, config: ScheduleConfig) -> jax.Array:
    """T5's pre-training schedule, at the peak when the warm-up ends."""
    warmup = jnp.maximum(config.warmup_steps, 1)
    return jnp.sqrt(warmup / jnp.maximum(count, warmup))


def _progress(count: jax.Array, config: ScheduleConfig) -> jax.Array:
    """From 0 in the last step of the warm-up to 1 in the last step of the run, and after."""
    decaying = jnp.maximum(config.total_steps - config.warmup_steps, 1)
    return jnp.clip((count - config.warmup_steps) / decaying, 0, 1)


SCHEDULES = {"constant": _constant, "linear": _linear, "cosine": _cosine, "rsqrt": _rsqrt}


def make_schedule(config: ScheduleConfig, learning_rate: float) -> Schedule:
    """The learning rate of step 0, 1, ...: a linear warm-up, then the schedule by name.

    The first step of a warm-up of W steps has 1 / W of the peak, for none is to be wasted on 0, and
    the last one has the peak. All numbers may be traced: what is compiled then serves any of them.
    """
    if config.name not in SCHEDULES:
        raise InputError(f"config.schedule.name={config.name!r} is not one of {list(SCHEDULES)}")
    decay = SCHEDULES[config.name]

    def schedule(step: jax.Array | int) -> jax.Array:
        count = jnp.asarray(step, float) + 1  # steps, with this one
        warm = jnp.minimum(count / jnp.maximum(config.warmup_steps, 1), 1)
        return learning_rate * warm * decay(count, config)

    return schedule


def _adamw(config: OptimizerConfig) -> optax.GradientTransformation:
    return optax.scale_by_adam(config.beta1, config.beta2, config.epsilon)


def _adafactor(config: OptimizerConfig) -> optax.GradientTransformation:
    return scale_by_adafactor()


OPTIMIZERS = {"adamw": _adamw, "adafactor": _adafactor}


@functools.cache
def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    """Turns gradients into a direction; parameters then move by -learning_rate times it."""
    if config.name not in OPTIMIZERS:
        raise InputError(f"config.optimizer.name={config.name!r} is not one of {list(OPTIMIZERS)}")
    parts = [OPTIMIZERS[config.name](config)]
    if config.clip_norm:
        parts.insert(0, optax.clip_by_global_norm(config.clip_norm))
    if config.weight_decay:
        parts.append(optax.add_decayed_weights(config.weight_decay, mask=_decayed))
    return optax.chain(*parts)


def _decayed(params: Any) -> Any:
    """True for the leaves that weight decay touches."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: (
            not re.search(
                r"norm/scale|relative_bias/", jax.tree_util.keystr(path, simple=True, separator="/")
            )
        ),
        params,
    )
