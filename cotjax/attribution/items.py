"""The rationales of a folder of records, one by one, and what scores their words."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from cotjax.attribution.scores import WordScores, text_hash
from cotjax.records import Rationale, Record


@dataclasses.dataclass(frozen=True)
class Item:
    """A rationale whose words are to be scored, and the question that it belongs to."""

    record: Record
    rationale: Rationale

    @property
    def key(self) -> tuple[str, int]:
        """What it is found by in its folder."""
        return self.record.id, self.rationale.sample

    @property
    def words(self) -> list[str]:
        """Of the rationale, cut by white space."""
        return self.rationale.text.split()

    @property
    def label(self) -> str | None:
        """The gold label, or else the teacher's answer; None where there is neither."""
        return self.rationale.answer if self.record.label is None else self.record.label

    def scored(
        self, scores: Sequence[float], gain: float | None = None, steps: int | None = None
    ) -> WordScores:
        """The line of its scores, to six digits; see there for the others."""
        rounded = tuple(float(f"{score:.6g}") for score in scores)
        return WordScores(*self.key, text_hash(self.rationale.text), rounded, gain, steps)


class Scorer(Protocol):
    """A method, ready to score.

    Attributes:
      settings: All that its scores depend on beside the method and the records.
    """

    settings: dict[str, Any]

    def lacks(self, item: Item) -> str | None:
        """Why an item can't be scored; None if it can be."""

    def counts(self, items: Sequence[Item]) -> dict[str, int]:
        """What of these items the method does not see, by name."""

    def score(
        self, items: Sequence[Item], wanted: Callable[[Item], bool], advance: Callable[[int], None]
    ) -> Iterator[WordScores]:
        """Scores the wanted ones of all items of a folder, in any order.

        `advance` is told how many more are done.
        """
