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


def begin(
    config: T5Config, params: dict, encoder_tokens: Array, encoder_segments: Array
) -> Callable[..., tuple[Array, Any]]:
    """Encodes a batch [batch, S], and returns a function that feeds its decoder.

    `feed(token, index, cache)` gives logits and cache after token [batch] at position `index`, and
    `feed(tokens, index, cache, seen)` after tokens [batch, beams]; see `T5.decode_step` and
    `T5.decode_beams`. The cache is that of `new_cache`. What cross-attention reads is computed here
    and once, and is never repeated for beams, nor for samples that `feed` is mapped over.
    """
    config = _unrolled(config)
    model, params = T5(config), _as_read(config, params)
    apart, together = layers_apart(config)

    def run(method: Callable, *arguments):
        """Applies the model, whose layers are put together where they are used."""
        stacks = {s: {**params[s], "layers": together(params[s]["layers"])} for s in STACKS}
        return model.apply({"params": params | stacks}, *arguments, method=method)

    encoded = run(T5.encode, encoder_tokens, encoder_segments)
    cross = apart(run(T5.cross_cache, encoded))

    def feed(token: Array, index: Array, cache: Any, *seen: Array) -> tuple[Array, Any]:
        method = T5.decode_beams if seen else T5.decode_step
        read = (together(cache), together(cross), encoder_segments)
        logits, cache = run(method, token, index, *read, *seen)
        return logits, apart(cache)

    return feed


def new_cache(config: T5Config, batch: int, length: int) -> Any:
    """An empty cache of `length` tokens a row, as `feed` takes it."""
    apart, _ = layers_apart(_unrolled(config))
    return apart(empty_cache(config, batch, length))


@functools.partial(jax.jit, static_argnums=0)
def unstack(config: T5Config, params: dict) -> dict:
    """The parameters as decoding reads them, for many batches.

    Decoding takes parameters as training has them too, but then copies all layers for every batch.
    """
    return _as_read(config, params)


def _unrolled(config: T5Config) -> T5Config:
    """The same model without a loop over layers, which would copy the caches at every token."""
    return dataclasses.replace(config, scan_layers=False)


def _as_read(config: T5Config, params: dict) -> dict:
    """Layers apart, and weights as products read them: cast once, and not at every token."""
    apart, _ = layers_apart(_unrolled(config))

    def cast(path: tuple, leaf: Array) -> Array:
        read = path[-1].key == "kernel" or path[0].key == "shared"
        return leaf.astype(config.dtype) if read else leaf

    params = jax.tree_util.tree_map_with_path(cast, params)
    stacks = {s: {**params[s], "layers": apart(params[s]["layers"])} for s in STACKS}
    return params | stacks


def layers_apart(config: T5Config) -> tuple[Callable, Callable]:
    """Two functions that take a tree of stacked layers apart and put it together again.

    Unrolled layers read slices of the stacked arrays, and XLA would copy all weights and caches at
    every token. Taken apart before the loop and put together inside it, where XLA sees through the
    stack to the single layer, weights are copied once and caches updated in place. What is apart
    already stays as it is.
    """

    def apart(tree):
        if isinstance(tree, list):
            return tree
        numbers = range(len(jax.tree.leaves(tree)[0]))
        return [jax.tree.map(operator.itemgetter(number), tree) for number in numbers]

    def together(layers):
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)

    return (lambda tree: tree, lambda tree: tree) if config.scan_layers else (apart, together)
