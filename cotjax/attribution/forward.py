"""How likely a student finds the label, as a function of what stands where the rationale does."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from cotjax.mesh import batch_sharding
from cotjax.models.t5 import T5
from cotjax.models.t5_config import T5Config
from cotjax.training.losses import token_nll

Batch = Mapping[str, Array]  # see `layout.fill`
Results = dict[str, Array]
Function = Callable[["Explained", Any, Batch], Results]


class Explained:
    """A student whose rationales are explained, of static sizes.

    Attributes:
      config: Of the student.
      reads_rationale: Whether the encoder reads the rationale, or the decoder says it.
      num_words: Words that a rationale of the batch has at most.
      unknown: The token that stands for a word that can't be read.
    """

    def __init__(self, config: T5Config, reads_rationale: bool, num_words: int, unknown: int):
        """Takes what a compiled program depends on."""
        self.config, self.unknown = config, unknown
        self.reads_rationale, self.num_words = reads_rationale, num_words
        self.model = T5(config)

    def embed(self, params: Any, tokens: Array) -> Array:
        """Embeddings [.., d_model] of tokens [rows, length]."""
        return self.model.apply({"params": params}, tokens, method=T5.embed)

    def side(self, params: Any, batch: Batch) -> Array:
        """Embeddings of the side that the rationale stands on, [rows, S or T, d_model]."""
        name = "encoder_tokens" if self.reads_rationale else "decoder_inputs"
        return self.embed(params, batch[name])

    def logprobs(self, params: Any, batch: Batch, side: Array | None = None) -> Array:
        """Log-probability of the label and what closes it, in nats, [rows].

        `side` stands in for the embeddings that `side()` gives.
        """
        side = self.side(params, batch) if side is None else side
        logits = self.model.apply({"params": params}, batch, side, method=self._logits)
        return self._label(logits, batch)

    def attention(self, params: Any, batch: Batch) -> Array:
        """What label positions pay to positions of the rationale's side, [rows, S or T].

        The mean over layers, heads and the positions that say the label, of the cross-attention
        where the encoder reads the rationale, of the decoder's self-attention where it says it.
        """
        side = self.side(params, batch)
        _, kept = self.model.apply(
            {"params": params}, batch, side, method=self._logits, mutable=["intermediates"]
        )
        name = "cross_attention" if self.reads_rationale else "self_attention"
        (weights,) = kept["intermediates"]["decoder"]["layers"][name]["weights"]
        says = batch["says_label"].astype(weights.dtype)
        paid = jnp.einsum("lhbqk,bq->bk", weights.swapaxes(1, 2), says)
        layers, _, heads = weights.shape[:3]
        return paid / (layers * heads * jnp.maximum(says.sum(axis=1), 1)[:, None])

    def by_word(self, scores: Array, batch: Batch) -> Array:
        """Sums scores of tokens [rows, S or T] to those of words, [rows, num_words]."""

        def one(scores: Array, words: Array) -> Array:
            return jnp.zeros(self.num_words + 1, scores.dtype).at[words].add(scores)[1:]

        return jax.vmap(one)(scores, batch["words"])

    def _logits(self, model: T5, batch: Batch, side: Array) -> Array:
        segments = batch["encoder_segments"]
        if self.reads_rationale:
            encoded = model.encode_embedded(side, segments)
            decoder = model.embed(batch["decoder_inputs"])
        else:
            encoded, decoder = model.encode(batch["encoder_tokens"], segments), side
        return model.decode_embedded(
            encoded, segments, decoder, batch["decoder_segments"], batch["segment_source"]
        )

    def _label(self, logits: Array, batch: Batch) -> Array:
        _, nll = token_nll(logits, batch["decoder_targets"])
        return -jnp.sum(nll * batch["says_label"], axis=1)


@functools.cache
def compiled(
    function: Function,
    config: T5Config,
    mesh: Mesh,
    reads_rationale: bool,
    num_words: int,
    unknown: int,
) -> Callable[[Any, Batch], Results]:
    """The jitted (params, batch) -> results, whole on every device; rows are split over the mesh.

    Computed in float32, whatever the student was trained in: gradients of a path that is walked in
    small steps would drown in bfloat16's rounding.
    """
    config = dataclasses.replace(config, dtype=config.wide_dtype, attention="xla")
    explained = Explained(config, reads_rationale, num_words, unknown)

    def run(params: Any, batch: Batch) -> Results:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return function(explained, params, batch)

    return jax.jit(
        run,
        in_shardings=(None, batch_sharding(mesh)),
        out_shardings=NamedSharding(mesh, P()),
    )
