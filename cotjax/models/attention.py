"""T5's attention: the learnt bias of relative positions, and the sublayers that attend."""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cotjax.models import tpu_attention
from cotjax.models.dropout import Dropout
from cotjax.models.linear import dense, norm
from cotjax.models.t5_config import T5Config
from cotjax.models.tpu_attention import MASKED_SCORE, Segments


class Mask(NamedTuple):
    """Which keys queries may read.

    Attributes:
      allowed: bool [batch, 1, query, key], or one query for all.
      segments: What this was made of; None where single tokens are decoded.
    """

    allowed: Array
    segments: Segments | None = None


def segment_mask(query: Array, key: Array, causal: bool = False) -> Mask:
    """Where queries [batch, q] and keys [batch, k] share a segment, and no key is a later token."""
    allowed = (query[:, :, None] == key[:, None]) & (query > 0)[:, :, None]
    if causal:
        allowed &= jnp.tril(jnp.ones(allowed.shape[1:], bool))
    return Mask(allowed[:, None], Segments(query, key, causal))


def relative_buckets(
    positions: np.ndarray, *, bidirectional: bool, num_buckets: int, max_distance: int
) -> np.ndarray:
    """Maps relative positions (key minus query) to buckets, one each when near, wider when far.

    Section 2.1 of Raffel et al. (2020). Lengths are known when a function is traced, so this is
    numpy; float32, so that the borders between buckets lie where the released weights learnt them.
    """
    first = np.zeros_like(positions)
    distance = np.maximum(-positions, 0)
    if bidirectional:
        num_buckets //= 2
        first = np.where(positions > 0, num_buckets, 0)
        distance = np.abs(positions)
    exact = num_buckets // 2
    ratio = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(exact))
    span = np.float32(np.log(max_distance / exact))
    far = exact + (ratio / span * np.float32(num_buckets - exact)).astype(np.int32)
    return first + np.where(distance < exact, distance, np.minimum(far, num_buckets - 1))


class RelativeBias(nn.Module):
    """The bias on attention scores, one number for each bucket and head, shared by a stack."""

    config: T5Config
    bidirectional: bool

    def setup(self):
        """Makes the table [buckets, heads]."""
        config = self.config
        self.embedding = self.param(
            "embedding",
            nn.initializers.normal(config.d_model**-0.5),
            (config.relative_attention_num_buckets, config.num_heads),
            config.wide_dtype,
        )

    def __call__(self, length: int) -> Array:
        """Bias of every query and key, [1, heads, length, length].

        Gathers each relative position once. A band of 2 * length numbers, repeated and read as rows
        that are one shorter, moves one place from query to query. (To gather every pair would make
        the gradient a scatter of length ** 2 numbers into a few buckets.)
        """
        band = self._band(1 - length, length)  # [heads, 2 * length]
        repeated = jnp.tile(band, (1, length))[:, length - 1 : -1]
        return repeated.reshape(1, -1, length, 2 * length - 1)[..., :length]

    def ring(self, time: Array, length: int) -> Array:
        """Bias of a query at `time` for the last `length` keys, [1, heads, 1, length].

        They stand in a ring, in which the place of time t is t % length.
        """
        band = jnp.tile(self._band(1 - length, 0), (1, 2))
        ring = jax.lax.dynamic_slice_in_dim(band, (-time - 1) % length, length, axis=1)
        return ring[None, :, None]

    def _band(self, first: int, last: int) -> Array:
        """Bias of the relative positions from `first` to `last`, [heads, positions]."""
        buckets = relative_buckets(
            np.arange(first, last + 1),
            bidirectional=self.bidirectional,
            num_buckets=self.config.relative_attention_num_buckets,
            max_distance=self.config.relative_attention_max_distance,
        )
        return self.embedding[buckets].T


class Attention(nn.Module):
    """A residual attention sublayer: x + dropout(out(attention(norm(x))))."""

    config: T5Config

    def setup(self):
        """Makes the norm and the four linear maps."""
        config = self.config
        joined = config.num_heads * config.d_kv
        # T5 doesn't divide the scores by sqrt(d_kv); the query's initialisation does it instead.
        self.norm = norm(config)
        self.query = dense(config, joined, (config.d_model * config.d_kv) ** -0.5)
        self.key = dense(config, joined, config.d_model**-0.5)
        self.value = dense(config, joined, config.d_model**-0.5)
        self.out = dense(config, config.d_model, joined**-0.5)
        self.dropout = Dropout(config.dropout_rate)

    def key_value(self, memory: Array) -> tuple[Array, Array]:
        """Keys and values [batch, heads, length, d_kv] of a memory [batch, length, d_model]."""
        return self._split(self.key(memory)), self._split(self.value(memory))

    def __call__(
        self, x: Array, mask: Mask, bias: Array | None = None, *, deterministic: bool = True
    ) -> Array:
        """Self-attention of x [batch, length, d_model]."""
        normed = self.norm(x)
        key, value = self.key_value(normed)
        return x + self._attend(normed, key, value, mask, bias, deterministic)

    def read(
        self, x: Array, key: Array, value: Array, mask: Mask, *, deterministic: bool = True
    ) -> Array:
        """Attention of x [batch, query, d_model] to the keys and values of an encoder."""
        return x + self._attend(self.norm(x), key, value, mask, None, deterministic)

    def step(
        self, x: Array, cache: dict[str, Array], place: Array, mask: Mask, bias: Array
    ) -> tuple[Array, dict[str, Array]]:
        """Self-attention of tokens x [rows, beams, d_model], which join the cache at `place`."""
        normed = self.norm(x)
        key, value = self.key_value(normed)
        cache = {
            "key": jax.lax.dynamic_update_slice_in_dim(cache["key"], key, place, axis=2),
            "value": jax.lax.dynamic_update_slice_in_dim(cache["value"], value, place, axis=2),
        }
        key, value = cache["key"], cache["value"]
        return x + self._attend(normed, key, value, mask, bias, True), cache

    def _kernel(self, query: Array, key: Array, mask: Mask) -> str:
        """What computes attention: a fused kernel only for whole sequences, and without weights."""
        if mask.segments is None or self.is_mutable_collection("intermediates"):
            return "xla"
        if self.config.attention == "pallas" and not tpu_attention.takes(query, key):
            return "xla"
        return self.config.attention

    def _attend(self, normed, key, value, mask, bias, deterministic):
        query = self._split(self.query(normed))
        if not deterministic:
            value = value * self._kept_keys(value)
        kernel = self._kernel(query, key, mask)
        if kernel == "cudnn":
            attended = _by_cudnn(query, key, value, mask.allowed, bias)
        elif kernel == "pallas":
            attended = tpu_attention.attend(query, key, value, mask.segments, bias)
        else:
            scores = self._scores(query, key, mask.allowed, bias)
            if self.is_mutable_collection("intermediates"):  # somebody wants them
                self.sow("intermediates", "weights", nn.softmax(scores).astype(value.dtype))
            attended = _weighted(scores, value)
        joined = attended.reshape(*attended.shape[:2], -1)
        return self.dropout(self.out(joined), deterministic=deterministic)

    def _scores(self, query, key, mask, bias):
        """What the softmax makes weights of, [batch, heads, query, key]."""
        scores = jnp.einsum(
            "bhqd,bhkd->bhqk", query, key, preferred_element_type=self.config.wide_dtype
        )
        if bias is not None:
            scores += _of_rows(bias, len(scores))
        return jnp.where(mask, scores, MASKED_SCORE)

    def _kept_keys(self, value):
        """Dropout of attention weights: what each key counts, [batch, heads, key, 1].

        All queries of a row lose the same keys, as in T5's own code (Mesh TensorFlow and t5x, whose
        dropout is broadcast along the queries): nothing as large as the weights is drawn or kept.
        Packed replies that read the same input lose the same of its keys.
        """
        return self.dropout(jnp.ones((*value.shape[:3], 1), value.dtype), deterministic=False)

    def _split(self, joined: Array) -> Array:
        """[batch, length, heads * d_kv] -> [batch, heads, length, d_kv], as products want it."""
        shape = (*joined.shape[:-1], self.config.num_heads, self.config.d_kv)
        return joined.reshape(shape).swapaxes(1, 2)


def _by_cudnn(query: Array, key: Array, value: Array, mask: Array, bias: Array | None) -> Array:
    """Attention by cuDNN [batch, query, heads, d_kv], which keeps no weights in memory."""
    heads_inside = (one.swapaxes(1, 2) for one in (query, key, value))
    if bias is not None:
        bias = bias.astype(query.dtype)
    return jax.nn.dot_product_attention(
        *heads_inside, bias=bias, mask=mask, scale=1.0, implementation="cudnn"
    )


@jax.custom_vjp
def _weighted(scores: Array, value: Array) -> Array:
    """The mean of values [batch, heads, key, d] by softmax(scores), [batch, query, heads, d].

    What is as large as the scores is passed over as rarely as in FlashAttention (Dao et al. 2022,
    arXiv:2205.14135, appendix B), though it is kept: the exponentials are not divided by their
    sums, but the means are; and in the backward pass sums over keys become sums over d.
    """
    return _weighted_forward(scores, value)[0]


def _weighted_forward(scores: Array, value: Array) -> tuple[Array, tuple[Array, ...]]:
    exponentials = jnp.exp(scores - scores.max(axis=-1, keepdims=True))
    total = exponentials.sum(axis=-1).swapaxes(1, 2)[..., None]  # [batch, query, heads, 1]
    exponentials = exponentials.astype(value.dtype)
    # Turned round afterwards: XLA's CPU compiler has no fast product that does it itself.
    mean = jnp.einsum("bhqk,bhkd->bhqd", exponentials, value).swapaxes(1, 2) / total
    mean = mean.astype(value.dtype)
    return mean, (exponentials, total, value, mean)


def _weighted_backward(kept: tuple[Array, ...], gradient: Array) -> tuple[Array, Array]:
    exponentials, total, value, mean = kept
    shares = (gradient / total).astype(value.dtype)
    of_value = jnp.einsum("bhqk,bqhd->bhkd", exponentials, shares)
    of_weights = jnp.einsum("bqhd,bhkd->bhqk", shares, value, preferred_element_type=total.dtype)
    along_mean = jnp.sum(shares * mean, axis=-1, dtype=total.dtype).swapaxes(1, 2)[..., None]
    return exponentials * (of_weights - along_mean), of_value


_weighted.defvjp(_weighted_forward, _weighted_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _of_rows(bias: Array, rows: int) -> Array:
    """A bias [1, ...] for so many rows.

    Its gradient adds up over rows by a product: XLA's sum over the first axis takes 50 times as
    long on a CPU.
    """
    return jnp.broadcast_to(bias, (rows, *bias.shape[1:]))


def _of_rows_forward(bias: Array, rows: int) -> tuple[Array, None]:
    return _of_rows(bias, rows), None


def _of_rows_backward(rows: int, _: None, gradient: Array) -> tuple[Array]:
    ones, exactly = jnp.ones(rows, gradient.dtype), jax.lax.Precision.HIGHEST
    return (jnp.einsum("r,r...->...", ones, gradient, precision=exactly)[None],)


_of_rows.defvjp(_of_rows_forward, _of_rows_backward)
