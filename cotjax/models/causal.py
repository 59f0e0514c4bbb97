"""The decoder of the Llama family: one model for Llama, Mistral, Qwen2, Qwen3 and Gemma 2 and 3.

A teacher is never trained here, so plain functions of nested dicts are simpler than Flax modules.
They work on states [..., hidden_size] with any leading axes: [batch, length] for whole texts,
[slots] for one token of many texts. The layers don't know where keys come from: they hand query,
key and value to a function `attend`, so that a forward pass and a sampler's caches share them.

`params["layers"]` is a dict of arrays stacked on axis 0, which a compiled loop runs over, or a
tuple of one dict a layer: on a CPU a matrix cut out of a stack would be copied before each product.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cotjax.mesh import constrain_batch, gather_width
from cotjax.models.attention import MASKED_SCORE
from cotjax.models.causal_config import CausalConfig

NO_WINDOW = np.iinfo(np.int32).max
ACTIVATIONS = {"silu": jax.nn.silu, "gelu_pytorch_tanh": jax.nn.gelu}


class LayerFlags(NamedTuple):
    """What tells layers apart, as numbers that a compiled loop can run over."""

    window: Any  # int32, positions that a query sees, its own included; NO_WINDOW for all
    frequencies: Any  # [head_dim / 2], radians a position
    magnitude: Any  # of rotated queries and keys


def layer_flags(config: CausalConfig) -> LayerFlags:
    """The flags of all layers, stacked on axis 0."""
    ropes = [kind.rope for kind in config.layers]
    return LayerFlags(
        np.array([kind.window or NO_WINDOW for kind in config.layers], np.int32),
        np.stack([rope.frequencies(config.head_dim) for rope in ropes]).astype(config.wide_dtype),
        np.array([rope.magnitude for rope in ropes], config.wide_dtype),
    )


def forward(config: CausalConfig, params: dict, tokens: Array, segments: Array) -> Array:
    """Logits [batch, length, vocab] of whole texts, in float32 (or float64).

    A token sees its own segment up to itself; `segments` [batch, length] is 0 on padding, which may
    stand anywhere. Positions count the tokens of a segment from 0.
    """
    same = (segments[:, :, None] == segments[:, None]) & (segments > 0)[:, None]
    earlier = jnp.tril(same)  # [batch, query, key]
    positions = jnp.sum(earlier, axis=-1, dtype=jnp.int32) - 1
    distance = positions[:, :, None] - positions[:, None]

    def attend(query, key, value, window, _):
        return attention(config, query, key, value, earlier & (distance < window)), None

    x = embed(config, params, tokens)
    x, _ = decoder_layers(config, params, x, positions, attend)
    return head(config, params, x)


def embed(config: CausalConfig, params: dict, tokens: Array) -> Array:
    """States [..., hidden_size] of tokens [...]."""
    embedded = jnp.take(gather_width(params["embed"]["embedding"]), tokens, axis=0)
    # The factor is rounded too, because Gemma was trained with the rounded one.
    return constrain_batch(embedded) * jnp.asarray(config.embedding_scale, config.dtype)


def decoder_layers(
    config: CausalConfig,
    params: dict,
    x: Array,
    positions: Array,
    attend: Callable[[Array, Array, Array, Any, Any], tuple[Array, Any]],
    caches: Any = None,
) -> tuple[Array, Any]:
    """Runs all layers on embedded tokens.

    Args:
      config: Of the model.
      params: Of the model.
      x: States [..., hidden_size] of the tokens.
      positions: Of the tokens in their texts, int32 [...].
      attend: As in `layer`, with the layer's part of `caches` as a fifth argument.
      caches: A tree of arrays with the layers on axis 0 where the parameters are stacked, else a
        sequence of one tree a layer. `attend` best hands back new keys and values alone, for the
        caller to write: a whole cache that it hands on, a compiled loop copies.

    Returns:
      The states before the final norm, and what `attend` handed back: stacked, or a list.
    """

    def run(x: Array, one: tuple) -> tuple[Array, Any]:
        layer_params, flags, cache = one

        def attend_here(query, key, value, window):
            return attend(query, key, value, window, cache)

        x, extra = layer(config, layer_params, flags, x, positions, attend_here)
        return constrain_batch(x), extra

    layers, flags = params["layers"], layer_flags(config)
    if isinstance(layers, dict):
        return jax.lax.scan(run, x, (layers, flags, caches))
    extras = []
    caches = [None] * len(layers) if caches is None else caches
    for one in zip(layers, map(LayerFlags._make, zip(*flags, strict=True)), caches, strict=True):
        x, extra = run(x, one)
        extras.append(extra)
    return x, extras


def layer(
    config: CausalConfig,
    params: dict,
    flags: LayerFlags,
    x: Array,
    positions: Array,
    attend: Callable[[Array, Array, Array, Any], tuple[Array, Any]],
) -> tuple[Array, Any]:
    """The next states of x [..., hidden_size], and what `attend` handed back.

    `attend` gets the query [..., heads, head_dim], the key and the value [..., key-value heads,
    head_dim], the first two rotated to their positions, and the layer's window. It returns what the
    queries found [..., heads, head_dim], and anything else.
    """
    attended, extra = _attend(config, params["attention"], flags, x, positions, attend)
    x = x + attended
    return x + _feed_forward(config, params["mlp"], x), extra


def _attend(config, params, flags, x, positions, attend) -> tuple[Array, Any]:
    normed = norm(config, params["norm"], x)
    query, key, value = (
        _linear(params[name], normed).reshape(*x.shape[:-1], -1, config.head_dim)
        for name in ("query", "key", "value")
    )
    if config.qk_norm:
        query = norm(config, params["query_norm"], query)
        key = norm(config, params["key_norm"], key)
    query, key = rotate(query, positions, flags), rotate(key, positions, flags)
    found, extra = attend(query, key, value, flags.window)
    joined = _linear(params["out"], found.reshape(*x.shape[:-1], -1))
    return _post_norm(config, params, joined), extra


def _feed_forward(config: CausalConfig, params: dict, x: Array) -> Array:
    normed = norm(config, params["norm"], x)
    gate = ACTIVATIONS[config.activation](_linear(params["gate"], normed))
    mapped = _linear(params["down"], gate * _linear(params["up"], normed))
    return _post_norm(config, params, mapped)


def head(config: CausalConfig, params: dict, x: Array) -> Array:
    """Logits [..., vocab] of final states x [..., hidden_size], in float32 (or float64)."""
    table = params.get("lm_head", params["embed"])["embedding"]
    normed = norm(config, params["final_norm"], x)
    logits = jnp.einsum("...d,vd->...v", normed, table, preferred_element_type=config.wide_dtype)
    return soft_cap(logits, config.logit_soft_cap)


def attention(
    config: CausalConfig, query: Array, key: Array, value: Array, visible: Array
) -> Array:
    """What each query finds, [batch, query, heads, head_dim].

    Args:
      config: Of the model.
      query: [batch, query, heads, head_dim]; neighbouring heads share a key-value head.
      key: [batch, key, key-value heads, head_dim].
      value: Of the same shape.
      visible: Whether a query sees a key, bool [batch, query, key].
    """
    grouped = query.reshape(*query.shape[:2], config.num_key_value_heads, -1, config.head_dim)
    scores = jnp.einsum("bqhgd,bkhd->bhgqk", grouped, key, preferred_element_type=config.wide_dtype)
    scores = soft_cap(scores * config.query_scale, config.attention_soft_cap)
    weights = jax.nn.softmax(jnp.where(visible[:, None, None], scores, MASKED_SCORE))
    return jnp.einsum("bhgqk,bkhd->bqhgd", weights.astype(value.dtype), value).reshape(query.shape)


def rotate(x: Array, positions: Array, flags: LayerFlags) -> Array:
    """Queries or keys x [..., heads, head_dim] turned to their positions [...].

    A pair is one number of each half of the head, as Hugging Face lays out its weights.
    """
    angles = positions[..., None, None] * jnp.asarray(flags.frequencies)
    cos, sin = jnp.cos(angles) * flags.magnitude, jnp.sin(angles) * flags.magnitude
    first, second = jnp.split(x, 2, axis=-1)
    turned = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return turned.astype(x.dtype)


def norm(config: CausalConfig, params: dict, x: Array) -> Array:
    """The root mean square norm over the last axis of x."""
    wide = x.astype(config.wide_dtype)
    variance = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
    scale = config.norm_offset + params["scale"].astype(config.wide_dtype)
    return (wide * jax.lax.rsqrt(variance + config.rms_norm_eps) * scale).astype(x.dtype)


def soft_cap(x: Array, cap: float | None) -> Array:
    """Keeps x between -cap and cap (Gemma 2, arXiv:2408.00118, section 2); None leaves it alone."""
    return x if cap is None else cap * jnp.tanh(x / cap)


def _linear(params: dict, x: Array) -> Array:
    mapped = x @ params["kernel"]
    return mapped + params["bias"] if "bias" in params else mapped


def _post_norm(config: CausalConfig, params: dict, x: Array) -> Array:
    return norm(config, params["post_norm"], x) if config.post_norms else x
