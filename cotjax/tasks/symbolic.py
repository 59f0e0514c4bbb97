"""Comparison: a made task whose rationales hold facts that no question states."""

import dataclasses
import functools
from typing import ClassVar

import numpy as np

from cotjax.records import Rationale, Record
from cotjax.tasks.base import Procedural, register
from cotjax.tasks.fixed_choices import FixedChoices

MOST_ENTITIES = 5_000  # with 12 million pairs, which are drawn from a list


@register("comparison")
@dataclasses.dataclass(frozen=True)
class Comparison(Procedural, FixedChoices):
    """Which of two entities is heavier, from sizes that no question states.

    Every entity has a hidden size, and every size has as many entities. A question names two
    entities of different sizes; its rationale states both sizes. No pair of entities occurs
    twice, in whatever order, so validation and test ask for facts learned from other pairs.

    Attributes:
      entities: How many entities there are; a multiple of `sizes`. The training questions must be
        enough to name every one.
      sizes: How many sizes there are.
    """

    choices: ClassVar[tuple[str, ...]] = ("first", "second")

    label_format: str = "text"
    entities: int = 200
    sizes: int = 10

    def __post_init__(self):
        if self.sizes < 2 or self.entities % self.sizes or self.entities < self.sizes:
            self._refuse(f"{self.entities} entities do not divide into {self.sizes} sizes")
        if self.entities > MOST_ENTITIES:
            self._refuse(f"{self.entities} entities: their pairs would not fit into memory")
        super().__post_init__()

    def _possible(self) -> tuple[int, str]:
        pairs = self.entities * (self.entities - self.entities // self.sizes) // 2
        return pairs, "pairs of entities differ in size; make more entities or fewer questions"

    def _record(self, identifier: str, drawn: tuple[np.ndarray, np.ndarray]) -> Record:
        """Its key words are the two sizes."""
        pair, sizes = drawn
        label = self.choices[0] if sizes[0] > sizes[1] else self.choices[1]
        rationale = Rationale(
            sample=0,
            text=f"ent{pair[0]} is size{sizes[0]} while ent{pair[1]} is size{sizes[1]}",
            answer=label,
            correct=True,
            key_words=(2, 6),
        )
        question = f"heavier ? ent{pair[0]} or ent{pair[1]}"
        return Record(identifier, question, self.choices, label, (rationale,))

    @functools.cached_property
    def _drawn(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The pairs to ask about, in random order, and their two sizes."""
        random = np.random.Generator(np.random.Philox(key=self.seed))
        sizes = random.permutation(np.arange(self.entities) % self.sizes)
        pairs = np.stack(np.triu_indices(self.entities, k=1), axis=1)
        pairs = random.permutation(pairs[sizes[pairs[:, 0]] != sizes[pairs[:, 1]]])
        pairs = random.permuted(pairs, axis=1)
        pairs, needed = _cover_first(pairs)
        if needed > self.train_questions:
            self._refuse(
                f"train_questions={self.train_questions} cannot name all"
                f" {self.entities} entities; it takes {needed}"
            )
        return [(pair, sizes[pair]) for pair in pairs]


def _cover_first(pairs: np.ndarray) -> tuple[np.ndarray, int]:
    """Moves the pairs that name an entity for the first time to the front, otherwise in order.

    Returns:
      The pairs, and how many of them it takes to name every entity.
    """
    seen: set[int] = set()
    is_new = np.zeros(len(pairs), bool)
    for row, pair in enumerate(pairs.tolist()):
        is_new[row] = not seen.issuperset(pair)
        seen.update(pair)
    return np.concatenate([pairs[is_new], pairs[~is_new]]), int(is_new.sum())
