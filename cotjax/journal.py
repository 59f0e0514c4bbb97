"""What a job has made so far: every result is a line on disk as soon as it is there.

A kill loses only results in flight. At the end of the job no journal is left.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Generic, Protocol, TextIO, TypeVar

from cotjax.errors import naming
from cotjax.json_files import build, dump_json, read_json_lines, to_json

PATTERN = "journal-*.jsonl"


class Entry(Protocol):
    """A dataclass about one rationale: the id of its question and the number of the sample."""

    id: str
    sample: int


T = TypeVar("T", bound=Entry)


class Journal(Generic[T]):
    """The results of one process, on disk.

    Attributes:
      entries: By the question's id and the sample's number.
    """

    def __init__(self, folder: Path, process: int, kind: type[T]):
        """Reads what is there; a last line that was cut short by a kill is forgotten."""
        self._path = folder / f"journal-{process:05d}.jsonl"
        self._kind = kind
        self._file: TextIO | None = None
        self.entries = {(entry.id, entry.sample): entry for entry in self._read()}

    def add(self, entry: T) -> None:
        """Keeps a result."""
        self.entries[entry.id, entry.sample] = entry
        with naming(self._path):
            if self._file is None:
                self._file = self._path.open("a", encoding="utf-8")
            self._file.write(dump_json(to_json(entry)) + "\n")
            self._file.flush()  # to the kernel: it survives this process, whatever ends it

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            with naming(self._path):
                self._file.close()

    def remove(self) -> None:
        """Deletes the file, once all shards are whole."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _read(self) -> Iterator[T]:
        if not self._path.exists():
            return
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        for where, value in read_json_lines(self._path):
            yield build(self._kind, value, where)
