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
        self._labels = np.unique(np.array(labels), return_inverse=True)[1]
        self._words = np.array([max(words, default=-1) + 1 for _, words in rationales])

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

    def _of(self, number: int, count: int) -> np.ndarray:
        """The `count` donors of a rationale, as numbers of rationales.

        Raises:
          InputError: where fewer have another label.
        """
        others = np.flatnonzero(self._labels != self._labels[number])
        if len(others) < count:
            raise InputError(
                f"--donors={count}: only {len(others)} rationales have another label than "
                f"{self._names[number]}; give fewer, or more records"
            )
        draws = np.random.Generator(np.random.Philox(key=stable_hash(self._names[number])))
        distance = np.abs(self._words[others] - self._words[number])
        return others[np.lexsort((draws.random(len(others)), distance))[:count]]

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
