"""Every variant chooses its own settings on validation questions, from equally many runs."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotjax.json_files import read_json
from cotjax.study.grid import PlannedRun, Study, Variant, config_of, plan_tuning
from cotjax.study.plan import RESULT, state_of


@dataclasses.dataclass(frozen=True)
class Tried:
    """One setting of one variant.

    Attributes:
      settings: Values by dotted name.
      validation: Of the last step, a value a seed; None where the run failed.
      mean: Of them; None where one failed, so that the setting can't be chosen.
    """

    settings: Mapping[str, Any]
    validation: tuple[float | None, ...]
    mean: float | None


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a variant chose, the first of the best means in the grid, and all that it tried."""

    settings: Mapping[str, Any]
    tried: tuple[Tried, ...]


@dataclasses.dataclass(frozen=True)
class Choices:
    """What a study's tuning came to.

    Attributes:
      by_variant: The choice of every variant that could choose.
      shared: The settings with the best mean over all variants, for a comparison in which all have
        the same; None while a variant has not chosen.
    """

    by_variant: Mapping[str, Choice]
    shared: Mapping[str, Any] | None


def choose(study: Study, workdir: Path) -> Choices:
    """Reads what the tuning runs came to.

    A variant whose tuning runs are not all over, finished or failed, has no choice yet, and none if
    every setting failed.
    """
    runs = plan_tuning(study)
    tried = {variant.name: _tried(workdir, runs, variant) for variant in study.variants}
    choices = {}
    for name, settings in tried.items():
        usable = [one for one in settings or () if one.mean is not None]
        if usable:
            best = max(usable, key=lambda one: one.mean)  # the first of equal ones
            choices[name] = Choice(best.settings, tuple(settings))
    everywhere = choices.values() if len(choices) == len(study.variants) else ()
    return Choices(choices, _best_on_average([choice.tried for choice in everywhere]))


def final_runs(study: Study, choices: Choices) -> list[PlannedRun]:
    """The runs to compare: at each variant's own settings, and at shared ones if they differ."""
    planned = []
    for seed in study.seeds:
        for variant in study.variants:
            choice = choices.by_variant.get(variant.name)
            if choice is None:
                continue
            planned.append(_run(study, variant, seed, choice.settings, "runs"))
            if choices.shared is not None and choices.shared != choice.settings:
                planned.append(_run(study, variant, seed, choices.shared, "shared"))
    return planned


def _tried(workdir: Path, runs: Sequence[PlannedRun], variant: Variant) -> list[Tried] | None:
    """What each setting of a variant came to; None while a run of them waits."""
    mine = [run for run in runs if run.variant.name == variant.name]
    states = {run.name: state_of(workdir / run.folder).word for run in mine}
    if not set(states.values()) <= {"finished", "failed"}:
        return None
    tried = []
    for settings in dict.fromkeys(tuple(run.settings.items()) for run in mine):
        values = tuple(
            read_json(workdir / run.folder / RESULT)["validation"]
            if states[run.name] == "finished"
            else None
            for run in mine
            if tuple(run.settings.items()) == settings
        )
        mean = None if None in values else statistics.fmean(values)
        tried.append(Tried(dict(settings), values, mean))
    return tried


def _best_on_average(tried: Sequence[Sequence[Tried]]) -> Mapping[str, Any] | None:
    """The settings that are best over all variants, of those that failed in none."""
    settings = [
        of_one for of_one in zip(*tried, strict=True) if all(o.mean is not None for o in of_one)
    ]
    if not settings:
        return None
    best = max(settings, key=lambda same: statistics.fmean(one.mean for one in same))
    return best[0].settings


def _run(
    study: Study, variant: Variant, seed: int, settings: Mapping[str, Any], group: str
) -> PlannedRun:
    config = config_of(study.base, variant, seed, settings)
    return PlannedRun(variant, seed, config, settings, group)
