"""Importance without a student: by the words alone, by people, and controls.

Each method takes all rationales of a folder and gives every word of each a score. Words are
compared without case and punctuation.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from cotjax.attribution.items import Item
from cotjax.attribution.scores import WordScores
from cotjax.targets.keys import stable_hash

HUMAN = "extractive"  # what people marked of a CommonsenseQA question: `human` of CoS-E's records


def form(word: str) -> str:
    """What two words have in common that are the same but for case and punctuation."""
    return "".join(re.findall(r"\w+", word)).casefold()


def tf_idf(items: Sequence[Item], seed: int) -> Iterator[list[float]]:
    """Term frequency times smoothed inverse document frequency, over all rationales.

    The idf is scikit-learn's, ln((1 + n) / (1 + df)) + 1.
    """
    rarity = _rarity(items)
    for item in items:
        forms = [form(word) for word in item.words]
        counts = Counter(forms)
        yield [counts[one] * rarity[one] for one in forms]


def label_overlap(items: Sequence[Item], seed: int) -> Iterator[list[float]]:
    """Words of the label's text; the rarer among the rationales, the higher."""
    return _marked(items, [item.label or "" for item in items])


def human(items: Sequence[Item], seed: int) -> Iterator[list[float]]:
    """Words that a person marked as the reason; the rarer among the rationales, the higher."""
    return _marked(items, [(item.record.human or {}).get(HUMAN, "") for item in items])


def random(items: Sequence[Item], seed: int) -> Iterator[list[float]]:
    """A control: uniform draws by seed, question, sample and position."""
    for item in items:
        key = [seed, stable_hash(f"{item.rationale.sample}:{item.record.id}")]
        yield np.random.Generator(np.random.Philox(key=key)).random(len(item.words)).tolist()


def first(items: Sequence[Item], seed: int) -> Iterator[list[float]]:
    """A control: the earlier, the higher."""
    for item in items:
        yield [float(left) for left in range(len(item.words), 0, -1)]


def _marked(items: Sequence[Item], marks: Sequence[str]) -> Iterator[list[float]]:
    """Scores the words that a rationale shares with a text, the others 0."""
    rarity = _rarity(items)
    for item, text in zip(items, marks, strict=True):
        marked = {form(word) for word in text.split()} - {""}
        forms = [form(word) for word in item.words]
        yield [rarity[one] if one in marked else 0.0 for one in forms]


def _rarity(items: Sequence[Item]) -> dict[str, float]:
    """The smoothed idf of every word; 0 for what is punctuation alone."""
    frequency = Counter(one for item in items for one in {form(word) for word in item.words})
    rarity = {one: math.log((1 + len(items)) / (1 + df)) + 1 for one, df in frequency.items()}
    return rarity | {"": 0.0}


METHODS = {
    "tf_idf": tf_idf,
    "label_overlap": label_overlap,
    "human": human,
    "random": random,
    "first": first,
}


class Lexical:
    """Scores words by one of METHODS: see `items.Scorer`."""

    def __init__(self, method: str, seed: int | None = None):
        """`seed` is that of `random`."""
        self._method, self._seed = method, seed
        self.settings: dict[str, Any] = {} if seed is None else {"seed": seed}

    def lacks(self, item: Item) -> str | None:
        """See `items.Scorer`."""
        if self._method == "label_overlap" and item.label is None:
            return "without a label"
        if self._method == "human" and HUMAN not in (item.record.human or {}):
            return f"without human.{HUMAN}"
        return None

    def counts(self, items: Sequence[Item]) -> dict[str, int]:
        """See `items.Scorer`."""
        return {}

    def score(
        self, items: Sequence[Item], wanted: Callable[[Item], bool], advance: Callable[[int], None]
    ) -> Iterator[WordScores]:
        """See `items.Scorer`; how rare a word is depends on all items."""
        scored = METHODS[self._method](items, self._seed or 0)
        for item, scores in zip(items, scored, strict=True):
            if wanted(item):
                yield item.scored(scores)
                advance(1)
