"""Perturbations that keep a rationale's number of tokens: batched, in the tf.data graph.

Shuffling sorts by random keys (see `keys`), masking and corrupting digits rank them: what is hit at
one fraction is hit at a higher one too, and counts are exact.
"""

import dataclasses
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotjax.targets.donors import Perturbation
from cotjax.targets.keys import second_stream, share, word_keys


@dataclasses.dataclass(frozen=True)
class Transform(Perturbation):
    """Changes tokens or their order.

    Attributes:
      unit: What is moved or replaced as a whole: `words`, `tokens` or `steps`.
    """

    unit: str = "words"

    def transform(self, tokens: Any, units: Any, lengths: Any, stream: Any) -> Any:
        """Changes rationales, keeping their lengths.

        Args:
          tokens: int32 tensor [n, length], the rationales' tokens, padded at the end.
          units: int32 tensor [n, length], position of each token's unit, rising from 0.
          lengths: int32 tensor [n], tokens of each rationale.
          stream: uint32 tensor [n], see `keys.streams`.

        Returns:
          int32 tensor [n, length]
        """
        raise NotImplementedError

    def is_changeable(self, tokens: np.ndarray) -> np.ndarray:
        """Whether a unit with one of these tokens can be changed, bool [tokens]."""
        return np.ones(len(tokens), bool)

    def num_changed(self, changeable: np.ndarray) -> np.ndarray:
        """How many units of rationales with so many changeable ones change; both int [n].

        Where units are moved, all do but one that is alone.
        """
        return np.where(changeable > 1, changeable, 0)


@dataclasses.dataclass(frozen=True)
class Shuffle(Transform):
    """Puts the units of a rationale in random order (Wadhwa et al. 2024)."""

    name: str = "shuffle"

    def transform(self, tokens: Any, units: Any, lengths: Any, stream: Any) -> Any:
        """See `Transform.transform`: sorts by key; a unit's tokens stay together."""
        import tensorflow as tf

        positions = tf.range(tf.shape(tokens)[1])
        keys = word_keys(stream, tf.cast(positions, tf.uint32))
        return _sorted(tokens, tf.gather(keys, units, batch_dims=1), lengths)


@dataclasses.dataclass(frozen=True)
class ShuffleSome(Transform):
    """Puts round(fraction * n) of a rationale's n units in random order (Li et al. 2025).

    They take each other's places; the others stay where they are. At a fraction of 1 it is what
    `Shuffle` does.
    """

    name: str = "shuffle_some"
    fraction: float = 0.5

    def transform(self, tokens: Any, units: Any, lengths: Any, stream: Any) -> Any:
        """See `Transform.transform`: the lowest keys, in the order of keys, take their places."""
        import tensorflow as tf

        candidates = _units(tokens, units, lengths)
        drawn = _drawn(candidates, stream, self.fraction)
        own = tf.range(tf.shape(tokens)[1]) + tf.zeros_like(units)  # [n, length]
        free = tf.argsort(tf.where(drawn, own, tf.int32.max), axis=1)  # of those drawn, rising
        places = tf.where(drawn, tf.gather(free, _ranks(candidates, stream), batch_dims=1), own)
        return _sorted(tokens, tf.gather(places, units, batch_dims=1), lengths)

    def num_changed(self, changeable: np.ndarray) -> np.ndarray:
        """See `Transform.num_changed`."""
        return super().num_changed(share(changeable, self.fraction))


@dataclasses.dataclass(frozen=True)
class Reverse(Transform):
    """Says the units of a rationale from the last to the first."""

    name: str = "reverse"

    def transform(self, tokens: Any, units: Any, lengths: Any, stream: Any) -> Any:
        """See `Transform.transform`: within a unit the tokens keep their order."""
        return _sorted(tokens, -units, lengths)


@dataclasses.dataclass(frozen=True)
class Mask(Transform):
    """Replaces round(fraction * n) of a rationale's n units.

    The units masked at one fraction are among those masked at a higher one.
    """

    name: str = "mask"
    fraction: float = 0.5
    mask_token: int = 2  # T5's <unk>

    def transform(self, tokens: Any, units: Any, lengths: Any, stream: Any) -> Any:
        """See `Transform.transform`: masks the lowest keys of each rationale."""
        import tensorflow as tf

        drawn = _drawn(_units(tokens, units, lengths), stream, self.fraction)
        masked = tf.gather(drawn, units, batch_dims=1) & _inside(tokens, lengths)
        return tf.where(masked, self.mask_token, tokens)

    def num_changed(self, changeable: np.ndarray) -> np.ndarray:
        """See `Transform.num_changed`."""
        return share(changeable, self.fraction)


@dataclasses.dataclass(frozen=True, eq=False)
class DigitTokens:
    """For every id of a vocabulary, those that differ from it by their digits alone.

    Attributes:
      members: int32 [ids], all of them, those of one pattern together.
      first, rank, count: int32 [ids], where the id's pattern starts in `members`, the id's own
        place there, and how many ids have the pattern: 1 for one without digits.
    """

    members: np.ndarray
    first: np.ndarray
    rank: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, pieces: Sequence[str]) -> "DigitTokens":
        """Groups a vocabulary; special pieces such as `<extra_id_0>` are no numbers."""
        patterns = defaultdict(list)
        for token, piece in enumerate(pieces):
            is_number = re.search("[0-9]", piece) and not re.fullmatch("<.*>", piece)
            patterns[re.sub("[0-9]", "0", piece) if is_number else token].append(token)
        members: list[int] = []
        first, rank, count = np.zeros((3, len(pieces)), np.int32)
        for group in patterns.values():
            first[group], rank[group], count[group] = len(members), range(len(group)), len(group)
            members += group
        return cls(np.array(members, np.int32), first, rank, count)


@dataclasses.dataclass(frozen=True)
class Digits(Transform):
    """Replaces the digits of round(fraction * n) of the n units that hold one.

    A token with a digit becomes another one of the same pattern, any of them equally likely: 12 may
    become 47, never 7. Tokens that are alone in their pattern stay, and count as without digits.
    """

    name: str = "digits"
    fraction: float = 0.5
    digit_tokens: DigitTokens = dataclasses.field(default_factory=lambda: DigitTokens.of(()))

    def transform(self, tokens: Any, units: Any, lengths: Any, stream: Any) -> Any:
        """See `Transform.transform`: corrupts the units of the lowest keys."""
        import tensorflow as tf

        table = self.digit_tokens
        count = tf.gather(table.count, tokens)
        changeable = (count > 1) & _inside(tokens, lengths)
        drawn = _drawn(_any_of_unit(changeable, units), stream, self.fraction)
        positions = tf.range(tf.shape(tokens)[1])
        keys = word_keys(second_stream(stream), tf.cast(positions, tf.uint32))
        ahead = tf.cast(keys, tf.int64) * tf.cast(count - 1, tf.int64) // (1 << 32)
        place = (tf.gather(table.rank, tokens) + 1 + tf.cast(ahead, tf.int32)) % count
        other = tf.gather(table.members, tf.gather(table.first, tokens) + place)
        return tf.where(changeable & tf.gather(drawn, units, batch_dims=1), other, tokens)

    def is_changeable(self, tokens: np.ndarray) -> np.ndarray:
        """See `Transform.is_changeable`: tokens with a digit that could be another."""
        return self.digit_tokens.count[tokens] > 1

    def num_changed(self, changeable: np.ndarray) -> np.ndarray:
        """See `Transform.num_changed`."""
        return share(changeable, self.fraction)


def _inside(tokens: Any, lengths: Any) -> Any:
    """Which of the tokens are no padding, bool [n, length]."""
    import tensorflow as tf

    return tf.sequence_mask(lengths, tf.shape(tokens)[1])


def _units(tokens: Any, units: Any, lengths: Any) -> Any:
    """Which of the numbers from 0 are those of a unit, bool [n, length]."""
    import tensorflow as tf

    num_units = tf.reduce_max(tf.where(_inside(tokens, lengths), units, -1), axis=1) + 1
    return tf.sequence_mask(num_units, tf.shape(tokens)[1])


def _sorted(tokens: Any, sort_by: Any, lengths: Any) -> Any:
    """Tokens in rising order of a number below 2^32 each; ties keep their order, padding too."""
    import tensorflow as tf

    ordered = tf.where(_inside(tokens, lengths), _ordered(sort_by), tf.int64.max)
    return tf.gather(tokens, tf.argsort(ordered, axis=1), batch_dims=1)


def _drawn(candidates: Any, stream: Any, fraction: float) -> Any:
    """The round(fraction * n) of each row's n candidates with the lowest keys, bool [n, units].

    Half a unit is rounded up: tf.round's half-to-even would not grow evenly with fraction.
    """
    import tensorflow as tf

    num_candidates = tf.reduce_sum(tf.cast(candidates, tf.int32), axis=1)
    count = tf.floor(tf.cast(num_candidates, tf.float64) * fraction + 0.5)
    return _ranks(candidates, stream) < tf.cast(count, tf.int32)[:, None]


def _ranks(candidates: Any, stream: Any) -> Any:
    """The place of each row's candidates among them by key, int32 [n, units]; others follow."""
    import tensorflow as tf

    positions = tf.range(tf.shape(candidates)[1])
    keys = _ordered(word_keys(stream, tf.cast(positions, tf.uint32)))
    return tf.argsort(tf.argsort(tf.where(candidates, keys, tf.int64.max), axis=1), axis=1)


def _any_of_unit(of_token: Any, units: Any) -> Any:
    """Whether any token of a unit has a property, bool [n, length] by the unit's number."""
    import tensorflow as tf

    row = tf.broadcast_to(tf.range(tf.shape(units)[0])[:, None], tf.shape(units))
    where = tf.stack([row, units], axis=-1)
    return tf.scatter_nd(where, tf.cast(of_token, tf.int32), tf.shape(units)) > 0


def _ordered(keys: Any) -> Any:
    """Keys as int64, ties broken by position, so that sorting is the same everywhere."""
    import tensorflow as tf

    positions = tf.range(tf.shape(keys, tf.int64)[1])
    return tf.cast(keys, tf.int64) * (1 << 20) + positions[None, :]
