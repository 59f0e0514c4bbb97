"""Beam search: of the texts that go on from the likeliest beginnings, the one with the best score.

A text's score is its log-probability over its length to the power of a penalty (Wu et al., 2016,
arXiv:1609.08144, equation 14, in the form of transformers' `generate`, whose results these are).

Keys and values never move: a beam is a path through the tokens that all beams of its row have
written, and attends to the tokens on it alone. To follow its parent it takes over that path, a few
bits, and not a copy of the parent's cache.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from cotjax.decoding.writer import Source, TextSlots, Writer, select
from cotjax.decoding.written import Generated, ends_with, nothing, write

BLOCK = 256  # tokens; about the square root of a vocabulary's size


@dataclasses.dataclass(frozen=True)
class BeamSearch:
    """How texts are searched for.

    Attributes:
      num_beams: Beginnings of each row that are followed.
      length_penalty: Divides a text's log-probability as a power of its length: above 0 longer
        texts gain by it, below 0 shorter ones.
    """

    num_beams: int
    length_penalty: float = 1.0

    def score(self, logprob: Array, length: Array) -> Array:
        """What texts of a log-probability and a length [..] are compared by."""
        return logprob / length.astype(logprob.dtype) ** self.length_penalty


class Beams(NamedTuple):
    """Texts of each row [batch, beams], the best first.

    Attributes:
      written: Their tokens and lengths.
      scores: [batch, beams], -inf where there is none.
    """

    written: Generated
    scores: Array

    def take(self, places: Array) -> "Beams":
        """Those at the places [batch, n] of each row."""
        return jax.tree.map(lambda leaf: _take(leaf, places), self)


class _Text(NamedTuple):
    """What the beams of each row have written."""

    tokens: Array  # [rows, beams], read next
    paths: Array  # bool [rows, beams, ring, beams], which of the cache's a beam goes on from
    running: Beams  # by log-probability
    finished: Beams  # by score


@dataclasses.dataclass(frozen=True, kw_only=True)
class BeamWriter(Writer):
    """Writes the best text found to each input.

    A row is done when no running text, as long as it is now, would have a better score than the
    worst of as many finished ones as there are beams; what runs out of tokens is finished too. An
    input is encoded once, and all of its beams attend to the same keys and values of it.

    Attributes:
      search: How texts are searched for.
    """

    search: BeamSearch

    def rows(self, source: Source) -> tuple[int, int]:
        """The beams of a row stand side by side in the cache."""
        return len(source.segments), self.search.num_beams

    def blank(self, rows: int, ring: int) -> _Text:
        """See `Writer.blank`."""
        beams = self.search.num_beams
        none = jnp.full((rows, beams), -jnp.inf, self.config.wide_dtype)
        nobody = Beams(nothing((rows, beams), self.max_tokens), none)
        return _Text(
            tokens=jnp.full((rows, beams), self.config.decoder_start_token_id, jnp.int32),
            paths=jnp.zeros((rows, beams, ring, beams), bool),
            running=nobody._replace(scores=none.at[:, 0].set(0)),  # the others would be its twins
            finished=nobody,
        )

    def reading(self, text: _Text, ages: Array, position: Array) -> tuple[Array, Array]:
        """A beam sees its path, and the token that it is fed."""
        here = (ages == 0)[:, None] & jnp.eye(len(text.tokens[0]), dtype=bool)[:, None]
        return text.tokens, text.paths | here

    def grow(
        self,
        text: _Text,
        seen: Array,
        logits: Array,
        forced: Array,
        done: Array,
        keys: Array | None,
    ) -> tuple[_Text, Array]:
        """See `Writer.grow`."""
        search, beams = self.search, self.search.num_beams
        free = (forced == 0) & ~done
        # Every text may end in each of these ways, and yet as many as there are beams must go on.
        keep = (2 + len(self.stops)) * beams
        found, parents, chosen = _continue(text.running, logits, keep)
        ends = (chosen == self.config.eos_token_id) | ends_with(found.written, self.stops)
        ends |= found.written.lengths == self.max_tokens
        among_the_best = jnp.arange(keep) < beams
        scores = search.score(found.scores, found.written.lengths)
        scores = jnp.where(ends & among_the_best & free[:, None], scores, -jnp.inf)
        finished = _best(_join(text.finished, found._replace(scores=scores)), beams)

        going = jnp.where(ends, -jnp.inf, found.scores)
        running, followed = jax.lax.top_k(going, beams)
        running = found.take(followed)._replace(scores=running)
        parents = jnp.where(free[:, None], _take(parents, followed), jnp.arange(beams))
        running = jax.tree.map(functools.partial(select, free), running, text.running)
        tokens = jnp.where(forced[:, None] == 0, _take(chosen, followed), forced[:, None])

        likeliest = search.score(running.scores[:, 0], running.written.lengths[:, 0])
        hopeless = ~(likeliest > finished.scores[:, -1])
        full = running.written.lengths[:, 0] == self.max_tokens
        text = _Text(tokens, _take(seen, parents), running, finished)
        return text, done | (free & (hopeless | full))

    def result(self, slots: TextSlots) -> Generated:
        """The best text of each slot."""
        return jax.tree.map(lambda leaf: leaf[:, 0], slots.text.finished.written)


def _continue(running: Beams, logits: Array, keep: int) -> tuple[Beams, Array, Array]:
    """The likeliest `keep` texts that are one token longer, what each goes on from, and that token.

    Logits are [batch, beams, vocab]; at most `keep` texts go on from one beam.
    """
    likeliest, tokens = _highest(logits, min(keep, logits.shape[-1]))  # [batch, beams, keep]
    logprobs = likeliest - jax.nn.logsumexp(logits, axis=-1, keepdims=True)
    scores = running.scores[..., None] + logprobs
    each = scores.shape[-1]
    scores, places = jax.lax.top_k(scores.reshape(len(scores), -1), keep)
    parents, chosen = places // each, _take(tokens.reshape(len(tokens), -1), places)
    written = write(running.take(parents).written, chosen, jnp.ones(chosen.shape, bool))
    return Beams(written, scores), parents, chosen


def _highest(logits: Array, count: int) -> tuple[Array, Array]:
    """The highest logits [.., count] of [.., vocab], falling, and their tokens.

    They lie in the blocks with the highest maxima, so that no vocabulary is ever sorted.
    """
    padding = [(0, 0)] * (logits.ndim - 1) + [(0, -logits.shape[-1] % BLOCK)]
    blocks = jnp.pad(logits, padding, constant_values=-jnp.inf)
    blocks = blocks.reshape(*logits.shape[:-1], -1, BLOCK)
    of_block = jax.lax.top_k(jnp.max(blocks, axis=-1), min(count, blocks.shape[-2]))[1]
    members = jnp.take_along_axis(blocks, of_block[..., None], axis=-2)
    highest, places = jax.lax.top_k(members.reshape(*logits.shape[:-1], -1), count)
    blocks_of = jnp.take_along_axis(of_block, places // BLOCK, axis=-1)
    return highest, blocks_of * BLOCK + places % BLOCK


def _best(beams: Beams, count: int) -> Beams:
    """The best texts of each row."""
    return beams.take(jax.lax.top_k(beams.scores, count)[1])


def _join(some: Beams, others: Beams) -> Beams:
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=1), some, others)


def _take(leaf: Array, places: Array) -> Array:
    """What stands at the places [batch, n] of axis 1, [batch, n, ..]."""
    return jnp.take_along_axis(leaf, places.reshape(*places.shape, *[1] * (leaf.ndim - 2)), axis=1)
