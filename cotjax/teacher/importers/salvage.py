"""Records of a damaged folder: what is whole of them, in a new one."""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cotjax.errors import InputError
from cotjax.json_files import build
from cotjax.records import Record, read_manifest, whole_shards
from cotjax.shards import MANIFEST, Shard, matches_checksum, read_lines
from cotjax.teacher.importers.bad_rows import BadRows
from cotjax.teacher.importers.report import Report, Tally
from cotjax.teacher.importers.request import Imported, Request

DAMAGED = "records of files that don't match their checksum"


def import_records(request: Request) -> Imported:
    """Reads a folder of records into one that is whole.

    With `--skip_bad_records` a folder may be incomplete; a file that is missing, and a record that
    can't be read or repeats an id, is skipped. Of a file that doesn't match its checksum the other
    records are kept, and counted.
    """
    request.refuse_questions()
    folder, bad_rows = request.source, request.bad_rows
    manifest, report = read_manifest(folder), Report()
    if (manifest.task, manifest.split) != (request.task, request.split):
        raise InputError(f"{folder}: holds split {manifest.split!r} of task {manifest.task!r}")
    if not (manifest.complete or bad_rows.skips):
        raise InputError(f"{folder}: is incomplete; --skip_bad_records takes what is there")
    tally, records = report.tally(folder.name), {}
    for shard in manifest.shards if manifest.complete else whole_shards(folder):
        damaged = bad_rows.skips and _is_damaged(folder / shard.name, shard)
        lines = _damaged_lines(folder, shard, bad_rows) if damaged else read_lines(folder, shard)
        for where, value in lines:
            with bad_rows.taking(where, value):
                record = build(Record, value, where)
                if record.id in records:
                    raise InputError(f"{where}: id {record.id!r} is in an earlier record, too")
                records[record.id] = record
                tally.noted[DAMAGED] += damaged
    _count(tally, records.values())
    manifest = dataclasses.replace(manifest, complete=False, shards=())
    return Imported(manifest, list(records.values()), report)


def _is_damaged(path: Path, shard: Shard) -> bool:
    try:
        return not matches_checksum(path, shard)
    except InputError:  # no checksum is there
        return True


def _damaged_lines(folder: Path, shard: Shard, bad_rows: BadRows) -> Iterator[tuple[str, Any]]:
    """Yields what can be read of a file, and has what is missing of it told."""
    path = folder / shard.name
    with bad_rows.taking(str(path)):
        if not path.is_file():
            raise InputError(f"{path}: is missing, with {shard.records} records")
        count = sum(bool(line.strip()) for line in path.read_bytes().split(b"\n"))
        yield from bad_rows.lines(path)
        if count != shard.records:
            raise InputError(f"{path}: holds {count} lines, {MANIFEST} says {shard.records}")


def _count(tally: Tally, records: Iterable[Record]) -> None:
    for rationale in (one for record in records for one in record.rationales):
        tally.rows += 1
        tally.rationales += 1
        tally.parsed += rationale.answer is not None
        tally.right += bool(rationale.correct)
