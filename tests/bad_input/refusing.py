"""What every malformed input must come to: one line, soon, and nothing left behind."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cotjax.errors import InputError
from cotjax.records import Manifest
from cotjax.shards import Shard, write_manifest_file
from tests.held import taken

SECONDS = 10
MEMORY = 2**30  # that reading may add to what the tests take
LINE = 1_500  # characters of a message, so that a screen shows it


def refused(read: Callable[[], Any], folder: Path, *named: str) -> str:
    """Reads, and returns the line of the refusal; it holds all of `named`.

    Nothing in `folder` may be changed, made or left by it.
    """
    before, started = _everything_in(folder), time.monotonic()
    caught = []

    def refuse() -> None:
        with pytest.raises(InputError) as one:
            read()
        caught.append(one.value)

    assert taken(refuse) < MEMORY
    assert time.monotonic() - started < SECONDS
    assert _everything_in(folder) == before
    line = " ".join(str(caught[0]).split())  # as scripts print it
    assert len(line) < LINE
    assert "Traceback" not in line
    for part in named:
        assert part in line, line
    return line


def attempt(read: Callable[[], Any]) -> tuple[Any, str | None]:
    """What `read` returns, or else the line that it refuses with; any other error is a fault."""
    try:
        return read(), None
    except InputError as error:
        return None, str(error)


def write_folder(folder: Path, *shards: bytes, **fields: Any) -> Path:
    """A folder of records whose checksums fit, whatever its files hold."""
    folder.mkdir(parents=True)
    listed = []
    for number, content in enumerate(shards):
        name = f"records-00000-{number:05d}.jsonl"
        digest = hashlib.sha256(content).hexdigest()
        (folder / name).write_bytes(content)
        (folder / f"{name}.sha256").write_text(f"{digest}  {name}\n")
        lines = sum(bool(line.strip()) for line in content.split(b"\n"))
        listed.append(Shard(name, lines, digest))
    manifest = Manifest("commonsense_qa", "train", "T", complete=True, shards=tuple(listed))
    write_manifest_file(folder, manifest)
    if fields:
        edit_json(folder / "manifest.json", **fields)
    return folder


def edit_json(path: Path, **fields: Any) -> None:
    """Changes fields of an object; `...` drops one."""
    values = json.loads(path.read_text("utf-8")) | fields
    kept = {name: value for name, value in values.items() if value is not ...}
    path.write_text(json.dumps(kept), "utf-8")


def _everything_in(folder: Path) -> dict[str, bytes]:
    """Hashes of all files by name, at any depth."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }
