"""The layers of T5's encoder and decoder, and how a stack runs them."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from cotjax.mesh import constrain_batch
from cotjax.models.attention import Attention, Mask, RelativeBias
from cotjax.models.dropout import Dropout
from cotjax.models.linear import dense, norm
from cotjax.models.t5_config import T5Config


class FeedForward(nn.Module):
    """The residual sublayer of two (ReLU) or three (gated GELU) linear maps."""

    config: T5Config

    def setup(self):
        """Makes the norm and the linear maps."""
        config = self.config
        self.norm = norm(config)
        if config.gated:
            self.wi_0 = dense(config, config.d_ff, config.d_model**-0.5)
            self.wi_1 = dense(config, config.d_ff, config.d_model**-0.5)
        else:
            self.wi = dense(config, config.d_ff, config.d_model**-0.5)
        self.wo = dense(config, config.d_model, config.d_ff**-0.5)
        self.dropout = Dropout(config.dropout_rate)

    def __call__(self, x: Array, deterministic: bool = True) -> Array:
        """Adds to x [batch, length, d_model] what the hidden units make of it."""
        normed = self.norm(x)
        if self.config.gated:
            hidden = nn.gelu(self.wi_0(normed), approximate=True) * self.wi_1(normed)
        else:
            hidden = nn.relu(self.wi(normed))
        hidden = self.dropout(hidden, deterministic=deterministic)  # [batch, length, d_ff]
        return x + self.dropout(self.wo(hidden), deterministic=deterministic)


class Layer(nn.Module):
    """One layer of the encoder, or of the decoder, which also reads the encoder."""

    config: T5Config
    is_decoder: bool

    def setup(self):
        """Makes the sublayers."""
        self.self_attention = Attention(self.config)
        if self.is_decoder:
            self.cross_attention = Attention(self.config)
        self.mlp = FeedForward(self.config)

    def __call__(self, x, mask, bias, encoded, cross_mask, deterministic):
        """The next states of whole sequences x [rows, length, d_model].

        In a decoder, each row of `encoded` is read by as many rows of x as stand together.
        """
        x = self.self_attention(x, mask, bias, deterministic=deterministic)
        if self.is_decoder:
            key, value = self.cross_attention.key_value(encoded)
            together = x.reshape(len(encoded), -1, x.shape[-1])  # the rows that read the same
            x = self.cross_attention.read(
                together, key, value, cross_mask, deterministic=deterministic
            ).reshape(x.shape)
        return constrain_batch(self.mlp(x, deterministic))

    def step(self, x, cache, cross, place, mask, bias, cross_mask):
        """The next states of a token of each beam x [rows, beams, d_model], and the cache."""
        x, cache = self.self_attention.step(x, cache, place, mask, bias)
        together = x.reshape(len(cross["key"]), -1, x.shape[-1])  # the rows that read the same
        x = self.cross_attention.read(together, cross["key"], cross["value"], cross_mask).reshape(
            x.shape
        )
        return constrain_batch(self.mlp(x)), cache


class Stack(nn.Module):
    """The layers of the encoder or of the decoder, between the embedding and the final norm."""

    config: T5Config
    is_decoder: bool

    def setup(self):
        """Makes the layers, all at once, and what they share."""
        self.relative_bias = RelativeBias(self.config, bidirectional=not self.is_decoder)
        self.layers = Layer(self.config, self.is_decoder)
        self.final_norm = norm(self.config)
        self.dropout = Dropout(self.config.dropout_rate)

    def __call__(self, x, mask, encoded=None, cross_mask=None, deterministic=True):
        """Final states [batch, length, d_model] of embedded sequences x of the same shape."""
        bias = self.relative_bias(x.shape[1])

        def layer(module, x):
            return module(x, mask, bias, encoded, cross_mask, deterministic), None

        x = constrain_batch(self.dropout(x, deterministic=deterministic))
        x, _ = self._scan(_remat(layer, self.config), x)
        return self.dropout(self.final_norm(x), deterministic=deterministic)

    def cross_cache(self, encoded):
        """What every layer's cross-attention reads from the encoder, computed once."""

        def layer(module, encoded):
            key, value = module.cross_attention.key_value(encoded)
            return encoded, {"key": key, "value": value}

        return self._scan(layer, encoded)[1]

    def step(self, x, time, cache, cross, cross_mask, seen):
        """The final states of embedded tokens x [rows, beams, d_model], and the cache.

        See `T5.decode_step`.
        """
        rows, beams, length, _ = seen.shape
        mask = Mask(seen.reshape(rows, 1, beams, -1))
        bias = jnp.repeat(self.relative_bias.ring(time, length), beams, axis=-1)

        def layer(module, x, cache, cross):
            return module.step(x, cache, cross, time % length * beams, mask, bias, cross_mask)

        x, cache = self._scan(layer, x, cache, cross)
        return self.final_norm(x), cache

    def _scan(self, layer: Callable, carry: Array, *stacked):
        """Runs `layer(module, carry, *slices) -> (carry, out)` for each layer in turn."""
        config = self.config
        length = config.num_decoder_layers if self.is_decoder else config.num_layers
        scanned = nn.scan(
            layer,
            variable_axes={"params": 0, "intermediates": 0},
            split_rngs={"params": True, "dropout": True},
            length=length,
            unroll=1 if config.scan_layers else length,
        )
        return scanned(self.layers, carry, *stacked)


def _remat(layer: Callable, config: T5Config) -> Callable:
    """The same function, remembering less for its backward pass."""
    if config.remat == "none":
        return layer
    dots = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
    # Where layers are unrolled, XLA would find the recomputation a common subexpression.
    return nn.remat(
        layer, policy=dots if config.remat == "dots" else None, prevent_cse=not config.scan_layers
    )
