"""Questions from a user's own files: JSON lines, Parquet or CSV."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cotjax.errors import InputError
from cotjax.json_files import parse_json, read_json_lines
from cotjax.tasks.splits import MissingSplitError

SPLIT = "{split}"
NESTED = ("choices", "options", "multiple_choice_targets", "multiple_choice_scores")
OWN_NAMES = ("train", "validation", "test")  # of one file: the split that it holds

Rows = Iterator[tuple[str, dict[str, Any]]]


def find(place: str, split: str) -> Path:
    """Returns the file of a split.

    Args:
      place: A pattern with `{split}`, a folder of files `{split}.jsonl` (or another format), or
        one file. One file is the split that it is named after, `train` under any other name.
      split: The split that is wanted.

    Raises:
      MissingSplitError: if there is no such file.
      InputError: if `place` isn't there, or holds the split in several formats.
    """
    path = Path(place).expanduser()
    if SPLIT in place:
        path = Path(str(path).replace(SPLIT, split))
        if not path.is_file():
            raise MissingSplitError(f"file:{place}: has no split {split!r} (no file {path})")
        return path
    if path.is_dir():
        return _in_folder(path, split)
    if not path.is_file():
        raise InputError(f"file:{place}: there is no such file or folder")
    own = path.stem if path.stem in OWN_NAMES else OWN_NAMES[0]
    if split != own:
        raise MissingSplitError(
            f"file:{place}: is one file, taken for split {own!r}; for split {split!r} as well, give"
            f" a folder or a pattern such as {path.with_stem(SPLIT)}"
        )
    return path


def read_rows(path: Path) -> Rows:
    """Yields where a row stands and its values by field.

    Raises:
      InputError: for a file of another kind, an empty one, or naming the line that can't be read.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: no format {path.suffix!r}; use {', '.join(FORMATS)}")
    rows = FORMATS[path.suffix.lower()](path)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{path}: holds no rows")
    yield first
    yield from rows


def _in_folder(folder: Path, split: str) -> Path:
    paths = [folder / f"{split}{suffix}" for suffix in FORMATS]
    found = [path for path in paths if path.is_file()]
    if not found:
        names = ", ".join(path.name for path in paths)
        raise MissingSplitError(f"file:{folder}: has no split {split!r} (none of {names})")
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise InputError(f"file:{folder}: holds {names}; remove all but one")
    return found[0]


def _json_lines(path: Path) -> Rows:
    for where, value in read_json_lines(path):
        if not isinstance(value, dict):
            raise InputError(f"{where}: must be an object; write one JSON object a line")
        yield where, value


def _parquet(path: Path) -> Rows:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            rows = (row for batch in file.iter_batches() for row in batch.to_pylist())
            for number, row in enumerate(rows):
                yield f"{path}: row {number}", row
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not a whole Parquet file ({error})") from error


def _csv(path: Path) -> Rows:
    """Cells are text, but those of the columns NESTED are JSON, such as a list of choices."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # Excel begins with a mark
            reader = csv.DictReader(file, strict=True)
            _check_header(path, reader.fieldnames or [])
            for row in reader:
                where = f"{path}:{reader.line_num}"
                if None in row or None in row.values():
                    columns = len(reader.fieldnames)
                    raise InputError(f"{where}: must have {columns} cells, as the first line has")
                yield where, row | {name: _json(row[name], where) for name in NESTED if name in row}
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(f"{path}: not UTF-8 (byte 0x{byte:02x}); convert it to UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{path}:{reader.reader.line_num}: not CSV ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _check_header(path: Path, names: list[str]) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}:1: column {twice[0]!r} occurs twice")


def _json(text: str, where: str) -> Any:
    try:
        return parse_json(text) if text.strip() else None
    except ValueError as error:
        hint = 'write JSON, such as ["bank", "park"]'
        raise InputError(f"{where}: {text[:40]!r} is no list of choices; {hint}") from error


FORMATS: dict[str, Callable[[Path], Rows]] = {
    ".jsonl": _json_lines,
    ".json": _json_lines,
    ".parquet": _parquet,
    ".csv": _csv,
}
