"""Which words of a rationale stay: all, some k of them, or all but some.

Words are cut by white space. Choosing them is the first thing done to a rationale, once for the
run, so the length of every target is exact before it is packed.
"""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from cotjax.targets.keys import share

# Words that turn a chain of thought round or check it. Li et al. 2025 ("LLMs Can Easily Learn to
# Reason from Demonstrations: Structure, Not Content, Is What Matters!", arXiv 2502.07374) remove
# such words and name four of them as examples; their whole list is not known to us.
NAMED_BY_THE_PAPER = ("wait", "alternatively", "however", "let me check")
# Ours: what does the same work in the long chains of thought that such models write.
ADDED = (
    "hmm",
    "but",
    "maybe",
    "let me double-check",
    "let me just double-check",
    "let me verify",
    "let me think",
    "let me think again",
    "let me try another",
    "let me see",
    "just to be thorough",
    "just to make sure",
    "double-check",
    "to verify",
    "on second thought",
    "on the other hand",
)
KEYWORDS = NAMED_BY_THE_PAPER + ADDED
NAMED = {"key_words": "key_words", "without_label": "label_words", "without_keywords": "keywords"}


@dataclasses.dataclass(frozen=True)
class WordChoice:
    """A rule that keeps words of a rationale.

    Attributes:
      name: `all`; of some words: `first_k`, `random_k`, `key_words`; of all but some:
        `without_label`, `without_keywords`.
      k: How many of some words stay at most.
      fraction: The same as a share of the rationale's words, rounded as those of perturbations
        are (half is rounded up), but at least one.
      by_rank: Key words stand in the order of their importance, not of the text.
      seed: Of random_k.
    """

    name: str = "all"
    k: int | None = None
    fraction: float | None = None
    by_rank: bool = False
    seed: int = 0

    @property
    def named(self) -> str | None:
        """The field of a TokenTable with the positions of words that it goes by."""
        return NAMED.get(self.name)

    def keep(self, num_words: int, ranked: np.ndarray) -> np.ndarray:
        """The positions of the words that stay, in the order in which they are to stand.

        Args:
          num_words: Words of the rationale.
          ranked: Positions of words. Some of them, the first k, are kept: those that matter, most
            important first, or all in a random order. Or those to leave out; or unused.

        Returns:
          int [kept]
        """
        everything = np.arange(num_words)
        if self.name.startswith("without"):
            return np.setdiff1d(everything, ranked)
        if self.name == "all":
            return everything
        most = self.k if self.fraction is None else max(share(num_words, self.fraction), 1)
        if self.name == "first_k":
            return everything[:most]
        kept = ranked[ranked < num_words][:most]
        return kept if self.by_rank else np.sort(kept)


def words_of_label(text: str, label: str) -> list[int]:
    """Positions of the words that say a label: whole words, of any case, one after the other.

    `(Bank),` says `bank`; `riverbank` and `Banks` don't; 3.5 doesn't say 5. Of a label of several
    words, they all have to stand there.
    """
    return _words_that_say(text, [label])


def words_of_reasoning(text: str) -> list[int]:
    """Positions of the words of KEYWORDS."""
    return _words_that_say(text, KEYWORDS)


def _words_that_say(text: str, phrases: Sequence[str]) -> list[int]:
    """Positions of the words that any of the phrases touches."""
    spelt = [r"\s+".join(map(re.escape, phrase.split())) for phrase in phrases]
    pattern = "|".join(sorted(filter(None, spelt), key=len, reverse=True))
    if not pattern:
        return []
    whole = rf"(?<!\w)(?<!\d[.,])(?:{pattern})(?!\w|[.,]\d)"
    said = [match.span() for match in re.finditer(whole, text, re.IGNORECASE)]
    words = [match.span() for match in re.finditer(r"\S+", text)] if said else []
    return [
        position
        for position, (start, end) in enumerate(words)
        if any(start < last and first < end for first, last in said)
    ]
