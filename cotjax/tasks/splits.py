"""Which questions no two splits may share: validation held out by hash, and what overlaps."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

from cotjax.errors import InputError
from cotjax.targets.keys import stable_hash
from cotjax.tasks.base import Question, Task, normalise


class MissingSplitError(InputError):
    """The source is in order, but has no such split."""


class Splits(dict[str, list[Question]]):
    """The questions of every split, by its name.

    Attributes:
      unlabelled: How many rows of each split the source gives no label that could be used.
    """

    def __init__(self, questions: Mapping[str, list[Question]], unlabelled: Mapping[str, int]):
        super().__init__(questions)
        self.unlabelled = Counter(unlabelled)


def hold_out(
    task: Task, questions: Sequence[Question], fraction: float, salt: str = ""
) -> tuple[list[Question], list[Question]]:
    """Splits questions into training and validation by a hash of the normalised question.

    The hash alone decides, so a question stays on its side when others are added, and a question
    that occurs twice is never on both sides.

    Args:
      task: Says which questions are the same.
      questions: All of them.
      fraction: About how many to hold out, in [0, 1).
      salt: Changes which are held out.

    Raises:
      InputError: if the fraction is out of range, or leaves one side empty.
    """
    if not 0 <= fraction < 1:
        raise InputError(f"validation_fraction must be in [0, 1), not {fraction}")
    sides: tuple[list[Question], list[Question]] = ([], [])
    for question in questions:
        held_out = _uniform(f"{salt}\n{task.normalised_question(question)}") < fraction
        sides[held_out].append(question)
    if fraction > 0 and not all(sides):
        raise InputError(
            f"validation_fraction={fraction} of {len(questions)} questions leaves"
            f" {len(sides[0])} to train on and {len(sides[1])} to validate on"
        )
    return sides


def fixed_subset(questions: Sequence[Question], count: int | None) -> Sequence[Question]:
    """`count` of the questions, the same in every run, in their order; all of them for None.

    A smaller subset is part of a larger one.
    """
    if count is None or count >= len(questions):
        return questions
    ranked = sorted(range(len(questions)), key=lambda row: stable_hash(questions[row].id))
    return [questions[row] for row in sorted(ranked[:count])]


def overlap(splits: Mapping[str, Sequence[Question]]) -> dict[tuple[str, str], int]:
    """Counts for each pair of splits the questions of the later that occur in the earlier one.

    Questions are the same when question and choices are, without case, spacing and order of the
    choices. A question that occurs twice in the later split counts twice.
    """
    keys = {name: [_identity(question) for question in split] for name, split in splits.items()}
    return {
        (one, other): sum(key in set_of_one for key in keys[other])
        for one, other in itertools.combinations(keys, 2)
        for set_of_one in [set(keys[one])]
    }


def repeated(splits: Mapping[str, Sequence[Question]]) -> dict[str, int]:
    """Counts for each split the questions that occurred in it before."""
    return {
        name: len(questions) - len(set(map(_identity, questions)))
        for name, questions in splits.items()
    }


def split_lines(splits: Mapping[str, Sequence[Question]]) -> list[str]:
    """What every run says of its questions: how many, and how many are asked more than once."""
    lines = ["questions " + _counts({name: len(split) for name, split in splits.items()})]
    lines += [
        f"overlap: {count} questions of {other} stand in {one}"
        for (one, other), count in overlap(splits).items()
    ]
    lines.append("repeated within a split: " + _counts(repeated(splits)))
    if unlabelled := getattr(splits, "unlabelled", None):
        lines.append("left out for want of a label: " + _counts(unlabelled))
    return lines


def _counts(counts: Mapping[str, int]) -> str:
    return " ".join(f"{name}={count}" for name, count in counts.items())


def _uniform(text: str) -> float:
    """Returns a number in [0, 1) that depends on the text alone, on every machine."""
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _identity(question: Question) -> tuple[str, ...]:
    return normalise(question.text), *sorted(map(normalise, question.choices))
