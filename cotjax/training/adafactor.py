"""Adafactor (Shazeer and Stern 2018, arXiv:1804.04235) over parameters that stack their layers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

# The constants of the paper's section 9; the least size of a factored matrix is t5x's.
SQUARE_EPSILON = 1e-30
SCALE_EPSILON = 1e-3  # a parameter's scale is never taken as smaller
CLIP_THRESHOLD = 1.0
DECAY_EXPONENT = 0.8
FACTORED_FROM = 128


class AdafactorState(NamedTuple):
    """Second moments: a factored leaf has `v_row` and `v_col`, any other `v`; the rest are (1,)."""

    count: jax.Array
    v_row: Any  # means over the last axis
    v_col: Any  # means over the last axis but one
    v: Any


def scale_by_adafactor() -> optax.GradientTransformation:
    """Adafactor without momentum, its step relative to the scale of the parameter.

    `optax.adafactor` would take the layers of a stacked leaf, [layers, ...], for one tensor. Here
    every layer has its own statistics, clipping and scale, as if it were a leaf of its own.
    """

    def init(params: Any) -> AdafactorState:
        def moments(path, leaf) -> tuple[jax.Array, ...]:
            none = jnp.zeros((1,), leaf.dtype)
            if not _factored(path, leaf):
                return none, none, jnp.zeros_like(leaf)
            return jnp.zeros_like(leaf[..., 0]), jnp.zeros_like(leaf[..., 0, :]), none

        return AdafactorState(jnp.zeros([], jnp.int32), *_map_leaves(moments, params, outputs=3))

    def update(gradients: Any, state: AdafactorState, params: Any) -> tuple[Any, AdafactorState]:
        # 0 in the first step, which has no past to average with.
        decay = 1 - (state.count + 1.0) ** -DECAY_EXPONENT

        def one(path, parameter, gradient, v_row, v_col, v) -> tuple[jax.Array, ...]:
            square = jnp.square(gradient) + SQUARE_EPSILON
            if _factored(path, parameter):
                v_row = decay * v_row + (1 - decay) * square.mean(axis=-1)
                v_col = decay * v_col + (1 - decay) * square.mean(axis=-2)
                # Two roots, since the product of two squares underflows in float32.
                rows = v_row / v_row.mean(axis=-1, keepdims=True)
                direction = gradient * jax.lax.rsqrt(rows)[..., None]
                direction = direction * jax.lax.rsqrt(v_col)[..., None, :]
            else:
                v = decay * v + (1 - decay) * square
                direction = gradient * jax.lax.rsqrt(v)
            axes = _layer_axes(path, parameter)
            direction = direction / jnp.maximum(1, _rms(direction, axes) / CLIP_THRESHOLD)
            return direction * jnp.maximum(SCALE_EPSILON, _rms(parameter, axes)), v_row, v_col, v

        directions, *moments = _map_leaves(one, params, gradients, *state[1:], outputs=4)
        return directions, AdafactorState(optax.safe_increment(state.count), *moments)

    return optax.GradientTransformation(init, update)


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _layer_axes(path: tuple[Any, ...], leaf: jax.Array) -> tuple[int, ...]:
    """The axes of one layer: all but the first of a leaf that stacks the layers of a model."""
    stacked = "layers" in _name(path).split("/")
    return tuple(range(int(stacked), leaf.ndim))


def _factored(path: tuple[Any, ...], leaf: jax.Array) -> bool:
    sizes = [leaf.shape[axis] for axis in _layer_axes(path, leaf)]
    return len(sizes) == 2 and min(sizes) >= FACTORED_FROM


def _rms(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Root mean square over `axes`, which stay as axes of size 1."""
    return jnp.sqrt(jnp.mean(jnp.square(x), axis=axes, keepdims=True))


def _map_leaves(function: Callable, *trees: Any, outputs: int) -> list[Any]:
    """Maps a function of (path, leaf, ...) to several results, and returns a tree of each."""
    mapped = jax.tree_util.tree_map_with_path(function, *trees)
    outer = jax.tree.structure(trees[0])
    return jax.tree.transpose(outer, jax.tree.structure((0,) * outputs), mapped)
