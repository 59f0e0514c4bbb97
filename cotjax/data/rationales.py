"""The records whose rationales a config trains on: a teacher's, a task's own, or people's."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ml_collections.config_dict import ConfigDict

from cotjax.errors import InputError
from cotjax.memory import refuse_if_too_large
from cotjax.records import MANIFEST, Rationale, Record, size_on_disk
from cotjax.tasks.base import Task
from cotjax.tasks.sources import load_records, read_split, split_folder

# Bytes that records take until they are tokens, and each byte of theirs on disk, at most:
# docs/reliability.md.
FIXED, MEMORY = 2**27, 14


def refuse_too_many(config: ConfigDict) -> None:
    """Raises InputError where tokenising a config's records may take more memory than there is."""
    source, _, place = config.task.source.partition(":")
    named = config.data.records or (place if source == "records" else "")
    folder = split_folder(Path(named), config.task.train_split)
    if named and (folder / MANIFEST).is_file():  # or whoever reads it tells
        needed = FIXED + MEMORY * size_on_disk(folder)
        refuse_if_too_large(f"{folder}: to tokenise its records", needed)


def training_records(task: Task, config: ConfigDict) -> list[Record]:
    """The records that a config names: of a folder, or of the source itself.

    Raises:
      InputError: if they are unusable.
    """
    split, allow_incomplete = config.task.train_split, config.data.allow_incomplete
    if config.data.records:
        records = read_split(task, Path(config.data.records), split, allow_incomplete)
    else:
        records = load_records(task, config.task.source, split, allow_incomplete)
    if config.data.rationales == "human":
        return [people_as_teachers(record) for record in records]
    return records


def people_as_teachers(record: Record) -> Record:
    """Returns a record with people's explanations as its rationales, tagged `human=NAME`.

    They explain the gold label.
    """
    correct = None if record.label is None else True
    rationales = tuple(
        Rationale(number, text, record.label, correct, tags={"human": name})
        for number, (name, text) in enumerate((record.human or {}).items())
    )
    return dataclasses.replace(record, rationales=rationales)


def needs_rationale(config: ConfigDict, records: Sequence[Record]) -> bool:
    """Whether questions without a rationale are of no use: not where the source has none at all.

    Raises:
      InputError: if it has none and the config asks for some.
    """
    data = config.data
    if data.records or any(record.rationales for record in records):
        return True
    for name, value, idle in (
        ("order", data.order, "label_only"),
        ("label_source", data.label_source, "gold"),
        ("selection.name", data.selection.name, "all"),
        ("selection.tags", data.selection.tags, ""),
        ("selection.answers", data.selection.answers, "any"),
    ):
        if value != idle:
            raise InputError(
                f"config.data.records is unset and config.task.source={config.task.source!r} has "
                f"no rationales, but config.data.{name}={value!r} needs some"
            )
    return False
