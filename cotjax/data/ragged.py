"""Lists of unequal length in two flat arrays."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Ragged:
    """Row i is `values[offsets[i] : offsets[i + 1]]`.

    Attributes:
      values: Whole numbers [total].
      offsets: int32 [rows + 1], or int64 where there are 2^31 values or more.
    """

    values: np.ndarray
    offsets: np.ndarray

    def __post_init__(self):
        """Keeps offsets in four bytes each where they fit."""
        fits = self.offsets[-1] <= np.iinfo(np.int32).max
        offsets = self.offsets.astype(np.int32 if fits else np.int64, copy=False)
        object.__setattr__(self, "offsets", offsets)

    @classmethod
    def of(cls, values: np.ndarray, lengths: Sequence[int] | np.ndarray) -> "Ragged":
        """Cuts values into rows of these lengths."""
        return cls(values, np.cumsum(np.append(np.zeros(1, np.int64), lengths)))

    @classmethod
    def from_lists(cls, rows: Iterable[Sequence[int]], dtype: Any = np.int32) -> "Ragged":
        """Joins lists of whole numbers, of which only one need be in memory.

        Raises:
          OverflowError: if `dtype` can't hold one of them.
        """
        lengths: list[int] = []

        def values() -> Iterable[int]:
            for row in rows:
                lengths.append(len(row))
                yield from row

        return cls.of(np.fromiter(values(), dtype), lengths)

    @classmethod
    def join(cls, parts: Sequence["Ragged"]) -> "Ragged":
        """The rows of all parts, one part after the other."""
        values = np.concatenate([part.values for part in parts])
        return cls.of(values, np.concatenate([part.lengths for part in parts]))

    @property
    def lengths(self) -> np.ndarray:
        """int64 [rows]"""
        return np.diff(self.offsets).astype(np.int64)

    def lengths_of(self, rows: np.ndarray) -> np.ndarray:
        """The lengths of some rows: int64, of the shape of `rows`."""
        return (self.offsets[rows + 1] - self.offsets[rows]).astype(np.int64)

    def places(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where some rows' values stand: int64 [their values], and int64 [n], how many each has."""
        lengths = self.lengths_of(rows)
        ahead = np.cumsum(lengths) - lengths
        return np.arange(lengths.sum()) + np.repeat(self.offsets[rows] - ahead, lengths), lengths

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def keep(self, mask: np.ndarray) -> "Ragged":
        """Drops the values where `mask` [total] is false."""
        kept = np.concatenate([[0], np.cumsum(mask)])
        return Ragged(self.values[mask], kept[self.offsets])
