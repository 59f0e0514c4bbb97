"""Attention to a text that lies in several parts, each read where it is.

The softmax over all keys is put together from one over the keys of each part: what they found,
how high their scores were, and how much they weighed (online softmax: Milakov and Gimelshein,
2018, arXiv:1805.02867; FlashAttention's: Dao et al., 2022, arXiv:2205.14135, section 3.1).
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from cotjax.models import causal
from cotjax.models.attention import MASKED_SCORE
from cotjax.models.causal_config import CausalConfig


class KeyValue(NamedTuple):
    """Keys and values of one layer, [..., length, head_dim]."""

    key: Array
    value: Array


class Found(NamedTuple):
    """What queries found in a part.

    Attributes:
      value: [..., head_dim], the sum of the part's values times exp(score - highest).
      highest: [..., 1], of the scores.
      total: [..., 1], the sum of exp(score - highest).
    """

    value: Array
    highest: Array
    total: Array


def look(config: CausalConfig, query: Array, part: KeyValue, seen: Array) -> Found:
    """What queries find in one part.

    Args:
      config: Of the teacher.
      query: [..., queries, group, head_dim]; the query heads of a group share a key-value head.
      part: [..., keys, head_dim], with leading axes as the query's.
      seen: Whether a query sees a key, bool [..., queries, keys] or what broadcasts to it.
    """
    *outer, queries, group, width = query.shape
    rows = queries * group  # one matrix of all queries and the heads of their groups
    scores = jnp.einsum(
        "...qd,...kd->...qk",
        query.reshape(*outer, rows, width),
        part.key,
        preferred_element_type=config.wide_dtype,
    )
    scores = causal.soft_cap(scores * config.query_scale, config.attention_soft_cap)
    scores = scores.reshape(*outer, queries, group, part.key.shape[-2])
    scores = jnp.where(seen[..., None, :], scores, MASKED_SCORE)
    # A part may hold no keys: then nothing is found there, and it counts for nothing.
    highest = jnp.max(scores, axis=-1, keepdims=True, initial=MASKED_SCORE)
    weights = jnp.exp(scores - highest)
    value = jnp.einsum(
        "...qk,...kd->...qd",
        weights.astype(part.value.dtype).reshape(*outer, rows, part.value.shape[-2]),
        part.value,
        preferred_element_type=config.wide_dtype,
    )
    return Found(value.reshape(query.shape), highest, jnp.sum(weights, axis=-1, keepdims=True))


def join(parts: Sequence[Found]) -> Array:
    """What queries [..., head_dim] find in all parts; each must see a key in one of them."""
    highest = functools.reduce(jnp.maximum, (part.highest for part in parts))
    shares = [jnp.exp(part.highest - highest) for part in parts]
    value = sum(share * part.value for share, part in zip(shares, parts, strict=True))
    return value / sum(share * part.total for share, part in zip(shares, parts, strict=True))
