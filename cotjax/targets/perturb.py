"""Perturbations of a rationale: pure functions of counter-based random keys.

Every word draws a 32-bit key from (seed, id of the question, sample, epoch or 0, name of the
perturbation, position of the word). Shuffling sorts by the keys and masking ranks them, so a draw
depends on neither the batch, the step nor the machine; sets are nested and counts exact. Which
question donates its rationale is chosen in numpy when a step is laid out; transforms run batched
in the tf.data graph and keep the number of tokens.
"""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from cotjax.errors import InputError

Uint32 = Any  # a numpy array or a TensorFlow tensor of unsigned 32-bit integers


def stable_hash(text: str, bits: int = 64) -> int:
    """A hash of a text that is the same in every process and on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=bits // 8).digest(), "little")


def mix(state: Uint32) -> Uint32:
    """The 32-bit finaliser of MurmurHash3: a bijection that scatters neighbouring numbers.

    Division by a power of two stands for a right shift: numpy and TensorFlow share it.
    """
    state = (state ^ (state // np.uint32(1 << 16))) * np.uint32(0x85EBCA6B)
    state = (state ^ (state // np.uint32(1 << 13))) * np.uint32(0xC2B2AE35)
    return state ^ (state // np.uint32(1 << 16))


def word_keys(stream: Uint32, positions: Uint32) -> Uint32:
    """Random keys of words: `stream` [n] (see `streams`) by `positions` [words] -> [n, words]."""
    weyl = positions * np.uint32(0x9E3779B9) + np.uint32(0x7F4A7C15)
    return mix(mix(stream[:, None] ^ mix(weyl)[None, :]) + weyl[None, :])


def streams(
    seed: int, id_hashes: np.ndarray, samples: np.ndarray, epoch: int, name: str
) -> np.ndarray:
    """One 32-bit stream a target, from all that its draw may depend on.

    Args:
      seed: Seed of the run.
      id_hashes: uint64 [n], `stable_hash` of the questions' ids.
      samples: int [n], number of the rationale among its question's.
      epoch: Epoch of fresh draws; 0 throughout for draws that are fixed for the run.
      name: Name of the perturbation, so that two of them don't share their draws.

    Returns:
      uint32 [n]
    """
    state = np.full(len(id_hashes), stable_hash(f"{name}:{seed}:{epoch}", 32), np.uint32)
    low, high = id_hashes.astype(np.uint32), (id_hashes >> np.uint64(32)).astype(np.uint32)
    for part in (low, high, samples.astype(np.uint32)):
        state = mix(state ^ mix(part + np.uint32(0x9E3779B9)))
    return state


@dataclasses.dataclass(frozen=True)
class Perturbation:
    """Leaves a rationale as it is; the others replace what they change.

    Attributes:
      name: What the config calls it, and the name of its random stream.
      by_word: Whether words move as a whole, or tokens on their own.
    """

    name: str = "none"
    by_word: bool = True

    def donors(self, num_questions: int, seed: int, epoch: int) -> np.ndarray:
        """Whose rationale each question is given, int [num_questions]; here its own."""
        return np.arange(num_questions)

    def transform(self, tokens: Any, words: Any, lengths: Any, stream: Any) -> Any:
        """Changes rationales in the tf.data graph, keeping their lengths.

        Args:
          tokens: int32 tensor [n, length], the rationales' tokens, padded at the end.
          words: int32 tensor [n, length], position of each token's word, rising from 0.
          lengths: int32 tensor [n], tokens of each rationale.
          stream: uint32 tensor [n], see `streams`.

        Returns:
          int32 tensor [n, length]
        """
        return tokens

    def _units(self, tokens: Any, words: Any) -> Any:
        import tensorflow as tf

        positions = tf.broadcast_to(tf.range(tf.shape(tokens)[1])[None, :], tf.shape(tokens))
        return words if self.by_word else positions


@dataclasses.dataclass(frozen=True)
class Shuffle(Perturbation):
    """Puts the words (or tokens) of a rationale in random order (Wadhwa et al. 2024)."""

    name: str = "shuffle"

    def transform(self, tokens: Any, words: Any, lengths: Any, stream: Any) -> Any:
        """See `Perturbation.transform`: sorts by key; a word's tokens stay together."""
        import tensorflow as tf

        positions = tf.range(tf.shape(tokens)[1])
        keys = word_keys(stream, tf.cast(positions, tf.uint32))
        units = self._units(tokens, words)
        sort_by = _ordered(tf.gather(keys, units, batch_dims=1), positions)
        padding = positions[None, :] >= lengths[:, None]
        sort_by = tf.where(padding, tf.int64.max, sort_by)
        return tf.gather(tokens, tf.argsort(sort_by, axis=1), batch_dims=1)


@dataclasses.dataclass(frozen=True)
class Mask(Perturbation):
    """Replaces round(fraction * n) of a rationale's n words (or tokens).

    The words masked at one fraction are among those masked at a higher one.
    """

    name: str = "mask"
    fraction: float = 0.5
    mask_token: int = 2  # T5's <unk>

    def transform(self, tokens: Any, words: Any, lengths: Any, stream: Any) -> Any:
        """See `Perturbation.transform`: masks the lowest keys of each rationale."""
        import tensorflow as tf

        positions = tf.range(tf.shape(tokens)[1])
        units = self._units(tokens, words)
        inside = positions[None, :] < lengths[:, None]
        num_units = tf.reduce_max(tf.where(inside, units, -1), axis=1) + 1
        keys = _ordered(word_keys(stream, tf.cast(positions, tf.uint32)), positions)
        keys = tf.where(positions[None, :] < num_units[:, None], keys, tf.int64.max)
        ranks = tf.argsort(tf.argsort(keys, axis=1), axis=1)
        # Half a word is rounded up: tf.round's half-to-even would not grow evenly with fraction.
        count = tf.floor(tf.cast(num_units, tf.float64) * self.fraction + 0.5)
        masked = tf.gather(ranks, units, batch_dims=1) < tf.cast(count, tf.int32)[:, None]
        return tf.where(masked & inside, self.mask_token, tokens)


@dataclasses.dataclass(frozen=True)
class Swap(Perturbation):
    """Gives every question another question's rationale: a derangement."""

    name: str = "swap"

    def donors(self, num_questions: int, seed: int, epoch: int) -> np.ndarray:
        """See `Perturbation.donors`: the questions form one random cycle."""
        if num_questions < 2:
            raise InputError("config.data.perturbation.name='swap' needs two questions or more")
        key = [seed, stable_hash(f"{self.name}:{epoch}", 32)]
        cycle = np.random.Generator(np.random.Philox(key=key)).permutation(num_questions)
        donors = np.empty(num_questions, np.int64)
        donors[cycle] = np.roll(cycle, -1)
        return donors


PERTURBATIONS = {
    "none": Perturbation,
    "shuffle": Shuffle,
    "mask": Mask,
    "swap": Swap,
}


def _ordered(keys: Any, positions: Any) -> Any:
    """Keys as int64, ties broken by position, so that sorting is the same everywhere."""
    import tensorflow as tf

    return tf.cast(keys, tf.int64) * (1 << 20) + tf.cast(positions, tf.int64)[None, :]
