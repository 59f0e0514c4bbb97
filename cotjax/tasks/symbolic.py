"""Tasks that make their own questions, and whose rationales are known to be true."""

import dataclasses
import functools
from typing import ClassVar

import numpy as np

from cotjax.errors import InputError
from cotjax.records import Rationale, Record
from cotjax.tasks.base import Procedural, Question, one_line, register
from cotjax.tasks.multiple_choice import MultipleChoice


@register("comparison")
@dataclasses.dataclass(frozen=True)
class Comparison(MultipleChoice, Procedural):
    """Which of two entities is heavier, from sizes that no question states.

    Every entity has a hidden size, and every size has as many entities. A question names two
    entities of different sizes; its rationale states both sizes. No pair of entities occurs
    twice, in whatever order, so validation and test ask for facts learned from other pairs.

    Attributes:
      seed: Settles sizes, pairs and their order.
      entities: How many entities there are; a multiple of `sizes`.
      sizes: How many sizes there are.
      train_questions: At least as many as it takes to name every entity once.
      validation_questions: For development: settings are chosen here, never on test.
      test_questions: For the numbers that are shown.
    """

    label_formats: ClassVar[tuple[str, ...]] = ("text",)
    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test")
    shows_letters: ClassVar[bool] = False
    choices: ClassVar[tuple[str, str]] = ("first", "second")

    label_format: str = "text"
    seed: int = 0
    entities: int = 200
    sizes: int = 10
    train_questions: int = 2_000
    validation_questions: int = 300
    test_questions: int = 600

    def __post_init__(self):
        super().__post_init__()
        if self.sizes < 2 or self.entities % self.sizes or self.entities < self.sizes:
            raise InputError(
                f"task comparison: {self.entities} entities do not divide into {self.sizes} sizes"
            )
        per_size = self.entities // self.sizes
        pairs = self.entities * (self.entities - per_size) // 2
        if sum(self._counts.values()) > pairs:
            raise InputError(
                f"task comparison: {sum(self._counts.values())} questions, but only {pairs} pairs"
                " of entities differ in size; make more entities or fewer questions"
            )

    def format_input(self, question: Question) -> str:
        """Returns the question alone: its choices are the same in every question."""
        return one_line(question.text)

    def oracle_records(self, split: str) -> list[Record]:
        """Returns the questions of `split` with their rationales and key words: the two sizes."""
        if split not in self.splits:
            raise InputError(
                f"task comparison has no split {split!r}; use {', '.join(self.splits)}"
            )
        sizes, pairs = self._world
        start = sum(self._counts[s] for s in self.splits[: self.splits.index(split)])
        return [
            self._record(f"{split}-{number:05d}", tuple(pair), sizes[pair])
            for number, pair in enumerate(pairs[start : start + self._counts[split]])
        ]

    def _record(self, identifier: str, pair: tuple[int, int], sizes: np.ndarray) -> Record:
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

    @property
    def _counts(self) -> dict[str, int]:
        counts = (self.train_questions, self.validation_questions, self.test_questions)
        return dict(zip(self.splits, counts, strict=True))

    @functools.cached_property
    def _world(self) -> tuple[np.ndarray, np.ndarray]:
        """The size of every entity, and all pairs to ask about: [entities], [pairs, 2]."""
        random = np.random.Generator(np.random.Philox(key=self.seed))
        sizes = random.permutation(np.arange(self.entities) % self.sizes)
        pairs = np.stack(np.triu_indices(self.entities, k=1), axis=1)
        pairs = random.permutation(pairs[sizes[pairs[:, 0]] != sizes[pairs[:, 1]]])
        pairs = random.permuted(pairs, axis=1)
        pairs, needed = _cover_first(pairs)
        if needed > self.train_questions:
            raise InputError(
                f"task comparison: train_questions={self.train_questions} cannot name all"
                f" {self.entities} entities; it takes {needed}"
            )
        return sizes, pairs


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
