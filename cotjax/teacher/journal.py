"""What a sampling job has written so far: every sample is on disk as soon as it has ended.

It is a line of `journal-PPPPP.jsonl` (process), so a kill loses only samples in flight. At the end
of the job no journal is left.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cotjax.json_files import build, dump_json, read_json_lines, to_json

PATTERN = "journal-*.jsonl"


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
      conclusion: What the teacher answered when it was asked in a second prompt; empty where that
        prompt would have been too long.
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
        self._file: TextIO | None = None
        self.entries = {(entry.id, entry.sample): entry for entry in self._read()}

    def add(self, entry: Entry) -> None:
        """Keeps a sample."""
        if self._file is None:
            self._file = self._path.open("a", encoding="utf-8")
        self.entries[entry.id, entry.sample] = entry
        self._file.write(dump_json(to_json(entry)) + "\n")
        self._file.flush()  # to the kernel: it survives this process, whatever ends it

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()

    def remove(self) -> None:
        """Deletes the file, once all shards are whole."""
        self.close()
        self._path.unlink(missing_ok=True)

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
