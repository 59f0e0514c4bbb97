"""Rows that can't be read: the first one ends an import, or all are set aside and told of."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cotjax.errors import InputError
from cotjax.json_files import read_json_lines

SKIPPED = "skipped: cannot be read"  # in the manifest's counts
FILE = "skipped.jsonl"  # beside the records


@dataclasses.dataclass(frozen=True)
class Skipped:
    """A row that was set aside.

    Attributes:
      where: Its file and line, or row.
      problem: What is wrong with it.
      row: What it holds; None where it isn't JSON.
    """

    where: str
    problem: str
    row: Any = None


class BadRows:
    """What to do with a row that can't be read.

    Attributes:
      skipped: Those that were set aside.
    """

    def __init__(self, skip: bool = False):
        """Sets bad rows aside with `skip`; otherwise the first one is an InputError."""
        self.skips = skip
        self.skipped: list[Skipped] = []

    @contextlib.contextmanager
    def taking(self, where: str, row: Any = None) -> Iterator[None]:
        """Inside, a row is read and taken; it is taken as a whole, or not at all."""
        try:
            yield
        except InputError as error:
            if not self.skips:
                raise
            problem = str(error).removeprefix(f"{where}: ")
            self.skipped.append(Skipped(where, problem, row))

    def lines(self, path: Path) -> Iterator[tuple[str, Any]]:
        """Yields where a line stands and its value, as `read_json_lines` does."""
        yield from read_json_lines(path, self._set_aside if self.skips else None)

    def _set_aside(self, where: str, error: InputError) -> None:
        self.skipped.append(Skipped(where, str(error).removeprefix(f"{where}: ")))
