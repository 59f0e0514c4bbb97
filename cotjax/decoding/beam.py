"""Beam search: of the texts that go on from the likeliest beginnings, the one with the best score.

A text's score is its log-probability over its length to the power of a penalty (Wu et al., 2016,
arXiv:1609.08144, equation 14, in the form of transformers' `generate`, whose results these are).

Keys and values never move: a beam is a path through the tokens that all beams of its row have
written, and attends to the tokens on it alone. To follow its parent it takes over that path, a few
bits, and not a copy of the parent's cache.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from cotjax.decoding.t5_steps import begin, new_cache
from cotjax.decoding.written import Generated, ends_with, nothing, write
from cotjax.models.t5 import T5Config

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


class _Loop(NamedTuple):
    """What one step of decoding hands to the next."""

    index: Array  # position in the decoder
    tokens: Array  # [batch, beams], the decoder's next inputs
    cache: Any  # see `t5_steps.new_cache`; of each position, all beams' tokens
    paths: Array  # bool [batch, beams, positions, beams], which of these a beam goes on from
    running: Beams  # by log-probability
    finished: Beams  # by score
    done: Array  # [batch]


@functools.partial(jax.jit, static_argnums=(0, 1), static_argnames=("max_tokens", "stops"))
def beam_search(
    config: T5Config,
    search: BeamSearch,
    params: dict,
    encoder_tokens: Array,
    encoder_segments: Array,
    prefix: Array,
    *,
    max_tokens: int,
    stops: tuple[tuple[int, ...], ...] = (),
) -> Generated:
    """Writes the best text found for each row; see `generate.greedy` for the arguments.

    A row is done when no running text, as long as it is now, would have a better score than the
    worst of as many finished ones as there are beams; what runs out of tokens is finished too. A
    row is encoded once, and all of its beams attend to the same keys and values of it.
    """
    feed = begin(config, params, encoder_tokens, encoder_segments)
    batch, beams = encoder_tokens.shape[0], search.num_beams
    steps = prefix.shape[1] + max_tokens
    forced_tokens = jnp.pad(prefix.astype(jnp.int32), ((0, 0), (0, 1)))
    # Every text may end in each of these ways, and yet as many as there are beams must go on.
    keep = (2 + len(stops)) * beams

    def going_on(loop: _Loop) -> Array:
        return (loop.index < steps) & ~jnp.all(loop.done)

    def step(loop: _Loop) -> _Loop:
        here = jnp.arange(steps)[:, None] == loop.index
        paths = loop.paths | (here & jnp.eye(beams, dtype=bool)[:, None])
        logits, cache = feed(loop.tokens, loop.index, loop.cache, paths)
        forced = forced_tokens[:, jnp.minimum(loop.index, prefix.shape[1])]  # [batch]
        free = (forced == 0) & ~loop.done

        found, parents, chosen = _continue(loop.running, logits, keep)
        ends = (chosen == config.eos_token_id) | ends_with(found.written, stops)
        ends |= found.written.lengths == max_tokens
        among_the_best = jnp.arange(keep) < beams
        scores = search.score(found.scores, found.written.lengths)
        scores = jnp.where(ends & among_the_best & free[:, None], scores, -jnp.inf)
        finished = _best(_join(loop.finished, found._replace(scores=scores)), beams)

        going = jnp.where(ends, -jnp.inf, found.scores)
        running, followed = jax.lax.top_k(going, beams)
        running = found.take(followed)._replace(scores=running)
        parents = jnp.where(free[:, None], _take(parents, followed), jnp.arange(beams))
        running = jax.tree.map(functools.partial(_where, free), running, loop.running)
        tokens = jnp.where(forced[:, None] == 0, _take(chosen, followed), forced[:, None])

        likeliest = search.score(running.scores[:, 0], running.written.lengths[:, 0])
        hopeless = ~(likeliest > finished.scores[:, -1])
        full = running.written.lengths[:, 0] == max_tokens
        done = loop.done | (free & (hopeless | full))
        return _Loop(loop.index + 1, tokens, cache, _take(paths, parents), running, finished, done)

    dtype = config.wide_dtype
    none = Beams(nothing((batch, beams), max_tokens), jnp.full((batch, beams), -jnp.inf, dtype))
    first = _Loop(
        index=jnp.int32(0),
        tokens=jnp.full((batch, beams), config.decoder_start_token_id, jnp.int32),
        cache=new_cache(config, batch, steps * beams),
        paths=jnp.zeros((batch, beams, steps, beams), bool),
        running=none._replace(scores=none.scores.at[:, 0].set(0)),  # the others would be its twins
        finished=none,
        done=jnp.all(encoder_segments == 0, axis=1),
    )
    loop = jax.lax.while_loop(going_on, step, first)
    return jax.tree.map(lambda leaf: leaf[:, 0], loop.finished.written)


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


def _where(rows: Array, leaf: Array, other: Array) -> Array:
    """`leaf` [batch, ..] in some rows [batch], `other` in the others."""
    return jnp.where(rows.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, other)
