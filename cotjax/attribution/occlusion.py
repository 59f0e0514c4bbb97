"""Importance by leaving one word out."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from cotjax.attribution.forward import Batch, Explained, Results

ENCODER = ("encoder_tokens", "encoder_segments")
DECODER = ("decoder_inputs", "decoder_targets", "decoder_segments", "says_label")


def occlusion(explained: Explained, params: Any, batch: Batch) -> Results:
    """How much less likely the label is without each word; one word at a time, in nats.

    The word's tokens are taken out and what follows them moves up.

    Returns:
      `scores` [rows, num_words]; 0 for words that the student was not shown.
    """
    whole = explained.logprobs(params, batch)

    def leave_out(_: None, word: Array) -> tuple[None, Array]:
        less = explained.logprobs(params, _without(explained, batch, word))
        there = jnp.any(batch["words"] == word, axis=1)
        return None, jnp.where(there, whole - less, 0)

    _, scores = jax.lax.scan(leave_out, None, 1 + jnp.arange(explained.num_words))
    return {"scores": scores.T}


def _without(explained: Explained, batch: Batch, word: Array) -> Batch:
    """The batch without the tokens of one word (from 1), closed up.

    A decoder's targets go by what it reads in the same place. The one that would have said the word
    is wrong then, but only those that say the label count.
    """
    taken = batch["words"] == word
    order = jnp.argsort(taken, axis=1, stable=True)
    kept = jnp.arange(taken.shape[1]) < taken.shape[1] - taken.sum(axis=1, keepdims=True)
    names = ENCODER if explained.reads_rationale else DECODER
    closed_up = {
        name: jnp.where(kept, jnp.take_along_axis(batch[name], order, axis=1), 0) for name in names
    }
    return {**batch, **closed_up}
