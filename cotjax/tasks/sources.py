"""Where questions and rationales come from, and which questions no two splits may share."""

import functools
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_collections.config_dict import ConfigDict

from cotjax.errors import InputError
from cotjax.records import MANIFEST, Record, read_manifest, read_records
from cotjax.tasks.base import Procedural, Question, Task, normalise

PROCEDURAL = "procedural"
RECORDS = "records:"


class MissingSplitError(InputError):
    """The source is in order, but has no such split."""


def load_splits(task: Task, config: ConfigDict) -> dict[str, list[Question]]:
    """Returns the questions of train, validation, and test where the source has one.

    Validation is the source's own split, or a part of the training questions held out by hash.
    """
    names = config.task
    load = functools.partial(
        load_questions, task, names.source, allow_incomplete=config.data.allow_incomplete
    )
    train = load(names.train_split)
    if names.validation_split:
        validation = load(names.validation_split)
    else:
        train, validation = hold_out(task, train, names.validation_fraction)
    splits = {"train": train, "validation": validation}
    try:
        splits["test"] = load(names.test_split)
    except MissingSplitError:  # it can be trained without, unless it is to be evaluated
        if "test" in config.evaluation.splits:
            raise
    return splits


def load_questions(
    task: Task, source: str, split: str, allow_incomplete: bool = False
) -> list[Question]:
    """Returns the labelled questions of a split.

    Args:
      task: The task that the questions belong to.
      source: `procedural`, or `records:DIR` where DIR holds a folder of records for every split,
        or is itself the folder of this split.
      split: Such as `train` or `test`.
      allow_incomplete: Whether a folder that its writer has not finished will do.

    Raises:
      InputError: if the source has no such split, or not of this task, or without labels.
    """
    records = load_records(task, source, split, allow_incomplete)
    return [to_question(record, split) for record in records]


def load_records(
    task: Task, source: str, split: str, allow_incomplete: bool = False
) -> list[Record]:
    """Returns the same questions with their rationales: a teacher's, or a procedural task's own."""
    if source == PROCEDURAL:
        if not isinstance(task, Procedural):
            raise InputError(f"task {task.name} is not procedural; use source '{RECORDS}DIR'")
        if split not in task.splits:
            raise MissingSplitError(f"task {task.name} has no split {split!r}; use {task.splits}")
        return task.oracle_records(split)
    if source.startswith(RECORDS):
        return read_split(task, Path(source.removeprefix(RECORDS)), split, allow_incomplete)
    raise InputError(f"no source {source!r}; use '{PROCEDURAL}' or '{RECORDS}DIR'")


def to_question(record: Record, split: str) -> Question:
    """Returns the question of a record; raises InputError where it has no gold label."""
    if record.label is None:
        raise InputError(f"record {record.id!r} of split {split!r} has no label")
    return Question(record.id, record.question, record.choices, record.label, split)


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


def read_split(
    task: Task, folder: Path, split: str, allow_incomplete: bool = False
) -> list[Record]:
    """Returns the records of a folder, or of its folder named like the split.

    Raises:
      InputError: if there are none, or of another task or split.
    """
    place = folder / split if (folder / split / MANIFEST).is_file() else folder
    if not (place / MANIFEST).is_file():
        raise MissingSplitError(f"{folder}: has no records of split {split!r} ({split}/{MANIFEST})")
    manifest = read_manifest(place)
    if manifest.task != task.name:
        raise InputError(f"{place}: holds task {manifest.task!r}, not {task.name!r}")
    if manifest.split != split:
        raise MissingSplitError(f"{place}: holds split {manifest.split!r}, not {split!r}")
    return read_records(place, allow_incomplete)[1]


def _uniform(text: str) -> float:
    """Returns a number in [0, 1) that depends on the text alone, on every machine."""
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _identity(question: Question) -> tuple[str, ...]:
    return normalise(question.text), *sorted(map(normalise, question.choices))
