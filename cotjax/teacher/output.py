"""The folder of a sampling job: its journal, its shards, and what is still to be asked."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.experimental import multihost_utils

from cotjax.errors import InputError
from cotjax.json_files import to_json
from cotjax.records import (
    DROPPED,
    MANIFEST,
    Manifest,
    Record,
    read_manifest,
    read_records,
    shard_name,
    whole_shards,
    write_manifest,
    write_shard,
)
from cotjax.teacher.answers import EMPTY
from cotjax.teacher.journal import Entry, Journal, check_same_job

IDENTITY = ("task", "split", "teacher", "prompt", "prompt_sha256", "seed")


class Output:
    """What one process writes.

    Its questions fill shards in their order, so the shards of a job that was stopped are those of
    one that was not.

    Attributes:
      complete: Whether all processes have finished.
      num_questions: Of this process.
      num_samples: Of these questions, those that were there before included.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        questions: Sequence[Record],
        refused: Collection[str],
        samples: int,
        per_shard: int,
        to_record: Callable[[Record, list[Entry]], Record],
    ):
        """Begins a folder, or goes on with it.

        Args:
          folder: To be written, or begun by the same job.
          manifest: Of the job.
          questions: All of the job.
          refused: Ids of those that can't be asked: their records have no rationale.
          samples: Of each question.
          per_shard: Questions of a shard.
          to_record: Turns a question and its samples into a record.

        Raises:
          InputError: where the folder holds anything else.
        """
        self._folder, self._manifest = folder, manifest
        self._samples, self._refused = samples, frozenset(refused)
        self._process, self._to_record = jax.process_index(), to_record
        self.complete = self._begin()
        self._asked = samples * sum(question.id not in self._refused for question in questions)
        mine = questions[self._process :: jax.process_count()]
        self._shards = [mine[start : start + per_shard] for start in range(0, len(mine), per_shard)]
        self._shard_of = {q.id: n for n, shard in enumerate(self._shards) for q in shard}
        written = {shard.name for shard in whole_shards(folder)}
        self._written = {n for n in range(len(self._shards)) if self._name(n) in written}
        self.num_questions = len(mine)
        self.num_samples = sum(samples * (question.id not in self._refused) for question in mine)
        self._journal = Journal(folder, self._process)
        self._missing = self._find_missing()
        for number in range(len(self._shards)):
            self._write_if_full(number)

    @property
    def missing(self) -> dict[str, tuple[int, ...]]:
        """Numbers of the samples that are still to be written, by question."""
        return {id_: tuple(sorted(numbers)) for id_, numbers in self._missing.items()}

    @property
    def answered(self) -> int:
        """How many questions have all of their samples."""
        return self.num_questions - len(self._missing)

    def add(self, entry: Entry) -> None:
        """Keeps a sample, and writes the shard that it completes."""
        self._journal.add(entry)
        numbers = self._missing[entry.id]
        numbers.remove(entry.sample)
        if not numbers:
            del self._missing[entry.id]
            self._write_if_full(self._shard_of[entry.id])

    def close(self) -> None:
        """Leaves everything for a later run to go on with."""
        self._journal.close()

    def finish(self) -> list[Record]:
        """Completes the manifest once all processes are done; returns all records."""
        _barrier("sampled")
        if self._process == 0 and not self.complete:
            shards = tuple(whole_shards(self._folder))
            records = read_records(self._folder, allow_incomplete=True)[1]
            manifest = dataclasses.replace(
                self._manifest, complete=True, shards=shards, counts=_count(records, self._asked)
            )
            write_manifest(self._folder, manifest)
        _barrier("complete")
        self._journal.remove()
        return read_records(self._folder)[1]

    def _begin(self) -> bool:
        """Checks or writes the manifest; returns whether the job was finished before."""
        manifest_file = self._folder / MANIFEST
        exists = manifest_file.is_file()
        _barrier("looked")  # before process 0 writes what the others look for
        if exists:
            before = read_manifest(self._folder)
            check_same_job(self._folder, _identity(before), _identity(self._manifest))
            return before.complete
        if self._process == 0:
            if self._folder.exists() and (not self._folder.is_dir() or any(self._folder.iterdir())):
                raise InputError(f"--output={self._folder}: holds something else; choose another")
            self._folder.mkdir(parents=True, exist_ok=True)
            write_manifest(self._folder, self._manifest)
        _barrier("begun")
        return False

    def _write_if_full(self, number: int) -> None:
        questions = self._shards[number]
        if number in self._written or any(q.id in self._missing for q in questions):
            return
        records = [self._to_record(question, self._entries(question.id)) for question in questions]
        write_shard(self._folder, self._process, number, records)
        self._written.add(number)

    def _find_missing(self) -> dict[str, set[int]]:
        every, done, missing = set(range(self._samples)), self._journal.entries, {}
        for number, shard in enumerate(self._shards):
            for question in shard if number not in self._written else ():
                numbers = {n for n in every if (question.id, n) not in done}
                if numbers and question.id not in self._refused:
                    missing[question.id] = numbers
        return missing

    def _entries(self, id_: str) -> list[Entry]:
        done = self._journal.entries
        return [done[id_, n] for n in range(self._samples) if (id_, n) in done]

    def _name(self, number: int) -> str:
        return shard_name(self._process, number)


def _identity(manifest: Manifest) -> dict[str, Any]:
    """What a job is told from another by; its sampling options one by one."""
    fields = to_json(manifest)
    return {name: fields.get(name) for name in IDENTITY} | fields.get("sampling", {})


def _count(records: Sequence[Record], asked: int) -> dict[str, int]:
    """The manifest's counts; `asked` samples were written."""
    rationales = [rationale for record in records for rationale in record.rationales]
    return {
        "rows": asked,
        "parsed": sum(rationale.answer is not None for rationale in rationales),
        "right": sum(bool(rationale.correct) for rationale in rationales),
        "rationales": len(rationales),
        f"{DROPPED}{EMPTY}": asked - len(rationales),
        "truncated": sum(rationale.finish_reason == "length" for rationale in rationales),
    }


def _barrier(name: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
