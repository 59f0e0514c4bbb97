"""Importance by gradients: integrated and expected gradients, and gradient times input.

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

    Wadhwa et al. (2024) choose a rationale's key tokens by them. The path runs straight from a
    baseline, the embedding of the unknown token at every token of the rationale, to its own
    embeddings. (Embeddings of zero would not do: RMS norm divides by the length of what it is
    given, so all change would happen in the first thousandth of the path.)

    Returns:
      `scores` [rows, num_words], and `gain` [rows]: how much likelier the rationale makes the label
      than the baseline does, in nats, to which the scores add up.
    """
    unknown = jnp.full_like(batch["words"], explained.unknown)
    return _from_baseline(explained, params, batch, unknown, steps)


def expected_gradients(
    explained: Explained, params: Any, batch: Batch, steps: int = STEPS
) -> Results:
    """Integrated gradients, the mean over several baselines.

    Expected gradients of Erion et al. (2021, "Improving performance of deep learning models with
    axiomatic attribution priors and expected gradients", arXiv:1906.10670). A baseline is another
    rationale, of another label, word for word in this one's place (see `donors`): what both say
    alike, such as a template's words, scores exactly 0. The paper draws one point of each path;
    here every path is walked as above, so that the scores of each example add up.

    Args:
      batch: With `donors` [rows, donors, S or T]: what stands at the rationale's tokens instead.

    Returns:
      As above; `gain` is the mean over the baselines.
    """

    def from_donor(baseline: Array) -> Results:
        return _from_baseline(explained, params, batch, baseline, steps)

    found = jax.lax.map(from_donor, batch["donors"].swapaxes(0, 1))
    return {name: values.mean(axis=0) for name, values in found.items()}


def _from_baseline(
    explained: Explained, params: Any, batch: Batch, baseline: Array, steps: int
) -> Results:
    """Integrated gradients on the way from other tokens, [rows, S or T], where the rationale is.

    Of the part of the way that the batch's `path` says; those of all parts add up.
    `steps` forward passes find where F bends, half of them coarsely and half where these say so,
    and `steps` gradients are taken there: see `_closer`. One point of the path is held at a time.
    """
    end = explained.side(params, batch)
    start = explained.embed(params, baseline)
    way = jnp.where(batch["words"][..., None] > 0, end - start, 0)
    gradient = _gradient(explained, params, batch)

    def on_path(where: Array) -> Array:
        return end - (1 - where)[:, None, None] * way  # [rows, S or T, d_model]

    def look(_: None, where: Array) -> tuple[None, Array]:
        return None, explained.logprobs(params, batch, on_path(where))

    def add(total: Array, point: tuple[Array, Array]) -> tuple[Array, None]:
        where, weight = point
        return total + weight[:, None, None] * gradient(on_path(where)), None

    half = max(steps // 2, 2)
    first, last = batch["path"].astype(end.dtype).T
    places = jnp.linspace(first, last, half + 1)  # [half + 1, rows]
    for number in (half, steps):
        _, values = jax.lax.scan(look, None, places)
        places = _closer(places, values, number)
    points = (places[1:] + places[:-1]) / 2, jnp.diff(places, axis=0)
    mean, _ = jax.lax.scan(add, jnp.zeros_like(end), points)
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


def _closer(places: Array, values: Array, number: int) -> Array:
    """Cuts the path into `number` intervals that are short where F bends, [number + 1, rows].

    Non-uniform steps (Bhat and Raychowdhury, 2023, arXiv:2302.11107), here as dense as the square
    root of F's second derivative: a converged student's label turns from unlikely to certain within
    a few hundredths of the path. A tenth of them is spread evenly, for bends that were not seen.

    Args:
      places: Where F was looked at, [places, rows], rising.
      values: F there.
      number: Of intervals.
    """
    width = jnp.diff(places, axis=0)
    slope = jnp.diff(values, axis=0) / width
    bend = 2 * jnp.abs(jnp.diff(slope, axis=0)) / (width[1:] + width[:-1])
    bend = jnp.pad(bend, ((1, 1), (0, 0)), mode="edge")  # at all places
    share = width * jnp.sqrt(jnp.maximum(bend[1:], bend[:-1]))
    share = 0.9 * share / jnp.maximum(share.sum(axis=0), 1e-9) + 0.1 * width / width.sum(axis=0)
    reached = jnp.pad(jnp.cumsum(share, axis=0), ((1, 0), (0, 0)))
    even = jnp.linspace(0, 1, number + 1, dtype=places.dtype)
    cut = jax.vmap(lambda there, place: jnp.interp(even, there, place), in_axes=1, out_axes=1)
    return cut(reached / reached[-1], places)
