"""Where questions and rationales come from."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml_collections.config_dict import ConfigDict

from cotjax.errors import InputError
from cotjax.records import MANIFEST, Record, read_manifest, read_records
from cotjax.tasks import files, hub, tfds
from cotjax.tasks.base import Procedural, Question, Task, UnwritableLabelError
from cotjax.tasks.rows import to_record
from cotjax.tasks.splits import MissingSplitError, Splits, hold_out

FORMS = (
    "procedural",
    "records:DIR",
    "hub",
    "hub:ID_OR_FOLDER",
    "hub:ID_OR_FOLDER:CONFIG",
    "tfds",
    "tfds:NAME",
    "file:PATH",
)

_SHARED: ContextVar[dict[Any, list[Record]] | None] = ContextVar("shared records", default=None)


@contextmanager
def shared_records() -> Iterator[None]:
    """Inside, every source and folder is read once, however often it is asked for.

    For the runs of a study, which have most of them in common; they stay in memory that long.
    """
    token = _SHARED.set({})
    try:
        yield
    finally:
        _SHARED.reset(token)


def _shared(read: Callable[..., list[Record]]) -> Callable[..., list[Record]]:
    """Lets a reader of records take part in `shared_records`."""

    @functools.wraps(read)
    def reading(*arguments: Any, **options: Any) -> list[Record]:
        known = _SHARED.get()
        if known is None:
            return read(*arguments, **options)
        key = (read.__name__, *arguments, *options.items())
        if key not in known:
            known[key] = read(*arguments, **options)
        return list(known[key])

    return reading


def load_splits(task: Task, config: ConfigDict) -> Splits:
    """Returns the questions of train, validation, and test where the source has one.

    Validation is the source's own split, or a part of the training questions held out by hash.
    """
    names, unlabelled = config.task, {}

    def load(name: str) -> list[Question]:
        records = load_records(
            task, names.source, name, allow_incomplete=config.data.allow_incomplete
        )
        questions = _labelled(task, names.source, records, name)
        if len(questions) < len(records):
            unlabelled[name] = len(records) - len(questions)
        return questions

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
    return Splits(splits, unlabelled)


def load_questions(
    task: Task, source: str, split: str, allow_incomplete: bool = False
) -> list[Question]:
    """Returns the labelled questions of a split.

    Args:
      task: The task that the questions belong to.
      source: One of FORMS. The DIR of `records:` holds a folder of records for every split, or is
        itself the folder of this split; `hub` and `tfds` alone mean the task's own data set.
      split: As the source calls it, such as `train` or `test`.
      allow_incomplete: Whether a folder that its writer has not finished will do.

    Raises:
      InputError: if the source has no such split, or not of this task, or without labels.
    """
    records = load_records(task, source, split, allow_incomplete)
    return _labelled(task, source, records, split)


@_shared
def load_records(
    task: Task, source: str, split: str, allow_incomplete: bool = False
) -> list[Record]:
    """Returns the same questions with their rationales: a teacher's, or a procedural task's own.

    Published data sets (`hub`, `tfds`, `file:`) have none, but people's explanations in `human`,
    and rows without a label, which the questions leave out.
    """
    form, _, place = source.partition(":")
    if source == "procedural":
        return _procedural(task, split)
    if form == "records" and place:
        return read_split(task, Path(place), split, allow_incomplete)
    if form == "hub":
        rows = hub.read_rows(*hub.find(task.name, place), split)
    elif form == "tfds":
        rows = tfds.read_rows(tfds.find(task.name, place), split)
    elif form == "file" and place:
        rows = files.read_rows(files.find(place, split))
    else:
        raise InputError(f"no source {source!r}; use {', '.join(FORMS)}")
    return list(_distinct(_records(task, rows, split)))


def to_question(record: Record, split: str) -> Question:
    """Returns the question of a record; raises InputError where it has no gold label."""
    if record.label is None:
        raise InputError(f"record {record.id!r} of split {split!r} has no label")
    return Question(record.id, record.question, record.choices, record.label, split)


@_shared
def read_split(
    task: Task, folder: Path, split: str, allow_incomplete: bool = False
) -> list[Record]:
    """Returns the records of a folder, or of its folder named like the split.

    Raises:
      InputError: if there are none, or of another task or split.
    """
    place = split_folder(folder, split)
    if not (place / MANIFEST).is_file():
        raise MissingSplitError(f"{folder}: has no records of split {split!r} ({split}/{MANIFEST})")
    manifest = read_manifest(place)
    if manifest.task != task.name:
        raise InputError(f"{place}: holds task {manifest.task!r}, not {task.name!r}")
    if manifest.split != split:
        raise MissingSplitError(f"{place}: holds split {manifest.split!r}, not {split!r}")
    return read_records(place, allow_incomplete)[1]


def split_folder(folder: Path, split: str) -> Path:
    """The folder of a split among those of others, or, where there is none, the folder itself."""
    return folder / split if (folder / split / MANIFEST).is_file() else folder


def _procedural(task: Task, split: str) -> list[Record]:
    if not isinstance(task, Procedural):
        raise InputError(f"task {task.name} is not procedural; use source {', '.join(FORMS[1:])}")
    if split not in task.splits:
        raise MissingSplitError(
            f"task {task.name} has no split {split!r}; use {', '.join(task.splits)}"
        )
    return task.oracle_records(split)


def _records(
    task: Task, rows: Iterable[tuple[str, Mapping[str, Any]]], split: str
) -> Iterator[tuple[str, Record]]:
    """Yields the record of every row, and where it stands.

    Of data sets that have only some labels in the task's format, the others count as missing:
    not every problem of ASDiv has an equation.
    """
    for number, (where, row) in enumerate(rows):
        try:
            record = to_record(task.name, row, number, split)
            yield where, record if _is_written(task, record) else replace(record, label=None)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error


def _is_written(task: Task, record: Record) -> bool:
    """Whether a label, if there is one, has the task's format; raises InputError if it is wrong."""
    if record.label is None:
        return True
    try:
        task.format_label(to_question(record, split=""), record.label)
    except UnwritableLabelError:
        return False
    return True


def _distinct(records: Iterable[tuple[str, Record]]) -> Iterator[Record]:
    places: dict[str, str] = {}
    for where, record in records:
        if record.id in places:
            raise InputError(f"{where}: id {record.id!r} is already at {places[record.id]}")
        places[record.id] = where
        yield record


def _labelled(task: Task, source: str, records: list[Record], split: str) -> list[Question]:
    """The questions of records; those of a published data set that have no label are left out."""
    if source.partition(":")[0] in ("procedural", "records"):
        return [to_question(record, split) for record in records]
    questions = [to_question(record, split) for record in records if record.label is not None]
    if not questions:
        raise InputError(
            f"{source}: none of the {len(records)} rows of split {split!r} of {task.name} has a "
            f"label in label_format {task.label_format!r} (that of a test split may be secret); "
            "name another split in config.task"
        )
    return questions
