"""Which rationales stand in another's place, word for word: baselines of expected gradients."""

from collections.abc import Sequence

import numpy as np

from cotjax.errors import InputError
from cotjax.targets.keys import stable_hash

DONORS = 16  # of the comparison task's planted words, 8 find 99 % (within the best two of seven)


class Donors:
    """Rationales of another label than one's own, those of as many words first.

    Which ones a rationale gets depends on the records alone: on a hash of its question's id and of
    its sample among those that are equally near in length.
    """

    def __init__(
        self,
        names: Sequence[str],
        labels: Sequence[str],
        rationales: Sequence[tuple[Sequence[int], Sequence[int]]],
        unknown: int,
    ):
        """Takes all rationales of a folder.

        Args:
          names: Of each, that nothing else is called.
          labels: What is to be answered after each.
          rationales: Tokens of each, and the position of each one's word.
          unknown: The token that stands where a donor has none.
        """
        self._names, self._rationales, self._unknown = names, rationales, unknown
        known, self._labels = np.unique(np.array(labels), return_inverse=True)
        self._num_labels, self._of_label = len(known), np.bincount(self._labels)
        self._words = np.array([max(words, default=-1) + 1 for _, words in rationales])
        self._lengths = np.unique(self._words)
        # Sorted by words, then label: those of so many words and of a label are a span of places.
        self._numbers = np.lexsort((self._labels, self._words))
        self._keys = (self._words * self._num_labels + self._labels)[self._numbers]

    def instead_of(self, number: int, words: Sequence[int], count: int) -> list[list[int]]:
        """What stands at each token of a rationale instead, for each of `count` donors.

        Args:
          number: Of the rationale.
          words: Of its tokens, as it is laid out: see `Layout.words`.
          count: Donors.

        Raises:
          InputError: where fewer have another label.
        """
        return [self._in_place(words, donor) for donor in self._of(number, count)]

    def _of(self, number: int, count: int) -> list[int]:
        """The `count` donors of a rationale, as numbers of rationales, the nearest in length first.

        Raises:
          InputError: where fewer have another label.
        """
        others = len(self._labels) - self._of_label[self._labels[number]]
        if others < count:
            raise InputError(
                f"--donors={count}: only {others} rationales have another label than "
                f"{self._names[number]}; give fewer, or more records"
            )
        draws = np.random.Generator(np.random.Philox(key=stable_hash(self._names[number])))
        distances, found = np.abs(self._lengths - self._words[number]), []
        for distance in np.unique(distances):
            spans = self._others(self._labels[number], self._lengths[distances == distance])
            found += self._drawn(spans, count - len(found), draws)
            if len(found) == count:
                break
        return found

    def _others(self, label: int, lengths: np.ndarray) -> np.ndarray:
        """Where rationales of some lengths and of another label stand in `_numbers`, [spans, 2]."""
        first = lengths * self._num_labels
        edges = np.stack([first, first + label, first + label + 1, first + self._num_labels])
        return np.searchsorted(self._keys, edges.T).reshape(-1, 2)

    def _drawn(self, spans: np.ndarray, most: int, draws: np.random.Generator) -> list[int]:
        """At most so many numbers of rationales in spans of places, each as likely as another."""
        ends = np.cumsum(spans[:, 1] - spans[:, 0])
        taken = draws.choice(ends[-1], min(most, ends[-1]), replace=False)
        span = np.searchsorted(ends, taken, side="right")
        return self._numbers[spans[span, 1] - ends[span] + taken].tolist()

    def _in_place(self, words: Sequence[int], donor: int) -> list[int]:
        """What stands instead at each token of a rationale that is laid out so (`Layout.words`).

        The n-th token of a word gives way to the n-th token of the donor's word in the same
        position; where this has fewer tokens, or the donor fewer words, to the unknown token. What
        it has more of is left out. So words that both share stand as they are.
        """
        tokens, of_word = self._rationales[donor]
        there = dict(zip(_places([1 + word for word in of_word]), tokens, strict=True))
        return [there.get(place, self._unknown) for place in _places(words)]


def _places(words: Sequence[int]) -> list[tuple[int, int]]:
    """Each token's word, and its number among that word's tokens."""
    places: list[tuple[int, int]] = []
    for word in words:
        before = places[-1] if places else (word, -1)
        places.append((word, before[1] + 1 if before[0] == word else 0))
    return places
