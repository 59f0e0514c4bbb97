"""What a study would run: states, steps, tokens and time, as far as they can be known before."""

import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from cotjax.data.work import Work
from cotjax.errors import InputError
from cotjax.study.budget import amount_of
from cotjax.study.definition import Study
from cotjax.study.grid import PlannedRun, config_of, plan, plan_tuning
from cotjax.study.kept import RESULT, VOTE, read_kept
from cotjax.study.plan import Part, State, lacks_vote, state_of, takes_vote
from cotjax.study.statistics import ASKED
from cotjax.study.tuning import choose, final_runs
from cotjax.tasks.sources import shared_records
from cotjax.training.prepare import prepare
from cotjax.training.throughput import peak_flops, train_flops

SURVEYED_STEPS = 32  # whose mean stands for all
TO_VOTE = "to vote"  # the state of a run that is finished but for the answers by vote
FAILING = "would fail"  # that of a run whose data can't be used
TRAINED = ("finished", TO_VOTE)
STEP, ASKING, VOTING = "step", "asking", "voting"  # what takes a run time

Times = Mapping[str, Sequence[tuple[str, float]]]  # by what took them: variants and seconds


@dataclasses.dataclass(frozen=True)
class Forecast:
    """One run.

    Attributes:
      run: Which.
      state: How far it is.
      steps: That it takes; None where its data can't be used.
      tokens: Supervised ones of all steps, from the mean of some.
      flops: Of the matrix products of all steps, in the same way.
      seconds: That it still takes; None where nothing tells.
      votes_on_top: Whether a vote is not in them: no finished one tells how long it takes.
      at_least: Whether that is what its FLOPs take at the machine's peak rate: no finished run
        tells how long runs really take.
      problem: Why its data can't be used.
    """

    run: PlannedRun
    state: State
    steps: int | None = None
    tokens: float | None = None
    flops: float | None = None
    seconds: float | None = None
    votes_on_top: bool = False
    at_least: bool = False
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
    console.print(_sum(found) + "; votes come on top" * any(one.votes_on_top for one in found))
    for name, reason in _reasons(found):
        console.print(f"{name}: {reason}", markup=False, soft_wrap=True)
    if study.tuning and choose(study, workdir).open:
        console.print("the settings of runs/ follow from tuning/; shared/ comes on top of them")


def forecast(study: Study, workdir: Path, part: Part) -> list[Forecast]:
    """The runs that are done here, in their order; those of tuning come first."""
    works = _Works(study)
    runs = part.of([*plan_tuning(study), *_to_compare(study, workdir)])
    found = [_one(works, workdir, run, study.samples) for run in runs]
    times = _times(workdir, [one for one in found if one.state.word in TRAINED])
    return [_with_time(one, times, study.samples) for one in found]


def _to_compare(study: Study, workdir: Path) -> list[PlannedRun]:
    """The runs after tuning; of variants that have not chosen, untuned."""
    if study.tuning is None:
        return plan(study)
    choices = choose(study, workdir)
    untuned = [run for run in plan(study) if run.variant.name in choices.open]
    return [*final_runs(study, choices), *untuned]


@dataclasses.dataclass(frozen=True)
class _MeanStep:
    """What a step of a run has: supervised tokens, FLOPs, and what it takes of the budget."""

    tokens: float
    flops: float
    spent: float


class _Works:
    """The mean step of every config but for its seed, from a few of its steps."""

    def __init__(self, study: Study):
        self._study = study
        self._found: dict[str, _MeanStep | InputError] = {}

    def of(self, run: PlannedRun) -> tuple[int, _MeanStep]:
        """A run's steps; raises InputError if its data, or the baseline's, can't be used."""
        study, steps = self._study, run.config.schedule.total_steps
        mean = self._mean(run)
        if study.budget != "steps":
            variant, seed = study.baseline_variant, run.seed
            baseline = PlannedRun(variant, seed, config_of(study.base, variant, seed))
            budget = baseline.config.schedule.total_steps * self._mean(baseline).spent
            steps = math.ceil(budget / mean.spent) if mean.spent else 0
        return steps, mean

    def _mean(self, run: PlannedRun) -> _MeanStep:
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

    def _survey(self, run: PlannedRun) -> _MeanStep:
        experiment, by = prepare(run.config, row_multiple=1), self._study.budget
        steps, model = experiment.steps, experiment.model
        works = [Work.of(steps[n], steps) for n in range(min(SURVEYED_STEPS, steps.per_epoch))]
        return _MeanStep(
            tokens=statistics.fmean(work.supervised for work in works),
            flops=statistics.fmean(train_flops(model, work) for work in works),
            spent=statistics.fmean(
                1.0 if by == "steps" else amount_of(by, model, work) for work in works
            ),
        )


def _one(works: _Works, workdir: Path, run: PlannedRun, samples: int | None) -> Forecast:
    state = state_of(workdir / run.folder)
    if state.word == "finished":
        result = read_kept(workdir / run.folder / RESULT, "steps", "supervised_tokens")
        if lacks_vote(workdir, run, samples):
            state = dataclasses.replace(state, word=TO_VOTE)
        return Forecast(run, state, result["steps"], result["supervised_tokens"])
    try:
        steps, mean = works.of(run)
    except InputError as error:
        return Forecast(run, state, problem=str(error))
    return Forecast(run, state, steps, steps * mean.tokens, steps * mean.flops)


def _times(workdir: Path, finished: Sequence[Forecast]) -> Times:
    """What finished runs took: seconds a step, of asking the student, and of its vote."""
    times: dict[str, list[tuple[str, float]]] = {STEP: [], ASKING: [], VOTING: []}
    for one in finished:
        name, result = one.run.variant.name, read_kept(workdir / one.run.folder / RESULT, "seconds")
        if result["seconds"]:  # None where it was interrupted
            times[STEP].append((name, result["seconds"] / one.steps))
        if asking := sum(_asked(result, split) for split in ASKED):
            times[ASKING].append((name, asking))
        if one.state.word == "finished" and (voting := _asked(result, VOTE)):
            times[VOTING].append((name, voting))
    return times


def _asked(result: Mapping[str, Any], of: str) -> float:
    """The seconds of asking that a result tells; older ones tell none."""
    return result.get(of, {}).get("seconds", 0.0)


def _with_time(one: Forecast, times: Times, samples: int | None) -> Forecast:
    """The time left: of the variant's finished runs, or else of all; or from FLOPs."""
    if one.problem:
        return one
    if one.state.word == "finished":
        return dataclasses.replace(one, seconds=0.0)
    asked, votes = one.run.group != "tuning", takes_vote(one.run, samples)
    a_step, asking, voting = (_mean(times[what], one.run) for what in (STEP, ASKING, VOTING))
    on_top = (asking or 0.0) * asked + (voting or 0.0) * votes
    one = dataclasses.replace(one, votes_on_top=votes and voting is None)
    if one.state.word == TO_VOTE:
        return dataclasses.replace(one, seconds=voting)
    left = max(one.steps - one.state.step, 0)
    if a_step is not None:
        return dataclasses.replace(one, seconds=left * a_step + on_top)
    peak = peak_flops(jax.devices())
    if peak is None or not one.steps:
        return one
    return dataclasses.replace(one, seconds=left / one.steps * one.flops / peak, at_least=True)


def _mean(times: Sequence[tuple[str, float]], run: PlannedRun) -> float | None:
    """Of the variant's own runs, or else of all; None without any."""
    own = [seconds for name, seconds in times if name == run.variant.name]
    every = own or [seconds for _, seconds in times]
    return statistics.fmean(every) if every else None


def _state(one: Forecast) -> str:
    if one.problem:
        return FAILING
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
    if one.seconds is None:
        return steps, tokens, "?"
    return steps, tokens, "≥ " * one.at_least + _clock(one.seconds)


def _sum(found: Sequence[Forecast]) -> str:
    states = Counter(FAILING if one.problem else one.state.word for one in found)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{len(found)} runs: {counts}; time left: {_time_left(found)}"


def _time_left(found: Sequence[Forecast]) -> str:
    """Of all runs that could be run."""
    left = [
        one.seconds
        for one in found
        if not one.problem and not (one.state.word == TO_VOTE and one.votes_on_top)
    ]
    if found and all(one.problem for one in found):
        return "not known, none can be run"
    if None in left:
        return "not known before a run has finished"
    time = _clock(sum(left))
    if not any(one.at_least for one in found):
        return time
    return (
        f"{time} at least (the FLOPs of training at the peak rate of matrix products here, which "
        "small students stay far below; the first finished run tells)"
    )


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
