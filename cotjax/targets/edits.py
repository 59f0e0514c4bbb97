"""Perturbations that change a rationale's length: numpy, when a step is laid out.

An edit is made of whole units (words, tokens or steps) of the run's rationales: it says for every
target which ones are said, in which order. It sees the rationale before anything is cut off its
end. What one fraction drops, doubles or inserts, a higher one does too.
"""

import dataclasses

import numpy as np

from cotjax.targets.donors import Perturbation, Swap
from cotjax.targets.keys import second_stream, share, word_keys
from cotjax.targets.units import Source, cut


@dataclasses.dataclass(frozen=True)
class Edit(Perturbation):
    """Says other units than a rationale's own.

    Attributes:
      unit: `words`, `tokens` or `steps`.
    """

    unit: str = "words"

    def edit(
        self, source: Source, targets: np.ndarray, donors: np.ndarray, stream: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Edits the rationales of some targets.

        Args:
          source: All rationales, cut into this edit's units.
          targets: int [n], whose rationales are edited.
          donors: int [n, donors], targets of other questions, each row's first one first; only
            `Insert` takes anything from them.
          stream: uint32 [n], see `keys.streams`.

        Returns:
          See `Source.expand`.
        """
        raise NotImplementedError

    def most(self, source: Source) -> np.ndarray:
        """Tokens that no draw makes a rationale exceed, int64 [targets]."""
        return source.lengths


@dataclasses.dataclass(frozen=True)
class Drop(Edit):
    """Leaves out round(fraction * n) of a rationale's n units; at a fraction below 1 one stays."""

    name: str = "drop"
    fraction: float = 0.5

    def edit(
        self, source: Source, targets: np.ndarray, donors: np.ndarray, stream: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Edit.edit`: drops the lowest keys of each rationale."""
        units, own = source.units(targets)
        count = own.sum(axis=1, keepdims=True)
        most = count if self.fraction == 1 else count - 1
        dropped = np.minimum(share(count, self.fraction), most)
        return source.expand(units, own & (_ranks(stream, own) >= dropped))


@dataclasses.dataclass(frozen=True)
class Duplicate(Edit):
    """Says round(fraction * n) of a rationale's n units twice, each where it stands."""

    name: str = "duplicate"
    fraction: float = 0.5

    def edit(
        self, source: Source, targets: np.ndarray, donors: np.ndarray, stream: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Edit.edit`: doubles the lowest keys of each rationale."""
        units, own = source.units(targets)
        again = own & (_ranks(stream, own) < _share(own, self.fraction))
        return source.expand(np.repeat(units, 2, axis=1), _interleave(own, again))

    def most(self, source: Source) -> np.ndarray:
        """See `Edit.most`."""
        return 2 * source.lengths


@dataclasses.dataclass(frozen=True)
class Insert(Edit):
    """Says a step of another question's rationale after round(fraction * n) of the n steps.

    The other rationale's steps come in random order. Where there are more places than steps, those
    of a next question's follow; only when all donors have given theirs, the first comes again.
    """

    name: str = "insert"
    unit: str = dataclasses.field(default="steps", init=False)
    fraction: float = 0.5

    def donors(self, labels: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """See `Swap.donors`; a stream of this perturbation's own."""
        return Swap(self.name).donors(labels, seed, epoch)

    def edit(
        self, source: Source, targets: np.ndarray, donors: np.ndarray, stream: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Edit.edit`: inserts after the lowest keys."""
        units, own = source.units(targets)
        ranks = _ranks(stream, own)
        theirs, count = _given(source, donors, stream)
        after = own & (ranks < _share(own, self.fraction)) & (count > 0)
        place = np.where(after, ranks % np.maximum(count, 1), 0)
        theirs = np.take_along_axis(theirs, place, 1) if theirs.shape[1] else units
        return source.expand(_interleave(units, theirs), _interleave(own, after))

    def most(self, source: Source) -> np.ndarray:
        """See `Edit.most`."""
        return source.lengths + share(source.counts, self.fraction) * source.sizes.max()


@dataclasses.dataclass(frozen=True)
class _Goal(Edit):
    """Leads to a length: what most of these have in common.

    Attributes:
      length: Tokens, or None for those of each target's reference.
    """

    length: int | None = None

    def most(self, source: Source) -> np.ndarray:
        """See `Edit.most`."""
        return np.maximum(source.lengths, source.goals)


@dataclasses.dataclass(frozen=True)
class FillRandom(_Goal):
    """Says random words after a rationale, until it is as long as it is to be.

    Words are drawn from all rationales of the run as often as they stand there. A longer rationale
    stays as it is; of the last word only what fits is said.
    """

    name: str = "fill_random"
    unit: str = dataclasses.field(default="words", init=False)

    def edit(
        self, source: Source, targets: np.ndarray, donors: np.ndarray, stream: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Edit.edit`: the j-th word after the rationale is the one that key j points at."""
        units, own = source.units(targets)
        lengths, goals = source.lengths[targets], source.goals[targets]
        missing = np.maximum(goals - lengths, 0)
        words = np.arange(missing.max(initial=0), dtype=np.uint32)  # each has a token at least
        num_words = np.uint64(len(source.starts) - 1)
        keys = word_keys(stream, words).astype(np.uint64)
        drawn = (keys * num_words >> np.uint64(32)).astype(np.int64)
        sizes = source.tokens(drawn)
        fits = np.cumsum(sizes, axis=1) - sizes < missing[:, None]
        said = source.expand(
            np.concatenate([units, drawn], axis=1), np.concatenate([own, fits], axis=1)
        )
        return cut(*said, np.maximum(lengths, goals))


@dataclasses.dataclass(frozen=True)
class FillRepeat(_Goal):
    """Says a rationale again from its first word, until it is as long as it is to be.

    A longer rationale stays as it is, and so does one without a word.
    """

    name: str = "fill_repeat"
    unit: str = dataclasses.field(default="words", init=False)

    def edit(
        self, source: Source, targets: np.ndarray, donors: np.ndarray, stream: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Edit.edit`."""
        own = source.lengths[targets]
        lengths = np.where(own > 0, np.maximum(own, source.goals[targets]), 0)
        row = np.repeat(np.arange(len(targets)), lengths)
        place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return source.offsets[targets][row] + place % own[row], lengths


@dataclasses.dataclass(frozen=True)
class Shorten(_Goal):
    """Leaves out steps at random until a rationale is no longer than it is to be.

    A step that is too long by itself is cut at its end. A shorter rationale stays as it is.
    """

    name: str = "shorten"
    unit: str = dataclasses.field(default="steps", init=False)

    def edit(
        self, source: Source, targets: np.ndarray, donors: np.ndarray, stream: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Edit.edit`: drops the lowest keys, and never the highest."""
        units, own = source.units(targets)
        lengths, goals = source.lengths[targets], source.goals[targets]
        goals = np.where(goals > 0, goals, lengths)
        ranks = _ranks(stream, own)
        by_key = np.argsort(np.where(own, -ranks, 1), axis=1, kind="stable")
        sizes = np.take_along_axis(np.where(own, source.tokens(units), 0), by_key, axis=1)
        fits = np.cumsum(sizes, axis=1) <= goals[:, None]
        fits[:, :1] = True
        kept = np.empty_like(fits)
        np.put_along_axis(kept, by_key, fits, axis=1)
        return cut(*source.expand(units, own & kept), goals)

    def most(self, source: Source) -> np.ndarray:
        """See `Edit.most`."""
        goals = np.where(source.goals > 0, source.goals, source.lengths)
        return np.minimum(source.lengths, goals)


def _given(source: Source, donors: np.ndarray, stream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Units of each row's donors, one after the other, each one's in random order.

    Returns:
      int [n, most], units, and int [n, 1], how many of these the row's donors have.
    """
    units, has = [], []
    for donor in donors.T:
        stream = second_stream(stream)
        theirs, own = source.units(donor)
        order = np.argsort(_ranks(stream, own), axis=1, kind="stable")
        units.append(np.take_along_axis(theirs, order, axis=1))
        has.append(own)  # by rank, too, a row's own units come first
    own = np.concatenate(has, axis=1)
    first = np.argsort(~own, axis=1, kind="stable")
    found = np.take_along_axis(np.concatenate(units, axis=1), first, axis=1)
    return found, own.sum(axis=1, keepdims=True)


def _ranks(stream: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Place of each unit among its rationale's by key, int [n, most]; others come after them."""
    positions = np.arange(own.shape[1])
    keys = word_keys(stream, positions.astype(np.uint32)).astype(np.int64)
    keys = np.where(own, keys * (1 << 20) + positions, np.iinfo(np.int64).max)
    return np.argsort(np.argsort(keys, axis=1), axis=1)


def _share(own: np.ndarray, fraction: float) -> np.ndarray:
    """round(fraction * n) of each row's n units, int64 [n, 1]."""
    return share(own.sum(axis=1, keepdims=True), fraction)


def _interleave(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[n, most] twice -> [n, 2 * most], taking turns."""
    return np.stack([one, other], axis=2).reshape(len(one), 2 * one.shape[1])
