"""Runs a study, or what is left of it, and writes its report.

    python scripts/study.py --config=configs/studies/quickstart.py --workdir=runs/quickstart

The workdir takes a folder a run, `results.json`, `results.csv`, `comparisons.csv` and
`report.html`. Runs that are finished are not repeated and interrupted ones go on; a run that fails,
or a part of the report that can't be made, is told at the end, with exit code 1, and does not stop
the others. Several processes may share a workdir: none does a run that another is at.
FILE.py:small asks a study file for its small form, where it has one.
"""

import sys
from pathlib import Path

from absl import flags

from cotjax import cli

CONFIG = flags.DEFINE_string("config", None, "study file: a base config, variants and seeds")
WORKDIR = flags.DEFINE_string("workdir", None, "folder for all runs; the same one resumes")
ONLY = flags.DEFINE_string("only", None, "names of the variants to run, by commas; unset: all")
SHARD = flags.DEFINE_string("shard", None, "i/n: every n-th run from the i-th on; unset: all")
DRY_RUN = flags.DEFINE_boolean("dry_run", False, "show the runs and what they take; run nothing")


def main() -> None:
    """Runs one study, or shows what it would run."""
    from cotjax.study import grid
    from cotjax.study.plan import Part

    study = grid.load(CONFIG.value)  # told before the seconds that the other imports take
    part, workdir = Part.parse(study, ONLY.value, SHARD.value), Path(WORKDIR.value)

    if DRY_RUN.value:
        from cotjax.study.forecast import show_forecast

        show_forecast(study, workdir, part)
        return

    from cotjax.study.run import run_study

    if run_study(study, workdir, part=part)["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main, required=["config", "workdir"])
