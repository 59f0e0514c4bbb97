"""Importance by gradients: integrated gradients, and gradient times input.

F is the log-probability of the label and what closes it, given question and rationale; it is a
function of the embeddings of the rationale's tokens alone.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from cotjax.attribution.forward import Batch, Explained, Results

STEPS = 64


def integrated_gradients(
    explained: Explained, params: Any, batch: Batch, steps: int = STEPS
) -> Results:
    """Integrated gradients (Sundararajan et al., 2017, arXiv:1703.01365, equation 3).

    The path runs straight from a baseline, the embedding of the unknown token at every token of the
    rationale, to its own embeddings. (Embeddings of zero would not do: RMS norm divides by the
    length of what it is given, so all change would happen in the first thousandth of the path.)
    `steps` forward passes find where F bends, and `steps` gradients are taken there: see `_points`.
    One point of the path is held at a time.

    Returns:
      `scores` [rows, num_words], and `gain` [rows]: how much likelier the rationale makes the label
      than the baseline does, in nats, to which the scores add up.
    """
    end = explained.side(params, batch)
    unknown = explained.embed(params, jnp.full_like(batch["words"], explained.unknown))
    way = jnp.where(batch["words"][..., None] > 0, end - unknown, 0)
    gradient = _gradient(explained, params, batch)

    def on_path(where: Array) -> Array:
        return end - (1 - where)[:, None, None] * way  # [rows, S or T, d_model]

    def look(_: None, where: Array) -> tuple[None, Array]:
        return None, explained.logprobs(params, batch, on_path(jnp.full(len(end), where)))

    def add(total: Array, point: tuple[Array, Array]) -> tuple[Array, None]:
        where, weight = point
        return total + weight[:, None, None] * gradient(on_path(where)), None

    grid = jnp.linspace(0, 1, steps + 1, dtype=end.dtype)
    _, values = jax.lax.scan(look, None, grid)  # [steps + 1, rows]
    mean, _ = jax.lax.scan(add, jnp.zeros_like(end), _points(grid, values))
    by_token = jnp.sum(way * mean, axis=-1)
    return {"scores": explained.by_word(by_token, batch), "gain": values[-1] - values[0]}


def gradient_x_input(explained: Explained, params: Any, batch: Batch) -> Results:
    """The gradient at the rationale's embeddings times these (Shrikumar et al., 2016).

    Returns:
      `scores` [rows, num_words].
    """
    side = explained.side(params, batch)
    by_token = jnp.sum(side * _gradient(explained, params, batch)(side), axis=-1)
    return {"scores": explained.by_word(by_token, batch)}


def _gradient(explained: Explained, params: Any, batch: Batch):
    """Of F by the embeddings of the rationale's side; rows don't depend on each other."""
    return jax.grad(lambda side: explained.logprobs(params, batch, side).sum())


def _points(grid: Array, values: Array) -> tuple[Array, Array]:
    """Midpoints of intervals that are short where F bends, and their lengths, both [steps, rows].

    Non-uniform steps (Bhat and Raychowdhury, 2023, arXiv:2302.11107), here by the square root of
    F's second difference: a converged student's label turns from unlikely to certain within a few
    hundredths of the path. A quarter of the steps is spread evenly, for bends that the grid misses.

    Args:
      grid: [steps + 1] places on the path, evenly spaced.
      values: F at these, [steps + 1, rows].
    """
    steps = len(grid) - 1
    bend = jnp.pad(jnp.abs(jnp.diff(values, n=2, axis=0)), ((1, 1), (0, 0)), mode="edge")
    density = jnp.sqrt((bend[1:] + bend[:-1]) / 2)  # of each cell of the grid
    density = 0.75 * density / jnp.maximum(density.sum(axis=0), 1e-9) + 0.25 / steps
    share = jnp.pad(jnp.cumsum(density, axis=0), ((1, 0), (0, 0)))
    share = share / share[-1]
    edges = jax.vmap(lambda one: jnp.interp(grid, one, grid), in_axes=1, out_axes=1)(share)
    return (edges[1:] + edges[:-1]) / 2, jnp.diff(edges, axis=0)
