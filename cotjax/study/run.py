"""Runs a study in one process, so that runs of equal shapes share what is compiled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections.config_dict import ConfigDict
from rich.console import Console

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.json_files import dump_json, replace_file
from cotjax.mesh import initialize_distributed
from cotjax.study.budget import Budget
from cotjax.study.grid import PlannedRun, Study, plan, plan_tuning
from cotjax.study.one_run import finish, note_failure
from cotjax.study.plan import Part, state_of
from cotjax.study.progress import StudyProgress
from cotjax.study.report import comparison_table, page
from cotjax.study.results import finished_alone, gather
from cotjax.study.tables import comparison_rows, run_rows, write_csv
from cotjax.study.tuning import choose, final_runs
from cotjax.tasks import configured_task
from cotjax.tasks.sources import load_splits, shared_records
from cotjax.tasks.splits import Splits, split_lines


def run_study(
    study: Study, workdir: Path, console: Console | None = None, part: Part | None = None
) -> dict[str, Any]:
    """Trains and evaluates what of a study is not done yet, and reports what is there then.

    A run that fails does not stop the others; it is tried again when the study is run again.

    Args:
      study: Loaded by `grid.load`.
      workdir: Takes a folder a run (see `PlannedRun.folder`), `results.json`, two tables as CSV,
        and `report.html`.
      console: Shows progress, and the comparison at the end.
      part: Which runs are done here; by default all. All that are finished are reported.

    Returns:
      What `results.json` holds.

    Raises:
      InputError: if there are several processes, a split to be asked is missing, or the workdir
        holds runs of other configs.
    """
    initialize_distributed()
    if jax.process_count() > 1:
        raise InputError(
            f"a study is run by one process, not {jax.process_count()}: several share it by --shard"
        )
    with shared_records():
        stages = _Stages(study, workdir, part or Part(), console or Console(highlight=False))
        tuning = stages.do(plan_tuning(study))
        choices = choose(study, workdir) if tuning else None
        runs = stages.do(final_runs(study, choices) if choices else plan(study))
        budget = stages.budget.text()
        results = gather(study, workdir, [*tuning, *runs], stages.splits, choices, budget)
    _report(results, workdir, stages.console)
    return results


class _Stages:
    """Does lists of runs, one list after the other: a later one may depend on an earlier one."""

    def __init__(self, study: Study, workdir: Path, part: Part, console: Console):
        self.workdir, self.part, self.console = workdir, part, console
        self.budget = Budget(study, workdir / "budget.json")
        if study.budget == "steps":  # or it takes a while to know the configs
            _check_workdir(workdir, plan_tuning(study) or plan(study))
        self.splits = _load_splits(study.base)
        console.print(*split_lines(self.splits), sep="\n", soft_wrap=True)

    def do(self, runs: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Finishes those of some runs that are done here; returns all of them at their length."""
        if not runs:
            return []
        here = {run.folder for run in self.part.of(runs)}
        fitted = [self._fit(run, run.folder in here) for run in runs]
        ready = [run for run in fitted if run is not None]
        _check_workdir(self.workdir, ready)
        mine = [run for run in ready if run.folder in here]
        waiting = [run for run in mine if state_of(self.workdir / run.folder).word != "finished"]
        with StudyProgress(len(mine), len(mine) - len(waiting), self.console) as progress:
            for run in waiting:
                with progress.working_on(run):
                    self._finish(run, progress)
        return [fit or run for fit, run in zip(fitted, runs, strict=True)]

    def _fit(self, run: PlannedRun, here: bool) -> PlannedRun | None:
        """The run at its length; None where that can't be known, or need not be."""
        if not here and not (self.workdir / run.folder / "config.json").exists():
            return None
        try:
            return self.budget.fit(run)
        except InputError as error:
            self._tell_failure(run, error)
            return None

    def _finish(self, run: PlannedRun, progress: StudyProgress) -> None:
        try:
            result = finish(self.workdir, run, self.splits, progress)
        except Exception as error:  # whatever it is, the other runs may be in order
            self._tell_failure(run, error)
            return
        if "test" in result:
            words = f"{100 * result['test']['accuracy']:.1f} % of test answers right"
        else:
            words = f"{100 * result['validation']:.1f} % on validation"
        self.console.print(f"{run.spoken}: {words}", soft_wrap=True)

    def _tell_failure(self, run: PlannedRun, error: Exception) -> None:
        reason = note_failure(self.workdir, run, error)
        self.console.print(f"{run.spoken}: failed: {reason}", markup=False, soft_wrap=True)


def _check_workdir(workdir: Path, runs: Sequence[PlannedRun]) -> None:
    """Refuses a workdir that holds one of the runs with another config."""
    for run in runs:
        folder = workdir / run.folder
        finished = state_of(folder).word == "finished"  # its checkpoints may be gone
        check = configs.check_same_config if finished else configs.check_same_run
        check(run.config, folder)


def _load_splits(base: ConfigDict) -> Splits:
    """The questions of all runs; refuses a source that lacks a split, before anything is trained.

    Only a config that evaluates a split needs it, and no loop of a study evaluates test.
    """
    asked = base.copy_and_resolve_references()
    asked.evaluation.splits = ("validation", "test")
    return load_splits(configured_task(base), asked)


def _report(results: dict[str, Any], workdir: Path, console: Console) -> None:
    """Writes all that tells of the study; prints the comparison, and what is not in it."""
    workdir.mkdir(parents=True, exist_ok=True)
    replace_file(workdir / "results.json", dump_json(results, indent=1) + "\n")
    write_csv(workdir / "results.csv", run_rows(results))
    write_csv(workdir / "comparisons.csv", comparison_rows(results))
    if results["runs"]:
        shown = finished_alone(results)
        replace_file(workdir / "report.html", page(shown))
        console.print(comparison_table(shown))
        console.print(f"report: {(workdir / 'report.html').absolute()}", soft_wrap=True)
    else:
        console.print("no run to compare is finished yet")
    if results["waiting"]:
        console.print(f"not run yet: {len(results['waiting'])} runs")
    for run in results["failed"]:
        words = f"failed: {run['group']}/{run['variant']}, seed {run['seed']}: {run['reason']}"
        console.print(words, markup=False, soft_wrap=True)
