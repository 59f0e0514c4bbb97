"""T5 v1.0, v1.1 and Flan-T5 (Raffel et al. 2020, arXiv:1910.10683) in Flax Linen.

Parameters are plain nested dicts. Those of the layers of a stack are stacked on axis 0, whether the
layers run in a compiled loop or unrolled, so checkpoints and sharding rules don't depend on that.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cotjax.mesh import constrain_batch, gather_width
from cotjax.models.attention import Mask, segment_mask
from cotjax.models.linear import dense
from cotjax.models.t5_config import LOGICAL_AXES, PRESETS, T5Config
from cotjax.models.t5_stack import Stack

__all__ = ["LOGICAL_AXES", "PRESETS", "T5", "T5Config", "empty_cache"]


class T5(nn.Module):
    """The whole student: tokens and segments in, logits out."""

    config: T5Config

    def setup(self):
        """Makes the embedding that both stacks share, the stacks, and the head where untied."""
        config = self.config
        self.shared = nn.Embed(
            config.vocab_size,
            config.d_model,
            embedding_init=nn.initializers.normal(1.0),
            param_dtype=config.wide_dtype,
        )
        self.encoder = Stack(config, is_decoder=False)
        self.decoder = Stack(config, is_decoder=True)
        if not config.tied:
            stddev = config.d_model**-0.5
            self.lm_head = dense(config, config.vocab_size, stddev, config.wide_dtype)

    def __call__(self, batch: dict[str, Array], deterministic: bool = True) -> Array:
        """Logits [rows, T, vocab] of a batch as the pipeline lays it out (see DESIGN's Batch)."""
        return self.logits(self.states(batch, deterministic))

    def encode(self, tokens: Array, segments: Array, deterministic: bool = True) -> Array:
        """Encoder states [batch, S, d_model] of tokens [batch, S], each segment by itself."""
        return self.encode_embedded(self.embed(tokens), segments, deterministic)

    def encode_embedded(self, x: Array, segments: Array, deterministic: bool = True) -> Array:
        """The same of embedded tokens [batch, S, d_model]."""
        mask = segment_mask(segments, segments)
        return self.encoder(x, mask, deterministic=deterministic)

    def decode(
        self,
        encoded: Array,
        encoder_segments: Array,
        inputs: Array,
        segments: Array,
        source: Array,
        deterministic: bool = True,
    ) -> Array:
        """Logits [rows, T, vocab] of decoder inputs [rows, T], in float32 (or float64).

        Each encoder row is read by one or more decoder rows, which stand together: segment n of one
        of them, counted from 1, reads the encoder segment source[row, n - 1].
        """
        embedded = self.embed(inputs)
        return self.decode_embedded(
            encoded, encoder_segments, embedded, segments, source, deterministic
        )

    def decode_embedded(
        self,
        encoded: Array,
        encoder_segments: Array,
        embedded: Array,
        segments: Array,
        source: Array,
        deterministic: bool = True,
    ) -> Array:
        """The same of embedded decoder inputs [rows, T, d_model]."""
        return self.logits(
            self._final(encoded, encoder_segments, embedded, segments, source, deterministic)
        )

    def states(self, batch: dict[str, Array], deterministic: bool = True) -> Array:
        """The decoder's final states [rows, T, d_model] of a batch: `logits` takes them."""
        encoder_segments = batch["encoder_segments"]
        return self._final(
            self.encode(batch["encoder_tokens"], encoder_segments, deterministic),
            encoder_segments,
            self.embed(batch["decoder_inputs"]),
            batch["decoder_segments"],
            batch["segment_source"],
            deterministic,
        )

    def _final(self, encoded, encoder_segments, embedded, segments, source, deterministic):
        read = jnp.take_along_axis(source, jnp.maximum(segments - 1, 0), axis=1)
        read = jnp.where(segments > 0, read, 0)  # [rows, T], the encoder segment of each token
        return self.decoder(
            embedded,
            segment_mask(segments, segments, causal=True),
            encoded,
            segment_mask(read.reshape(len(encoded), -1), encoder_segments),
            deterministic,
        )

    def embed(self, tokens: Array) -> Array:
        """What both stacks read of tokens [batch, length]: [batch, length, d_model]."""
        # Gathered before it is cast: so the gradient adds up in float32.
        embedded = jnp.take(gather_width(self.shared.embedding), tokens, axis=0)
        return constrain_batch(embedded).astype(self.config.dtype)

    def cross_cache(self, encoded: Array) -> dict[str, Array]:
        """Cross-attention 'key' and 'value' of every layer, [layers, batch, heads, S, d_kv]."""
        return self.decoder.cross_cache(encoded)

    def decode_step(
        self,
        tokens: Array,
        time: Array,
        cache: dict[str, Array],
        cross: dict[str, Array],
        encoder_segments: Array,
        seen: Array,
    ) -> tuple[Array, dict[str, Array]]:
        """Logits [rows, beams, vocab] after tokens [rows, beams], and the cache with these.

        One or more rows, which stand together, read each row of the encoder. The cache is a ring of
        `length` times: what is fed at `time` stands at time % length, the beams of a row side by
        side, and never moves. Which of the cache goes before a beam's token is told by `seen`, bool
        [rows, beams, length, beams] (the last axis counts what the cache holds).
        `encoder_segments` [batch, S] may be a mask: every encoder token but 0 is read.
        """
        cross_mask = Mask((encoder_segments != 0)[:, None, None])
        x, cache = self.decoder.step(self.embed(tokens), time, cache, cross, cross_mask, seen)
        return self.logits(x), cache

    def logits(self, x: Array) -> Array:
        """What the head makes of final decoder states [..., length, d_model]."""
        config = self.config
        if config.scale_decoder_outputs:
            x = x * config.d_model**-0.5
        if not config.tied:
            return self.lm_head(x)
        embedding = self.shared.embedding.astype(config.dtype)
        flat, wide = x.reshape(-1, config.d_model), config.wide_dtype
        logits = jnp.einsum("nd,vd->nv", flat, embedding, preferred_element_type=wide)
        return logits.reshape(*x.shape[:-1], config.vocab_size)


def empty_cache(config: T5Config, batch: int, length: int) -> dict[str, Array]:
    """A cache of `length` tokens: 'key' and 'value' [layers, batch, heads, length, d_kv]."""
    shape = (config.num_decoder_layers, batch, config.num_heads, length, config.d_kv)
    return {name: jnp.zeros(shape, config.dtype) for name in ("key", "value")}
