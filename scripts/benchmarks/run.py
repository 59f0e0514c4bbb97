"""What scripts/benchmark.py does: one benchmark after the other."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.options import Options
from cotjax.errors import InputError
from cotjax.json_files import dump_json, replace_file


def run_all(names: Sequence[str], options: Options, output: Path | None) -> None:
    """Runs benchmarks, shows a table of each and keeps the figures of those that are done.

    Raises:
      InputError: if `output` is in no folder, or the teacher is missing.
    """
    if output and not output.parent.is_dir():
        raise InputError(f"--output={output}: there is no folder {output.parent}")
    benchmarks = {name: importlib.import_module(f"benchmarks.{name}") for name in names}
    if "sample" in benchmarks:
        benchmarks["sample"].teacher_file(options)  # or it would be missed after an hour
    figures = {}
    for name, benchmark in benchmarks.items():
        figures[name] = benchmark.run(options)
        Console(width=140).print(benchmark.table(figures[name]))
        if output:
            replace_file(output, dump_json(figures, indent=1) + "\n")
