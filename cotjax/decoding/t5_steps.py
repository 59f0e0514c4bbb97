"""A T5 that writes: its encoder reads a batch once, then its decoder takes token after token."""

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from cotjax.models.t5 import T5, T5Config, empty_cache

STACKS = ("encoder", "decoder")


def read(config: T5Config, params: dict, tokens: Array, segments: Array) -> Any:
    """What cross-attention reads of inputs [rows, S]: the encoder's keys and values of each layer.

    Computed once, and never repeated for the beams or samples of an input. Parameters are those of
    `unstack`.
    """
    run = _runner(config, params)
    return apart(run(T5.cross_cache, run(T5.encode, tokens, segments)))


def feed(
    config: T5Config,
    params: dict,
    tokens: Array,
    time: Array,
    cache: Any,
    cross: Any,
    segments: Array,
    seen: Array,
) -> tuple[Array, Any]:
    """Logits [rows, width, vocab] after tokens [rows, width], and the cache; see `T5.decode_step`.

    Parameters are those of `unstack`, the cache is that of `new_cache`, and `cross` that of `read`.
    """
    run = _runner(config, params)
    stacked = together(cache), together(cross)
    logits, cache = run(T5.decode_step, tokens, time, *stacked, segments, seen)
    return logits, apart(cache)


def new_cache(config: T5Config, rows: int, length: int) -> Any:
    """An empty cache of `length` tokens a row, as `feed` takes it."""
    return apart(empty_cache(config, rows, length))


@functools.partial(jax.jit, static_argnums=0)
def unstack(config: T5Config, params: dict) -> dict:
    """The parameters as decoding reads them, for many batches; again, they stay as they are.

    Layers apart, and weights as products read them: cast once, and not at every token.
    """

    def cast(path: tuple, leaf: Array) -> Array:
        read = path[-1].key == "kernel" or path[0].key == "shared"
        return leaf.astype(config.dtype) if read else leaf

    params = jax.tree_util.tree_map_with_path(cast, params)
    return params | {s: {**params[s], "layers": apart(params[s]["layers"])} for s in STACKS}


def _runner(config: T5Config, params: dict) -> Callable:
    """Applies the model without a loop over layers, which would copy the caches at every token."""
    model = T5(dataclasses.replace(config, scan_layers=False))
    stacks = {s: {**params[s], "layers": together(params[s]["layers"])} for s in STACKS}

    def run(method: Callable, *arguments: Any) -> Any:
        return model.apply({"params": params | stacks}, *arguments, method=method)

    return run


def apart(tree: Any) -> list[Any]:
    """A tree for each layer, from one of stacked layers; what is apart already stays as it is.

    Unrolled layers read slices of the stacked arrays, and XLA would copy all weights and caches at
    every token. Taken apart before the loop and put `together` inside it, where XLA sees through
    the stack to the single layer, weights are copied once and caches updated in place.
    """
    if isinstance(tree, list):
        return tree
    numbers = range(len(jax.tree.leaves(tree)[0]))
    return [jax.tree.map(operator.itemgetter(number), tree) for number in numbers]


def together(layers: list[Any]) -> Any:
    """One tree of stacked layers."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)
