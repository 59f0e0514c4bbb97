"""Runs a study, or what is left of it, and writes its report.

    python scripts/study.py --config=configs/studies/quickstart.py --workdir=runs/quickstart

The workdir takes a folder a run, `results.json` and `report.html`.
"""

from pathlib import Path

from absl import flags

from cotjax import cli

CONFIG = flags.DEFINE_string("config", None, "study file: a base config, variants and seeds")
WORKDIR = flags.DEFINE_string("workdir", None, "folder for all runs; the same one resumes")


def main() -> None:
    """Runs one study."""
    from cotjax.study import grid

    study = grid.load(CONFIG.value)  # told before the seconds that the other imports take

    from cotjax.study.run import run_study

    run_study(study, Path(WORKDIR.value))


if __name__ == "__main__":
    cli.run(main, required=["config", "workdir"])
