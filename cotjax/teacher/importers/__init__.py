"""Readers of published rationales: a release's files in, records and a table of counts out."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from cotjax.errors import InputError
from cotjax.records import write_records
from cotjax.teacher.console import wide_console
from cotjax.teacher.importers.bad_rows import FILE, SKIPPED
from cotjax.teacher.importers.completions import import_completions
from cotjax.teacher.importers.cos_e import import_cos_e
from cotjax.teacher.importers.dss import import_dss
from cotjax.teacher.importers.instruction import import_instruction
from cotjax.teacher.importers.multi_sample import import_multi_sample
from cotjax.teacher.importers.openai_batch import import_openai_batch
from cotjax.teacher.importers.report import Report
from cotjax.teacher.importers.request import Imported, Request
from cotjax.teacher.importers.salvage import import_records

IMPORTERS: dict[str, Callable[[Request], Imported]] = {
    "completions": import_completions,
    "cos_e": import_cos_e,
    "dss": import_dss,
    "instruction": import_instruction,
    "multi_sample": import_multi_sample,
    "openai_batch": import_openai_batch,
    "records": import_records,
}


def import_rationales(format: str, request: Request, output: Path) -> Report:
    """Reads a release, writes a folder of records and prints what became of everything.

    Args:
      format: One of `IMPORTERS`.
      request: What to read.
      output: The folder of records to make.

    Raises:
      InputError: naming the file, line and field that is wrong; nothing is written then.
    """
    if format not in IMPORTERS:
        raise InputError(f"no --format={format}; known: {', '.join(IMPORTERS)}")
    if not request.source.exists():
        raise InputError(f"--input={request.source}: no such file or folder")
    imported = IMPORTERS[format](request)
    report = imported.report
    report.questions = len(imported.records)
    report.human = sum(record.human is not None for record in imported.records)
    skipped = request.bad_rows.skipped
    if skipped:
        report.tallies[0].noted[SKIPPED] += len(skipped)
        report.remarks += [f"{one.where}: {one.problem}: skipped" for one in skipped]
    report.refuse_nothing(request.source)
    manifest = dataclasses.replace(
        imported.manifest, counts=report.counts(), sources=report.sources()
    )
    write_records(output, manifest, imported.records, others={FILE: skipped} if skipped else {})
    console = wide_console()
    report.show(console, f"{request.task} {request.split}: {manifest.teacher}")
    console.print(f"{report.questions:,} records in {output}", soft_wrap=True)
    if skipped:
        console.print(f"{len(skipped):,} rows were skipped: {output / FILE}", soft_wrap=True)
    return report
