"""A table of targets small enough to draw."""

from collections.abc import Sequence

import numpy as np

from cotjax.data.ragged import Ragged
from cotjax.data.steps import StepConfig
from cotjax.data.tokens import TokenTable
from cotjax.data.units import pack
from cotjax.targets.donors import Perturbation
from cotjax.targets.keys import stable_hash
from cotjax.targets.orders import make_order
from cotjax.targets.perturb import PERTURBATIONS

EOS = 1
CONNECTIVE = (9,)
PREDICT, EXPLAIN = 50, 51  # what multitask puts before a question


def small_table(order: str = "label_only") -> TokenTable:
    """Two questions: the first with two rationales, the second with one."""
    questions = Ragged.from_lists([[20, 21, EOS], [22, EOS]])
    return TokenTable(
        inputs=asked_twice(questions) if order == "multitask" else questions,
        labels=Ragged.from_lists([[5], [5], [6, 7]]),
        rationales=Ragged.from_lists([[30, 31, 32], [33, 34], [40, 41, 42, 43]]),
        key_words=Ragged.from_lists([[1], [0], [2, 0]]),
        label_words=Ragged.from_lists([[], [0, 1], [1]]),
        keywords=Ragged.from_lists([[0], [], [2]]),
        begins=begins([[0, 0, 1], [0, 1], [0, 1, 1, 2]], [[0, 0, 1], [0, 0], [0, 0, 0, 1]]),
        reference=np.array([2, 0, 9], np.int32),
        question=np.array([0, 0, 1], np.int32),
        samples=np.array([0, 1, 0], np.int32),
        id_hashes=np.array([stable_hash("a"), stable_hash("b")], np.uint64),
    )


def begins(words: Sequence[Sequence[int]], steps: Sequence[Sequence[int]]) -> np.ndarray:
    """What begins with each token, of each rationale's numbers of words and steps."""
    rows = [pack(*both) for both in zip(words, steps, strict=True)]
    return np.concatenate(rows)


def asked_twice(questions: Ragged) -> Ragged:
    """The inputs of multitask."""
    return Ragged.from_lists([[task, *q] for q in questions for task in (PREDICT, EXPLAIN)])


def random_table(
    per_question: list[int], seed: int = 0, longest: int = 12, order: str = "label_only"
) -> TokenTable:
    """Questions with some targets each, of random lengths and tokens below 60."""
    generator = np.random.default_rng(seed)

    def texts(count: int, most: int) -> Ragged:
        lengths = generator.integers(1, most + 1, count)
        return Ragged.from_lists([generator.integers(10, 60, length) for length in lengths])

    targets = sum(per_question)
    inputs = texts(len(per_question), longest)
    inputs.values[inputs.offsets[1:] - 1] = EOS
    rationales = texts(targets, longest)
    words = [np.arange(length) // 2 for length in rationales.lengths]
    steps = [np.arange(length) // 5 for length in rationales.lengths]
    return TokenTable(
        inputs=asked_twice(inputs) if order == "multitask" else inputs,
        labels=texts(targets, 3),
        rationales=rationales,
        key_words=Ragged.from_lists([[0]] * targets),
        label_words=Ragged.from_lists([[]] * targets),
        keywords=Ragged.from_lists([[]] * targets),
        begins=begins(words, steps),
        reference=generator.integers(0, longest + 1, targets).astype(np.int32),
        question=np.repeat(np.arange(len(per_question)), per_question).astype(np.int32),
        samples=np.concatenate([np.arange(count) for count in per_question]).astype(np.int32),
        id_hashes=np.array([stable_hash(str(q)) for q in range(len(per_question))], np.uint64),
    )


def step_config(
    order: str = "label_first", perturbation: str | Perturbation = "none", **fields
) -> StepConfig:
    """A StepConfig with a one-token connective."""
    made = make_order(order)
    if isinstance(perturbation, str):
        perturbation = PERTURBATIONS[perturbation]()
    fields = {"batch_size": 3, "target_length": 16} | fields
    return StepConfig(
        order=made,
        connective=CONNECTIVE if made.uses_rationale else (),
        perturbation=perturbation,
        **fields,
    )
