"""What a sample may not say: repetitions, and an end before its time."""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jax import Array

from cotjax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a sample may not say, or not yet. The defaults limit nothing.

    Attributes:
      repetition_penalty: Logits of tokens in the history are divided by it if positive and
        multiplied if negative (CTRL: Keskar et al., 2019, arXiv:1909.05858, section 4.1).
      no_repeat_ngram: No sequence of so many tokens occurs twice in the history; 0: no such limit.
      min_tokens: An end token is never chosen before the history has so many tokens.
    """

    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    min_tokens: int = 0

    def __post_init__(self):
        require(self.repetition_penalty > 0, self, "repetition_penalty", "must be above 0")
        require(self.no_repeat_ngram >= 0, self, "no_repeat_ngram", "must be 0 (off) or more")
        require(self.min_tokens >= 0, self, "min_tokens", "must be 0 or more")

    def apply(self, logits: Array, history: Array, lengths: Array, ends: tuple[int, ...]) -> Array:
        """Changes logits [.., V] for what is written so far.

        Args:
          logits: The model's.
          history: int32 [.., T], the sample's tokens; whatever stands after its length is ignored.
            The prompt is not part of it: few-shot exemplars repeat the very words of an answer.
          lengths: int32 [..], tokens of the history.
          ends: Tokens that end a sample.
        """
        if self.repetition_penalty != 1:
            logits = _penalise(logits, history, lengths, self.repetition_penalty)
        if self.no_repeat_ngram:
            logits = _ban_ngrams(logits, history, lengths, self.no_repeat_ngram)
        if self.min_tokens and ends:
            is_end = jnp.zeros(logits.shape[-1], bool).at[jnp.array(ends)].set(True)
            too_early = lengths[..., None] < self.min_tokens
            logits = jnp.where(too_early & is_end, -jnp.inf, logits)
        return logits


def require(holds: bool, rule: Any, field: str, message: str) -> None:
    """Raises InputError that names the field of a method or of limits, unless `holds`."""
    if not holds:
        raise InputError(f"config.sampling.{field}={getattr(rule, field)!r} {message}")


def _penalise(logits: Array, history: Array, lengths: Array, penalty: float) -> Array:
    """Makes tokens of the history less likely, each once however often it occurs."""
    penalised = jnp.where(logits > 0, logits / penalty, logits * penalty)
    new = jnp.take_along_axis(penalised, history, axis=-1)
    is_written = jnp.arange(history.shape[-1]) < lengths[..., None]
    return _put(logits, jnp.where(is_written, history, logits.shape[-1]), new)


def _ban_ngrams(logits: Array, history: Array, lengths: Array, size: int) -> Array:
    """Bans every token that would end a second occurrence of some `size` tokens."""
    width = history.shape[-1]
    starts = jnp.arange(max(width - size + 1, 0))
    repeats = starts + size <= lengths[..., None]  # [.., starts], n-grams that are all written
    for place in range(size - 1):
        last = jnp.maximum(lengths[..., None] - (size - 1) + place, 0)
        recent = jnp.take_along_axis(history, jnp.minimum(last, width - 1), axis=-1)
        repeats &= history[..., place : place + len(starts)] == recent
    banned = jnp.where(repeats, history[..., size - 1 :], logits.shape[-1])
    return _put(logits, banned, jnp.full(banned.shape, -jnp.inf, logits.dtype))


def _put(logits: Array, tokens: Array, values: Array) -> Array:
    """Sets logits [.., V] at tokens [.., n] to values [.., n]; a token of V is no token."""
    flat = logits.reshape(-1, logits.shape[-1])
    rows = jnp.arange(len(flat))[:, None]
    tokens, values = (x.reshape(len(flat), -1) for x in (tokens, values))
    return flat.at[rows, tokens].set(values, mode="drop").reshape(logits.shape)
