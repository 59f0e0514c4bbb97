"""Runs a study in one process, so that runs of equal shapes share what is compiled."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax
from ml_collections.config_dict import ConfigDict
from rich.console import Console
from rich.progress import Progress

from cotjax.claims import CLAIM, claimed, holds
from cotjax.errors import InputError
from cotjax.group import initialize_distributed
from cotjax.json_files import dump_json, replace_file
from cotjax.study.budget import Budget
from cotjax.study.definition import Study
from cotjax.study.grid import PlannedRun, plan, plan_tuning
from cotjax.study.kept import BUDGET, RESULT, VOTE
from cotjax.study.one_run import finish, note_failure, vote
from cotjax.study.plan import Part, lacks_vote, state_of
from cotjax.study.progress import StudyProgress
from cotjax.study.report import page
from cotjax.study.results import finished_alone, gather
from cotjax.study.same import check_configs, check_data
from cotjax.study.tables import comparison_rows, run_rows, write_csv
from cotjax.study.terminal import comparison_table
from cotjax.study.tuning import CHOICES, Choices, choose, final_runs, keep
from cotjax.tasks import configured_task
from cotjax.tasks.sources import load_splits, shared_records
from cotjax.tasks.splits import Splits, split_lines
from cotjax.training.writers import columns

AGAIN = "run the study again to do it once more"


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
      InputError: if there are several processes, a split to be asked is missing, the workdir
        holds runs of other configs, or a run's folder or result is taken away meanwhile.
    """
    initialize_distributed()
    if jax.process_count() > 1:
        raise InputError(
            f"a study is run by one process, not {jax.process_count()}: several share it by --shard"
        )
    with shared_records():
        stages = _Stages(study, workdir, part or Part(), console or Console(highlight=False))
        tuning = stages.do(plan_tuning(study))
        choices = stages.choose() if tuning else None
        runs = stages.do(final_runs(study, choices) if choices else plan(study))
        budget = stages.budget.text()
        results = gather(study, workdir, [*tuning, *runs], stages.splits, choices, budget)
    _report(results, workdir, stages.console)
    return results


class _Stages:
    """Does lists of runs, one list after the other: a later one may depend on an earlier one."""

    def __init__(self, study: Study, workdir: Path, part: Part, console: Console):
        self.study, self.workdir, self.part, self.console = study, workdir, part, console
        self._finished: list[PlannedRun] = []
        if study.budget == "steps":  # or it takes a while to know the configs
            check_configs(workdir, plan_tuning(study) or plan(study))
        self.splits = _load_splits(study.base)
        check_data(workdir, [*plan_tuning(study), *plan(study)], self.splits)
        self.budget = Budget(study, workdir / BUDGET, self.splits)
        console.print(*split_lines(self.splits), sep="\n", soft_wrap=True)

    def do(self, runs: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Finishes those of some runs that are done here; returns all of them at their length."""
        if not runs:
            return []
        here = {run.folder for run in self.part.of(runs)}
        counting = Progress(*columns(), console=self.console, transient=True)
        with counting if self.study.budget != "steps" else nullcontext():
            fitted = [self._fit(run, run.folder in here, counting) for run in runs]
        ready = [run for run in fitted if run is not None]
        check_configs(self.workdir, ready)
        mine = [run for run in ready if run.folder in here]
        waiting = []
        for run in mine:
            (self._finished if self._is_done(run) else waiting).append(run)
        with StudyProgress(len(mine), len(mine) - len(waiting), self.console) as progress:
            for run in waiting:
                self._check_kept()  # or what is left would go on in a new folder
                with progress.working_on(run), claimed(self.workdir / run.folder) as holder:
                    if holder:
                        self._tell(run, f"is being run by {holder}")
                    else:
                        self._finish(run, progress)
        self._check_kept()
        return [fit or run for fit, run in zip(fitted, runs, strict=True)]

    def _check_kept(self) -> None:
        """Raises InputError, naming the file, if the result of a finished run is there no more."""
        for run in self._finished:
            result = self.workdir / run.folder / RESULT
            if not result.exists():
                raise InputError(
                    f"{result}: No such file or directory, and this run was finished; {AGAIN}"
                )

    def choose(self) -> Choices:
        """What the variants chose, which is kept from here on."""
        choices = choose(self.study, self.workdir)
        keep(self.study, self.workdir, choices)
        for name in choices.outdated:
            self.console.print(
                f"{name}: its tuning runs would choose other settings now; what it chose before is "
                f"kept ({self.workdir / CHOICES})",
                soft_wrap=True,
            )
        return choices

    def _fit(self, run: PlannedRun, here: bool, counting: Progress) -> PlannedRun | None:
        """The run at its length; None where that can't be known, or need not be."""
        if not here and not (self.workdir / run.folder / "config.json").exists():
            return None
        try:
            return self.budget.fit(run, counting)
        except Exception as error:  # whatever it is, the other runs may be in order
            if here:  # or whoever runs it tells
                self._tell_failure(run, error)
            return None

    def _is_done(self, run: PlannedRun) -> bool:
        finished = state_of(self.workdir / run.folder).word == "finished"
        return finished and not lacks_vote(self.workdir, run, self.study.samples)

    def _finish(self, run: PlannedRun, progress: StudyProgress) -> None:
        """Does what is left of a run, which may be nothing: another process was faster."""
        workdir, samples = self.workdir, self.study.samples
        try:
            if state_of(workdir / run.folder).word != "finished":
                self._tell(run, _told(finish(workdir, run, self.splits, progress)))
            self._finished.append(run)
            if lacks_vote(workdir, run, samples):
                result = vote(workdir, run, samples, self.splits, progress)
                right = f"{100 * result[VOTE]['accuracy']:.1f} %"
                self._tell(run, f"{right} of test answers right by a vote of {samples}")
        except Exception as error:  # whatever it is, the other runs may be in order
            if not holds(workdir / run.folder):  # its failure would be kept in a new folder
                raise _lost(workdir / run.folder) from error
            self._tell_failure(run, error)

    def _tell_failure(self, run: PlannedRun, error: Exception) -> None:
        self._tell(run, f"failed: {note_failure(self.workdir, run, error)}")

    def _tell(self, run: PlannedRun, words: str) -> None:
        self.console.print(f"{run.spoken}: {words}", markup=False, soft_wrap=True)


def _lost(folder: Path) -> InputError:
    """What is told of a run whose folder was taken away, or was claimed by somebody else."""
    if not folder.exists():
        why = "No such file or directory, and this run was being done there"
    else:
        why = f"this process has lost its claim ({CLAIM}) on the run that it was doing there"
    return InputError(f"{folder}: {why}; {AGAIN}")


def _told(result: Mapping[str, Any]) -> str:
    if "test" in result:
        return f"{100 * result['test']['accuracy']:.1f} % of test answers right"
    return f"{100 * result['validation']:.1f} % on validation"


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
    for reason, count in Counter(run["reason"] for run in results["waiting"]).items():
        console.print(f"{count} not finished: {reason}", markup=False, soft_wrap=True)
    for run in results["failed"]:
        words = f"failed: {run['group']}/{run['variant']}, seed {run['seed']}: {run['reason']}"
        console.print(words, markup=False, soft_wrap=True)
