"""T5's attention as one TPU kernel: scores, bias, softmax and mean never leave the chip.

XLA writes scores [rows, heads, query, key] to main memory and reads them again, several times a
layer. A kernel for TPUs that JAX brings takes a bias only as an array of just that size, or none.
Here all keys of a block of queries are there at once, so that its softmax needs no second pass, and
rows run innermost: a head's bias is read once for all of them, and its gradient adds up on the
chip. As in FlashAttention (Dao et al. 2022, arXiv:2205.14135, section 3.1) the backward pass
computes weights again, and keeps nothing but what it was given.
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.sharding import PartitionSpec as P

from cotjax.mesh import mesh_axis

# Finite, so that a query without any key gets a uniform softmax and never NaN.
MASKED_SCORE = -1e9
LANES = 128  # numbers side by side in a register: the least width of a block
# Of a block, all of its heads together: 2 MiB, as are those of a bias and its gradient, which are
# fetched ahead, so that a TPU's 16 MiB on the chip hold them twice, and what is worked on.
BLOCK_SCORES = 2 * 512 * 512


class Segments(NamedTuple):
    """Which keys a query reads: those of its segment, and of these none behind it where causal.

    Attributes:
      query: int32 [rows, query], 0 for what reads nothing.
      key: int32 [rows, key]
      causal: Whether queries and keys are the same tokens, read from left to right.
    """

    query: Array
    key: Array
    causal: bool


def attend(query: Array, key: Array, value: Array, segments: Segments, bias: Array | None) -> Array:
    """The means of values that queries read, [rows, query, heads * d_kv].

    Each device computes its own rows and heads, as the mesh in context splits them.

    Args:
      query: [rows, heads, query, d_kv]
      key, value: [rows, heads, key, d_kv]
      segments: Which keys are read.
      bias: Float32 [1, heads, query, key], the same for all rows.
    """
    rows, heads, _, width = query.shape
    run = functools.partial(_attend, width, segments.causal)
    mesh = jax.sharding.get_abstract_mesh()
    if not mesh.empty:
        split = mesh_axis("batch", rows, mesh), mesh_axis("heads", heads, mesh)
        joined, of_rows, of_heads = P(split[0], None, split[1]), P(split[0]), P(split[1])
        specs = (joined, joined, joined, of_rows, of_rows, of_heads)
        # The gradient of what all rows share is added up over the devices that hold them.
        run = jax.shard_map(run, in_specs=specs, out_specs=joined, check_vma=False)
    whole = (_join(one) for one in (query, key, value))
    ids = (one.astype(jnp.int32)[:, None] for one in segments[:2])
    return run(*whole, *ids, () if bias is None else (bias[0],))


def takes(query: Array, key: Array) -> bool:
    """Whether `attend` is for such arrays: lengths that fill registers, and keys for one block."""
    scores = _heads_abreast(query.shape[3]) * LANES * key.shape[2]
    return query.shape[2] % LANES == key.shape[2] % LANES == 0 and scores <= BLOCK_SCORES


def _join(split: Array) -> Array:
    """[rows, heads, length, d_kv] -> [rows, length, heads * d_kv], as linear maps have it."""
    return split.swapaxes(1, 2).reshape(len(split), split.shape[2], -1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _attend(width, causal, query, key, value, queries, keys, biases):
    """What `attend` gives, of arrays as the kernel reads them: one bias or none."""
    cut = _Cut.of(width, causal, query, key)
    return pl.pallas_call(
        functools.partial(_forward_kernel, cut, len(biases)),
        grid=cut.grid,
        in_specs=cut.given(len(biases)),
        out_specs=cut.of_queries,
        out_shape=jax.ShapeDtypeStruct(query.shape, query.dtype),
        compiler_params=_ORDER,
        cost_estimate=cut.cost(2, query, query, key, value, *biases),
    )(query, key, value, queries, keys, *biases)


def _attend_forward(width, causal, *arrays):
    return _attend(width, causal, *arrays), arrays


def _attend_backward(width, causal, arrays, gradient):
    *whole, biases = arrays
    query, key = whole[:2]
    cut = _Cut.of(width, causal, query, key)
    # Each block of queries finds its own part of the gradients of keys and values.
    blocks = cut.grid[1]
    of_keys = jax.ShapeDtypeStruct((blocks, *key.shape), key.dtype if blocks == 1 else jnp.float32)
    of_query, of_key, of_value, *of_bias = pl.pallas_call(
        functools.partial(_backward_kernel, cut, len(biases)),
        grid=cut.grid,
        in_specs=[cut.of_queries, *cut.given(len(biases))],
        out_specs=[cut.of_queries, *[cut.of_key_parts] * 2, *[cut.of_bias] * len(biases)],
        out_shape=[
            jax.ShapeDtypeStruct(query.shape, query.dtype),
            *[of_keys] * 2,
            *(jax.ShapeDtypeStruct(one.shape, jnp.float32) for one in biases),
        ],
        compiler_params=_ORDER,
        cost_estimate=cut.cost(5, gradient, query, *whole[:3], key, key, *biases, *biases),
    )(gradient, *whole, *biases)
    of_key, of_value = (parts.sum(axis=0).astype(key.dtype) for parts in (of_key, of_value))
    return of_query, of_key, of_value, None, None, tuple(of_bias)


_attend.defvjp(_attend_forward, _attend_backward)

_ORDER = pltpu.CompilerParams(dimension_semantics=("parallel", "parallel", "arbitrary"))


@dataclasses.dataclass(frozen=True)
class _Cut:
    """How the work is cut: blocks of heads and of queries, and for each of them all rows in turn.

    Attributes:
      grid: Blocks of heads, blocks of queries, rows.
      heads: In a block: as few as fill registers side by side, or all if that doesn't divide them.
      width: Of a head.
      queries, keys: In a block; all keys are.
      causal: See `Segments`.
    """

    grid: tuple[int, int, int]
    heads: int
    width: int
    queries: int
    keys: int
    causal: bool

    @classmethod
    def of(cls, width: int, causal: bool, query: Array, key: Array) -> "_Cut":
        """The cut for queries and keys [rows, length, heads * width]."""
        (rows, length, joined), keys = query.shape, key.shape[1]
        heads = _heads_abreast(width)
        if joined % (heads * width):
            heads = joined // width
        queries = _block(length, heads * keys * query.dtype.itemsize // 2)
        grid = joined // (heads * width), length // queries, rows
        return cls(grid, heads, width, queries, keys, causal)

    def given(self, biases: int) -> list[pl.BlockSpec]:
        """Blocks of what is read: queries, keys, values, segments of queries and keys, a bias."""
        of_keys = pl.BlockSpec((None, self.keys, self._joined), lambda h, i, r: (r, 0, h))
        query_ids = pl.BlockSpec((None, 1, self.queries), lambda h, i, r: (r, 0, i))
        key_ids = pl.BlockSpec((None, 1, self.keys), lambda h, i, r: (r, 0, 0))
        return [self.of_queries, of_keys, of_keys, query_ids, key_ids, *[self.of_bias] * biases]

    @property
    def of_queries(self) -> pl.BlockSpec:
        """Of queries, of what they find, and of their gradients."""
        return pl.BlockSpec((None, self.queries, self._joined), lambda h, i, r: (r, i, h))

    @property
    def of_key_parts(self) -> pl.BlockSpec:
        """Of gradients of keys and values [blocks of queries, rows, keys, heads * width]."""
        return pl.BlockSpec((None, None, self.keys, self._joined), lambda h, i, r: (i, r, 0, h))

    @property
    def of_bias(self) -> pl.BlockSpec:
        """Of a bias and its gradient [heads, query, key]: one for all rows."""
        return pl.BlockSpec((self.heads, self.queries, self.keys), lambda h, i, r: (h, i, 0))

    def cost(self, products: int, *moved: Array) -> pl.CostEstimate:
        """What so many products of all scores take, for XLA's plan of what to do meanwhile."""
        scores = math.prod(self.grid) * self.heads * self.queries * self.keys
        return pl.CostEstimate(
            flops=2 * products * scores * self.width,
            transcendentals=scores,
            bytes_accessed=sum(one.size * one.dtype.itemsize for one in moved),
        )

    @property
    def _joined(self) -> int:
        return self.heads * self.width


def _heads_abreast(width: int) -> int:
    """How many heads fill registers side by side."""
    return LANES // math.gcd(LANES, width)


def _block(queries: int, scores: int) -> int:
    """How many queries stand in a block, if each has so many scores, wider ones counted twice."""
    sizes = [size for size in range(LANES, queries + 1, LANES) if queries % size == 0]
    return max((size for size in sizes if size * scores <= BLOCK_SCORES), default=LANES)


def _forward_kernel(cut, biases, query, key, value, queries, keys, *rest):
    bias, (out,) = rest[:biases], rest[biases:]
    seen = _seen(cut, queries, keys)
    for head in range(cut.heads):
        at = slice(head * cut.width, (head + 1) * cut.width)
        weights, total = _weights(query[:, at], key[:, at], seen, [one[head] for one in bias])
        mean = _product(weights.astype(value.dtype), value[:, at]) / total
        out[:, at] = mean.astype(out.dtype)


def _backward_kernel(cut, biases, gradient, query, key, value, queries, keys, *rest):
    bias, (of_query, of_key, of_value, *of_bias) = rest[:biases], rest[biases:]
    seen = _seen(cut, queries, keys)

    @pl.when(pl.program_id(2) == 0)
    def _():
        for one in of_bias:
            one[...] = jnp.zeros_like(one)

    for head in range(cut.heads):
        at = slice(head * cut.width, (head + 1) * cut.width)
        weights, total = _weights(query[:, at], key[:, at], seen, [one[head] for one in bias])
        shares = (gradient[:, at] / total).astype(value.dtype)
        of_weights = _product(shares, value[:, at].T)
        along_mean = jnp.sum(weights * of_weights, axis=1, keepdims=True) / total
        of_scores = jnp.where(seen, weights * (of_weights - along_mean), 0.0)
        for one in of_bias:
            one[head] += of_scores
        narrow = of_scores.astype(key.dtype)
        of_query[:, at] = _product(narrow, key[:, at]).astype(of_query.dtype)
        of_key[:, at] = _product(narrow.T, query[:, at]).astype(of_key.dtype)
        of_value[:, at] = _product(weights.astype(value.dtype).T, shares).astype(of_value.dtype)


def _seen(cut, queries, keys):
    """Whether a query sees a key, bool [block, keys]."""
    column = jnp.broadcast_to(queries[...], (LANES, queries.shape[1])).T[:, :1]
    seen = (column == keys[...]) & (column > 0)
    if cut.causal:
        row, place = (jax.lax.broadcasted_iota(jnp.int32, seen.shape, axis) for axis in (0, 1))
        seen &= place <= row + pl.program_id(1) * seen.shape[0]
    return seen


def _weights(query, key, seen, bias):
    """What a query's keys weigh, float32 [block, keys], and their sums [block, 1]."""
    scores = _product(query, key.T)
    for one in bias:
        scores += one
    scores = jnp.where(seen, scores, MASKED_SCORE)
    weights = jnp.exp(scores - jnp.max(scores, axis=1, keepdims=True))
    return weights, jnp.sum(weights, axis=1, keepdims=True)


def _product(left, right):
    return jnp.dot(left, right, preferred_element_type=jnp.float32)
