"""Teacher records: what a teacher said to each question, on disk, written once and read often.

A folder holds `records-PPPPP-NNNNN.jsonl` (process, number), each with a `.sha256` beside it that
is renamed in last, and a `manifest.json` that lists them once all are written.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cotjax import __version__
from cotjax.errors import InputError
from cotjax.json_files import build, read_json
from cotjax.memory import refuse_if_too_large
from cotjax.shards import (
    MANIFEST,
    Shard,
    read_lines,
    write_lines,
    write_manifest_file,
)
from cotjax.shards import whole_shards as whole_files

DROPPED = "dropped: "  # in the manifest's counts, before the reason
MEMORY = 4  # bytes that hold a byte of records on disk, at most: docs/reliability.md
SHARD_SIZE = 5_000  # records; a shard of CommonsenseQA is then about 4 MB


@dataclasses.dataclass(frozen=True)
class Rationale:
    """One sample of a teacher's reasoning.

    Attributes:
      sample: Which of the teacher's samples of this question, from 0.
      text: The rationale alone, without the answer phrase and what follows it.
      answer: The teacher's answer as the task's parser reads it; None if it could not be parsed.
      correct: Whether the answer is right; None without a gold label.
      logprob: Log-probability (natural, summed over tokens) that the teacher gave the sample.
      mean_logprob: The same by token.
      num_tokens: The teacher's own count of tokens in the sample.
      finish_reason: Why the teacher stopped, in its own word.
      key_words: Positions (from 0) among the words of `text`, the most important first.
      tags: Level, format, teacher, prompt: what experiments select by.
    """

    sample: int
    text: str
    answer: str | None
    correct: bool | None
    logprob: float | None = None
    mean_logprob: float | None = None
    num_tokens: int | None = None
    finish_reason: str | None = None
    key_words: tuple[int, ...] | None = None
    tags: dict[str, str | int | float] | None = None

    def __post_init__(self):
        if not self.text.strip():
            raise InputError("text is empty; a question without a rationale has none in the list")
        for name in ("logprob", "mean_logprob"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise InputError(f"{name} must be finite, not {value}")
        words = len(self.text.split())
        for position in self.key_words or ():
            if not 0 <= position < words:
                raise InputError(f"key_words names word {position} of a text of {words} words")
        if len(set(self.key_words or ())) != len(self.key_words or ()):
            raise InputError("key_words names a word twice")


@dataclasses.dataclass(frozen=True)
class Record:
    """A question, its gold label and what a teacher said to it.

    Attributes:
      id: Unique in its folder.
      question: The question's text as its data set has it.
      choices: The closed choices' texts, empty for an open question. Texts may repeat.
      label: The gold label, one of the choices where there are any; None if unknown.
      rationales: Empty where the teacher gave none that could be used.
      human: People's explanations of the answer, by their name in the data set.
      tags: What experiments select by.
    """

    id: str
    question: str
    choices: tuple[str, ...]
    label: str | None
    rationales: tuple[Rationale, ...]
    human: dict[str, str] | None = None
    tags: dict[str, str | int | float] | None = None

    def __post_init__(self):
        if self.choices and self.label is not None and self.label not in self.choices:
            raise InputError(f"label {self.label!r} is not among the choices {list(self.choices)}")
        for name, text in (self.human or {}).items():
            if not text.strip():
                raise InputError(f"human.{name} is empty; leave out what nobody explained")
        samples = [rationale.sample for rationale in self.rationales]
        if len(set(samples)) != len(samples):
            raise InputError(f"rationales must differ in sample, not {samples}")


@dataclasses.dataclass(frozen=True)
class Source:
    """One of several files that a folder's rationales were read from.

    Attributes:
      name: The file's.
      counts: What became of its rows, by the names of `Manifest.counts`.
      tags: What all its rationales, and no others, are tagged with; None if it gave none.
    """

    name: str
    counts: dict[str, int]
    tags: dict[str, str | int | float] | None = None


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Where a folder's records come from, and which files hold them.

    Attributes:
      counts: What became of the teacher's completions: `rows` read, `parsed`, `right` and kept as
        `rationales`; `dropped: REASON` adds up to the others. Whoever writes a folder may add more.
      sources: The same for each file, where several were read.
    """

    task: str
    split: str
    teacher: str
    revision: str | None = None
    prompt: str | None = None
    prompt_sha256: str | None = None
    sampling: dict[str, Any] | None = None
    seed: int | None = None
    counts: dict[str, int] | None = None
    sources: tuple[Source, ...] | None = None
    version: str = __version__
    complete: bool = False
    shards: tuple[Shard, ...] = ()


def write_records(
    folder: Path,
    manifest: Manifest,
    records: Iterable[Record],
    shard_size: int = SHARD_SIZE,
    others: Mapping[str, Iterable[Any]] | None = None,
) -> Manifest:
    """Writes a complete folder, or none: it is filled under another name and renamed in.

    Writing what is there already changes nothing. `others` are dataclasses that aren't records, by
    the name of the file that is to stand beside them.

    Returns:
      The manifest with the shards.

    Raises:
      InputError: where `folder` holds anything else, or two records have one id.
    """
    folder = Path(folder)
    with _renamed_in(folder) as temporary:
        write_manifest(temporary, manifest)
        shards = []
        for number, batch in enumerate(_batched(_distinct(records), shard_size)):
            shards.append(write_shard(temporary, 0, number, batch))
        for name, values in (others or {}).items():
            write_lines(temporary, name, values)
        manifest = dataclasses.replace(manifest, complete=True, shards=tuple(shards))
        write_manifest(temporary, manifest)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `manifest.json`; the old one stands until the new one is whole."""
    write_manifest_file(folder, manifest)


def shard_name(process: int, number: int) -> str:
    """Name of the file of one shard of one process."""
    return f"records-{process:05d}-{number:05d}.jsonl"


def write_shard(folder: Path, process: int, number: int, records: Iterable[Record]) -> Shard:
    """Writes one shard; its checksum, which says that it is whole, comes last."""
    return write_lines(folder, shard_name(process, number), records)


def read_manifest(folder: Path) -> Manifest:
    """Reads `manifest.json`; raises InputError where there is none."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder}: is not a folder of records (it has no {MANIFEST})")
    return build(Manifest, read_json(path), str(path))


def read_records(folder: Path, allow_incomplete: bool = False) -> tuple[Manifest, list[Record]]:
    """Reads a folder in the order of its shards, and checks every checksum.

    Args:
      folder: A folder that `write_records` or a sampling run wrote.
      allow_incomplete: Whether to take the whole shards of a run that has not finished.

    Raises:
      InputError: naming the file, the line and the field of what is wrong; if they are more than
        memory can hold.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if not (manifest.complete or allow_incomplete):
        raise InputError(f"{folder}: is incomplete; finish the run that writes it, or allow it")
    shards = manifest.shards if manifest.complete else whole_shards(folder)
    refuse_if_too_large(f"{folder}: to read it", MEMORY * _size(folder, shards))
    records, places = [], {}
    for shard in shards:
        for where, record in _read_shard(folder, shard):
            if record.id in places:
                raise InputError(f"{where}: id {record.id!r} is already at {places[record.id]}")
            places[record.id] = where
            records.append(record)
    return manifest, records


def size_on_disk(folder: Path) -> int:
    """Bytes of a folder's whole shards, those of an unfinished run included."""
    manifest = read_manifest(folder)
    return _size(folder, manifest.shards if manifest.complete else whole_shards(folder))


def _size(folder: Path, shards: Iterable[Shard]) -> int:
    files = (folder / shard.name for shard in shards)
    return sum(file.stat().st_size for file in files if file.exists())


def fingerprint(folder: Path) -> str:
    """Returns a hash (64 hexadecimal digits) of the folder's records, by their checksums."""
    digests = [shard.sha256 for shard in read_manifest(folder).shards]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _read_shard(folder: Path, shard: Shard) -> Iterator[tuple[str, Record]]:
    for where, value in read_lines(folder, shard):
        yield where, build(Record, value, where)


def whole_shards(folder: Path) -> list[Shard]:
    """Shards of an unfinished run: those whose checksum has been renamed in."""
    return whole_files(folder, "records-*.jsonl")


def _distinct(records: Iterable[Record]) -> Iterator[Record]:
    seen = set()
    for record in records:
        if record.id in seen:
            raise InputError(f"record id {record.id!r} occurs twice")
        seen.add(record.id)
        yield record


def _batched(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    records = iter(records)
    while batch := list(itertools.islice(records, size)):
        yield batch


@contextlib.contextmanager
def _renamed_in(folder: Path) -> Iterator[Path]:
    """Yields a new folder beside `folder` that becomes `folder` when all went well."""
    temporary = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed process that had our number
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if not folder.exists() or not any(folder.iterdir()):
            temporary.replace(folder)
        elif not _same_records(folder, temporary):
            raise InputError(f"{folder}: holds something else; remove it or choose another folder")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _same_records(one: Path, other: Path) -> bool:
    """Whether two folders hold the same records of the same origin, whatever version wrote them."""
    try:
        manifests = [dataclasses.replace(read_manifest(f), version="") for f in (one, other)]
        read_records(one)
    except InputError:
        return False
    return manifests[0] == manifests[1]
