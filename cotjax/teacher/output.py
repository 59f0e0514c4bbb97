"""The folder of a sampling job: its manifest, its shards, and what is still to be asked.

The questions of a shard are settled beforehand, and it is written when all of them are answered. So
shards are the same whenever and however often a job was stopped.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from cotjax.claims import CLAIM
from cotjax.errors import InputError
from cotjax.group import wait_for_all
from cotjax.json_files import temporary_name, to_json
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
from cotjax.shards import differences
from cotjax.teacher import journal
from cotjax.teacher.answers import EMPTY
from cotjax.teacher.journal import Entry, Journal
from cotjax.teacher.questions import Judged

IDENTITY = ("task", "split", "teacher", "revision", "prompt", "prompt_sha256", "seed")
NOT_ASKED = "not asked: "  # in the manifest's counts, before the reason


def begin(folder: Path, manifest: Manifest) -> bool:
    """Begins a folder, or goes on with it; returns whether the job was finished before.

    All processes must call it, when the folder is the job's own (see `claims.alone_in`). A folder
    in which no sample stands yet may change its config.

    Raises:
      InputError: where the folder can't be written, or holds anything but samples of the same job.
    """
    before = _look(folder)
    if before is not None and (before.complete or _holds_samples(folder)):
        _check_same_job(folder, before, manifest)
    wait_for_all("sampling: looked")  # before process 0 writes what the others look at
    if before is not None and before.complete:
        for path in folder.glob(journal.PATTERN):  # of one that was killed when all was done
            path.unlink(missing_ok=True)
        return True
    if jax.process_index() == 0:
        write_manifest(folder, manifest)
    wait_for_all("sampling: begun")
    return False


class Output:
    """What one process writes into a folder that `begin` has begun.

    Attributes:
      num_questions: Of this process.
      num_samples: Of these questions, those that were there before included.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        questions: Sequence[Record],
        refused: Mapping[str, Sequence[str]],
        samples: int,
        per_shard: int,
        judge: Callable[[Record, Entry], Judged],
    ):
        """Finds out what is missing.

        Args:
          folder: Of the job.
          manifest: Of the job.
          questions: All of the job; every process has a part of them.
          refused: Ids of those that can't be asked, by reason: their records have no rationale.
          samples: Of each question.
          per_shard: Questions of a shard.
          judge: Tells what a sample of a question comes to.
        """
        self._folder, self._manifest, self._judge = folder, manifest, judge
        self._questions = {question.id: question for question in questions}
        self._samples, self._process = samples, jax.process_index()
        self._refused = {id_ for ids in refused.values() for id_ in ids}
        self._counts = {f"{NOT_ASKED}{reason}": len(ids) for reason, ids in refused.items()}
        self._asked = samples * (len(questions) - len(self._refused))
        mine = questions[self._process :: jax.process_count()]
        self._shards = [mine[start : start + per_shard] for start in range(0, len(mine), per_shard)]
        self._shard_of = {q.id: n for n, shard in enumerate(self._shards) for q in shard}
        written = {shard.name for shard in whole_shards(folder)}
        self._written = {n for n in range(len(self._shards)) if self._name(n) in written}
        self.num_questions = len(mine)
        self.num_samples = samples * sum(question.id not in self._refused for question in mine)
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
        """How many questions have all of their samples, those that can't be asked included."""
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

    def finish(self) -> None:
        """Completes the manifest once all processes are done."""
        wait_for_all("sampling: sampled")
        if self._process == 0:
            records = read_records(self._folder, allow_incomplete=True)[1]
            manifest = dataclasses.replace(
                self._manifest,
                complete=True,
                shards=tuple(whole_shards(self._folder)),
                counts=self._count(records) | self._counts,
            )
            write_manifest(self._folder, manifest)
        wait_for_all("sampling: complete")
        self._journal.remove()

    def _write_if_full(self, number: int) -> None:
        questions = self._shards[number]
        if number in self._written or any(q.id in self._missing for q in questions):
            return
        records = [self._record(question) for question in questions]
        write_shard(self._folder, self._process, number, records)
        self._written.add(number)

    def _record(self, question: Record) -> Record:
        judged = (self._judge(question, entry) for entry in self._entries(question.id))
        rationales = tuple(one.rationale for one in judged if one.rationale is not None)
        return dataclasses.replace(question, rationales=rationales)

    def _count(self, records: Sequence[Record]) -> dict[str, int]:
        """The manifest's counts.

        Some samples answer without a rationale: then they are in the journals alone.
        """
        rationales = [rationale for record in records for rationale in record.rationales]
        kept = {(record.id, one.sample) for record in records for one in record.rationales}
        others = (Journal(self._folder, n) for n in range(1, jax.process_count()))
        dropped = [
            entry
            for each in (self._journal, *others)
            for name, entry in each.entries.items()
            if name not in kept
        ]
        judged = [self._judge(self._questions[entry.id], entry) for entry in dropped]
        every = [*rationales, *judged]
        return {
            "rows": self._asked,
            "parsed": sum(one.answer is not None for one in every),
            "right": sum(bool(one.correct) for one in every),
            "rationales": len(rationales),
            f"{DROPPED}{EMPTY}": self._asked - len(rationales),
            "truncated": sum(one.finish_reason == "length" for one in (*rationales, *dropped)),
        }

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


def _look(folder: Path) -> Manifest | None:
    """Makes sure of a folder; returns its manifest, None where it is new."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise InputError(f"--output={folder}: cannot be written ({error.strerror})") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"--output={folder}: may not be written")
    if MANIFEST in names:
        return read_manifest(folder)
    if names - {CLAIM, temporary_name(MANIFEST)}:  # which a kill at the very beginning leaves
        raise InputError(f"--output={folder}: holds something else; choose another")
    return None


def _holds_samples(folder: Path) -> bool:
    return any(any(folder.glob(pattern)) for pattern in (journal.PATTERN, "records-*"))


def _check_same_job(folder: Path, before: Manifest, now: Manifest) -> None:
    """Refuses to go on with a folder that another configuration has begun."""
    if before.sampling is None:
        raise InputError(f"--output={folder}: holds records that were not sampled; choose another")
    if different := differences(_identity(before), _identity(now)):
        raise InputError(
            f"--output={folder}: was begun with another configuration: {different};"
            " choose another folder"
        )


def _identity(manifest: Manifest) -> dict[str, Any]:
    """What a job is told from another by; its sampling options one by one."""
    fields = to_json(manifest)
    return {name: fields.get(name) for name in IDENTITY} | fields.get("sampling", {})
