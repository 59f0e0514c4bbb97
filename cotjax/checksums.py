"""Checksums of a tree of arrays: computed where they lie, and the same on every mesh."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def checksums(tree: Any) -> dict[str, str]:
    """`dtype:sum` of every leaf, by its path `a/b/c`; waits for them to be computed.

    A sum is of 32-bit hashes of all bits at their positions. Integers add up to the same in any
    order, so that it doesn't depend on the sharding. One changed number always changes it.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    # One program: the sums of several could cross between hosts, which would wait for ever.
    sums = jax.device_get(_sums([leaf for _, leaf in leaves]))
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): f"{leaf.dtype}:{int(total):08x}"
        for (path, leaf), total in zip(leaves, sums, strict=True)
    }


def changed(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Paths whose checksums differ; what was read in another dtype can't be compared."""
    return [
        path
        for path, text in found.items()
        if path in expected and _dtype(expected[path]) == _dtype(text) and expected[path] != text
    ]


def _dtype(text: str) -> str:
    return text.partition(":")[0]


@jax.jit
def _sums(leaves: list[jax.Array]) -> list[jax.Array]:
    return [_sum(leaf) for leaf in leaves]


def _sum(leaf: jax.Array) -> jax.Array:
    bits = _bits(leaf)
    position = jnp.zeros(bits.shape, jnp.uint32)
    for axis in range(bits.ndim):
        stride = math.prod(bits.shape[axis + 1 :]) % 2**32
        position += lax.broadcasted_iota(jnp.uint32, bits.shape, axis) * jnp.uint32(stride)
    return _mixed(bits ^ _mixed(position)).sum(dtype=jnp.uint32)


def _bits(leaf: jax.Array) -> jax.Array:
    """The bits of every number as uint32; those of 64-bit ones stand in a last axis of two."""
    size = leaf.dtype.itemsize
    if leaf.dtype == jnp.bool_:
        return leaf.astype(jnp.uint32)
    words = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint32}[size]
    return lax.bitcast_convert_type(leaf, words).astype(jnp.uint32)


def _mixed(x: jax.Array) -> jax.Array:
    """A bijection whose output bits depend on all input bits: the end of MurmurHash3."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
