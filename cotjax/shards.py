"""Files of JSON lines that stand in a folder together, each whole or not there at all.

Each file has a `.sha256` beside it, as `sha256sum` writes it, that is renamed in last.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cotjax.errors import InputError
from cotjax.json_files import read_json_lines, replace_file, to_json

MANIFEST = "manifest.json"


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file of records, its number of records and the SHA-256 of its bytes."""

    name: str
    records: int
    sha256: str

    def __post_init__(self):
        # A manifest that came from elsewhere must not have other folders read.
        if self.name in ("", ".", "..") or {"/", "\\", "\0"} & set(self.name):
            raise InputError(f"name {self.name!r:.80} is no name of a file in the folder")


def write_manifest_file(folder: Path, manifest: Any) -> None:
    """Writes a dataclass as `manifest.json`; the old one stands until the new one is whole."""
    text = json.dumps(to_json(manifest), ensure_ascii=False, indent=2) + "\n"
    replace_file(folder / MANIFEST, text)


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What tells a job from the one that began its folder; empty where nothing does."""
    return ", ".join(
        f"{name}={json.dumps(here.get(name))} (there {json.dumps(there.get(name))})"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    )


def write_lines(folder: Path, name: str, values: Iterable[Any]) -> Shard:
    """Writes one file of dataclasses; its checksum, which says that it is whole, comes last."""
    lines = [json.dumps(to_json(value), ensure_ascii=False) + "\n" for value in values]
    content = "".join(lines).encode("utf-8")
    sha256 = hashlib.sha256(content).hexdigest()
    replace_file(folder / name, content)
    replace_file(folder / f"{name}.sha256", f"{sha256}  {name}\n")
    return Shard(name, len(lines), sha256)


def read_lines(folder: Path, shard: Shard) -> Iterator[tuple[str, Any]]:
    """Yields (`path:line`, JSON value) of a file that a manifest lists.

    Raises:
      InputError: where it is missing or does not match its checksum.
    """
    path = folder / shard.name
    if not path.is_file():
        raise InputError(f"{path}: is missing, but {MANIFEST} lists it")
    if not matches_checksum(path, shard):
        raise InputError(
            f"{path}: does not match its checksum (cut short or edited); make it again"
        )
    lines = list(read_json_lines(path))
    if len(lines) != shard.records:
        raise InputError(f"{path}: holds {len(lines)} records, {MANIFEST} says {shard.records}")
    yield from lines


def matches_checksum(path: Path, shard: Shard) -> bool:
    """Whether a file holds what its checksum and the manifest's say; false where it is missing."""
    if not path.is_file():
        return False
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    return _stated_checksum(path) == actual == shard.sha256


def whole_shards(folder: Path, pattern: str) -> list[Shard]:
    """Files of an unfinished job: those whose checksum has been renamed in."""
    paths = [path.with_suffix("") for path in sorted(folder.glob(f"{pattern}.sha256"))]
    return [
        Shard(path.name, path.read_bytes().count(b"\n"), _stated_checksum(path)) for path in paths
    ]


def _stated_checksum(path: Path) -> str:
    try:
        return path.with_name(f"{path.name}.sha256").read_text(encoding="ascii").split()[0]
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{path}: has no readable {path.name}.sha256 beside it") from error
