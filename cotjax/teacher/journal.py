"""What a sampling job has written so far: kept on disk at once, whole shards as they fill.

Every sample that ends is a line of `journal-PPPPP.jsonl`, so a kill loses only samples in flight.
The questions of a shard are settled beforehand; when all of them are answered, the shard is written
as records. At the end of the job no journal is left, and the shards are the same whenever and
however often it was stopped.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

from cotjax.errors import InputError
from cotjax.json_files import build, dump_json, read_json_lines, to_json


@dataclasses.dataclass(frozen=True)
class Entry:
    """One sample of a teacher's, before it is judged.

    Attributes:
      id: Of the question.
      sample: Number of the sample.
      text: What the teacher wrote.
      logprob: Of all its tokens, in nats.
      num_tokens: Of the text, the one that ended it included.
      finish_reason: `stop` or `length`.
      conclusion: What the teacher answered when it was asked in a second prompt.
    """

    id: str
    sample: int
    text: str
    logprob: float
    num_tokens: int
    finish_reason: str
    conclusion: str | None = None


class Journal:
    """The samples of one process, on disk.

    Attributes:
      entries: By the question's id and the sample's number.
    """

    def __init__(self, folder: Path, process: int):
        """Reads what is there; a last line that was cut short by a kill is forgotten."""
        self._path = folder / f"journal-{process:05d}.jsonl"
        self.entries = {(entry.id, entry.sample): entry for entry in self._read()}
        self._file = self._path.open("a", encoding="utf-8")

    def add(self, entry: Entry) -> None:
        """Keeps a sample."""
        self.entries[entry.id, entry.sample] = entry
        self._file.write(dump_json(to_json(entry)) + "\n")
        self._file.flush()  # to the kernel: it survives this process, whatever ends it

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def remove(self) -> None:
        """Deletes the file, once all shards are whole."""
        self.close()
        self._path.unlink()

    def _read(self) -> Iterator[Entry]:
        if not self._path.exists():
            return
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        for where, value in read_json_lines(self._path):
            yield build(Entry, value, where)


def differing(before: dict, now: dict) -> list[str]:
    """What two configurations differ in, as `key=now (was before)`."""
    return [
        f"{key}={json.dumps(now.get(key))} (was {json.dumps(before.get(key))})"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def check_same_job(folder: Path, before: dict, now: dict) -> None:
    """Refuses to go on with a folder that another configuration has begun."""
    if different := differing(before, now):
        raise InputError(
            f"{folder}: was begun with another configuration: {', '.join(different)}; choose"
            " another --output"
        )
