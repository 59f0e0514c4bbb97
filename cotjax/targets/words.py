"""Which words of a rationale stay: all, the first k, or the k that the record names.

Words are cut by white space. Choosing them is the first thing done to a rationale, in numpy, when
a step is laid out, so the length of every target is exact before it is packed.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class WordChoice:
    """A rule that keeps words of a rationale.

    Attributes:
      name: `all`, `first_k` or `key_words`.
      k: How many words stay at most; unused by `all`.
    """

    name: str = "all"
    k: int | None = None

    def keep(self, num_words: int, key_words: np.ndarray) -> np.ndarray:
        """Which of `num_words` words stay, in their order in the text.

        Args:
          num_words: Words of the rationale.
          key_words: Positions of the words that matter, most important first.

        Returns:
          bool [num_words]
        """
        kept = np.zeros(num_words, bool)
        if self.name == "all":
            kept[:] = True
        elif self.name == "first_k":
            kept[: self.k] = True
        else:
            kept[key_words[: self.k]] = True
        return kept
