"""One call for the importers' tests, and files to import."""

import json
from pathlib import Path

from cotjax.records import Manifest, Record, read_records
from cotjax.teacher.importers import import_rationales
from cotjax.teacher.importers.report import Report
from cotjax.teacher.importers.request import Request


def run_import(
    format: str, task: str, source: Path, output: Path, split: str = "train", **more: str
) -> tuple[Report, Manifest, list[Record]]:
    """Imports, and returns the report and what stands on disk."""
    report = import_rationales(format, Request(task, split, source, **more), output)
    return report, *read_records(output)


def write_json(path: Path, value) -> Path:
    """Writes a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write_lines(path: Path, values: list) -> Path:
    """Writes JSON lines; bytes stand as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [v if isinstance(v, bytes) else json.dumps(v).encode() for v in values]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path
