"""The words, tokens or steps of all rationales of a run, as numbers that count through them."""

import dataclasses
import functools

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """All rationales of a run, cut into units: what edits are made of.

    Attributes:
      offsets: int64 [targets + 1], where each rationale begins among all tokens.
      of_token: int32 [tokens], position of each token's unit in its rationale, rising from 0.
      goals: int64 [targets], tokens that a rationale is to have, 0 for as many as it has.
    """

    offsets: np.ndarray
    of_token: np.ndarray
    goals: np.ndarray

    @functools.cached_property
    def starts(self) -> np.ndarray:
        """int64 [units + 1], the first token of each unit of all rationales."""
        begins = np.diff(self.of_token, prepend=-1) != 0
        begins[self.offsets[:-1][self.lengths > 0]] = True
        return np.append(np.flatnonzero(begins), len(self.of_token))

    @functools.cached_property
    def first(self) -> np.ndarray:
        """int64 [targets + 1], number of each rationale's first unit."""
        return np.searchsorted(self.starts, self.offsets)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """int64 [targets], tokens of each rationale."""
        return np.diff(self.offsets)

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """int64 [targets], units of each rationale."""
        return np.diff(self.first)

    def units(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the targets' units [n, most], and which of these are theirs: bool."""
        counts = self.counts[targets]
        places = np.arange(counts.max(initial=0))
        return self.first[targets, None] + places, places < counts[:, None]

    @functools.cached_property
    def sizes(self) -> np.ndarray:
        """int64 [units + 1], tokens of each unit of all rationales, and a 0."""
        return np.append(np.diff(self.starts), 0)

    def tokens(self, units: np.ndarray) -> np.ndarray:
        """How many tokens units have; 0 for a number beyond the last one."""
        return self.sizes[np.minimum(units, len(self.sizes) - 1)]

    def expand(self, units: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the tokens of the units that are said stand.

        Args:
          units: int [n, most], in the order in which they are said.
          said: bool [n, most]

        Returns:
          int64 [all tokens], places among all tokens of the run, and int64 [n], tokens of each row.
        """
        sizes = np.where(said, self.tokens(units), 0)
        chosen, of_chosen = units[said], sizes[said]
        ahead = np.cumsum(of_chosen) - of_chosen
        shift = np.repeat(self.starts[chosen] - ahead, of_chosen)
        return np.arange(len(shift)) + shift, sizes.sum(axis=1)


def cut(places: np.ndarray, lengths: np.ndarray, most: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keeps the first `most` tokens of every row; see `Source.expand` for the others."""
    kept = np.minimum(lengths, most)
    within = np.arange(len(places)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return places[within < np.repeat(kept, lengths)], kept
