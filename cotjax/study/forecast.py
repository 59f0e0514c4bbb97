"""What a study would run: states, steps, tokens and time, as far as they can be known before."""

import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cotjax.data.work import Work
from cotjax.errors import InputError
from cotjax.json_files import read_json
from cotjax.study.budget import amount_of
from cotjax.study.grid import PlannedRun, Study, config_of, plan, plan_tuning
from cotjax.study.plan import RESULT, Part, State, state_of
from cotjax.study.tuning import choose, final_runs
from cotjax.tasks.sources import shared_records
from cotjax.training.prepare import prepare

SURVEYED_STEPS = 32  # whose mean stands for all


@dataclasses.dataclass(frozen=True)
class Forecast:
    """One run.

    Attributes:
      run: Which.
      state: How far it is.
      steps: That it takes; None where its data can't be used.
      tokens: Supervised ones of all steps, from the mean of some.
      seconds: That it still takes; None where no finished run tells.
      problem: Why its data can't be used.
    """

    run: PlannedRun
    state: State
    steps: int | None = None
    tokens: float | None = None
    seconds: float | None = None
    problem: str = ""


def show_forecast(study: Study, workdir: Path, part: Part, console: Console | None = None) -> None:
    """Prints the runs that are done here; runs and writes nothing but tokenised data."""
    console = console or Console(highlight=False)
    with shared_records():
        found = forecast(study, workdir, part)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("run", "state", "steps", "tokens", "time left"):
        left = heading in ("run", "state")
        table.add_column(heading, justify="left" if left else "right", overflow="fold")
    for one in found:
        table.add_row(one.run.folder, _state(one), *_numbers(one))
    console.print(table)
    console.print(_sum(found))
    for name, reason in _reasons(found):
        console.print(f"{name}: {reason}", markup=False, soft_wrap=True)
    if study.tuning and not choose(study, workdir).by_variant:
        console.print("the settings of runs/ follow from tuning/; shared/ comes on top of them")


def forecast(study: Study, workdir: Path, part: Part) -> list[Forecast]:
    """The runs that are done here, in their order; those of tuning come first."""
    tuning = plan_tuning(study)
    chosen = final_runs(study, choose(study, workdir)) if tuning else []
    runs = [*part.of(tuning), *part.of(chosen or plan(study))]
    works = _Works(study)
    found = [_one(works, workdir, run) for run in runs]
    times = [_timed(workdir / one.run.folder, one) for one in found if one.state.word == "finished"]
    return [dataclasses.replace(one, seconds=_seconds_left(one, times)) for one in found]


class _Works:
    """The mean step of every config but for its seed, from a few of its steps."""

    def __init__(self, study: Study):
        self._study = study
        self._found: dict[str, tuple[Work, float] | InputError] = {}

    def steps_and_tokens(self, run: PlannedRun) -> tuple[int, float]:
        """How many a run takes; raises InputError if its data, or the baseline's, can't be used."""
        study, steps = self._study, run.config.schedule.total_steps
        tokens, spent = self._mean(run)
        if study.budget != "steps":
            variant, seed = study.baseline_variant, run.seed
            baseline = PlannedRun(variant, seed, config_of(study.base, variant, seed))
            budget = baseline.config.schedule.total_steps * self._mean(baseline)[1]
            steps = math.ceil(budget / spent) if spent else 0
        return steps, steps * tokens

    def _mean(self, run: PlannedRun) -> tuple[float, float]:
        """Supervised tokens of a step, and what it takes of the budget."""
        key = f"{run.variant.name} {dict(run.settings)}"
        if key not in self._found:
            try:
                self._found[key] = self._survey(run)
            except InputError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, InputError):
            raise found
        return found

    def _survey(self, run: PlannedRun) -> tuple[float, float]:
        experiment = prepare(run.config, row_multiple=1)
        steps = experiment.steps
        works = [Work.of(steps[n], steps) for n in range(min(SURVEYED_STEPS, steps.per_epoch))]
        tokens = statistics.fmean(work.supervised for work in works)
        by = self._study.budget
        if by == "steps":
            return tokens, 1.0
        return tokens, statistics.fmean(amount_of(by, experiment.model, work) for work in works)


def _one(works: _Works, workdir: Path, run: PlannedRun) -> Forecast:
    state = state_of(workdir / run.folder)
    if state.word == "finished":
        result = read_json(workdir / run.folder / RESULT)
        return Forecast(run, state, result["steps"], result["supervised_tokens"])
    try:
        steps, tokens = works.steps_and_tokens(run)
    except InputError as error:
        return Forecast(run, state, problem=str(error))
    return Forecast(run, state, steps, tokens)


def _timed(folder: Path, one: Forecast) -> tuple[str, float] | None:
    """The variant of a finished run and its seconds a step; None where it was interrupted."""
    seconds = read_json(folder / RESULT)["seconds"]
    return (one.run.variant.name, seconds / one.steps) if seconds else None


def _seconds_left(one: Forecast, times: Sequence[tuple[str, float] | None]) -> float | None:
    """From the mean of the variant's finished runs, or else of all finished runs."""
    if one.state.word == "finished":
        return 0.0
    known = [time for time in times if time is not None]
    own = [seconds for name, seconds in known if name == one.run.variant.name]
    if one.steps is None or not known:
        return None
    left = max(one.steps - one.state.step, 0)
    return left * statistics.fmean(own or [seconds for _, seconds in known])


def _state(one: Forecast) -> str:
    if one.problem:
        return "would fail"
    return (
        f"{one.state.word} at {one.state.step}"
        if one.state.word == "interrupted"
        else one.state.word
    )


def _reasons(found: Sequence[Forecast]) -> list[tuple[str, str]]:
    """Why runs failed or would fail: the run of the first and the reason of every different one."""
    reasons = {one.problem or one.state.reason: one.run.folder for one in reversed(found)}
    return [(name, reason) for reason, name in reversed(reasons.items()) if reason]


def _numbers(one: Forecast) -> tuple[str, str, str]:
    """Steps, tokens and time, `?` where unknown."""
    steps = "?" if one.steps is None else f"{one.steps:,}"
    tokens = "?" if one.tokens is None else f"{one.tokens:,.0f}"
    return steps, tokens, "?" if one.seconds is None else _clock(one.seconds)


def _sum(found: Sequence[Forecast]) -> str:
    states: Mapping[str, Any] = Counter(one.state.word for one in found)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    left = [one.seconds for one in found if not one.problem]
    time = _clock(sum(left)) if None not in left else "not known before a run has finished"
    return f"{len(found)} runs: {counts}; time left: {time}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
