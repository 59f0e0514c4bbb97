"""Every variant chooses its own settings on validation questions, from equally many runs.

A choice is kept in a file: when a tuning run is repeated, what was compared stays what it was.
"""

import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotjax.errors import InputError
from cotjax.json_files import dump_json, read_json, replace_file
from cotjax.study.definition import Study, Tuning, Variant
from cotjax.study.grid import PlannedRun, config_of, plan_tuning
from cotjax.study.kept import RESULT, read_kept
from cotjax.study.plan import state_of

CHOICES = "choices.json"  # in the workdir of a study that tunes
NOT_OVER = "its settings are not chosen yet: not all of its tuning runs are over"
ALL_FAILED = "no settings could be chosen: every one failed in a tuning run"


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
      open: Why the others have not, by the variant's name.
      outdated: Names of variants whose tuning runs were repeated, and would choose otherwise now.
    """

    by_variant: Mapping[str, Choice]
    shared: Mapping[str, Any] | None
    open: Mapping[str, str]
    outdated: tuple[str, ...]


def choose(study: Study, workdir: Path) -> Choices:
    """What the variants chose, or choose now from what the tuning runs came to.

    A variant whose tuning runs are not all over, finished or failed, has no choice yet, and none if
    every setting failed.

    Raises:
      InputError: if the workdir keeps choices among other settings than the study's.
    """
    runs, kept = plan_tuning(study), _read(study, workdir / CHOICES)
    choices, reasons, outdated = {}, {}, []
    for variant in study.variants:
        name, tried = variant.name, _tried(workdir, runs, variant)
        best = _best(tried or ())
        if name in kept:
            choices[name] = kept[name]
            if best is not None and best.settings != kept[name].settings:
                outdated.append(name)
        elif best is not None:
            choices[name] = Choice(best.settings, tuple(tried))
        else:
            reasons[name] = ALL_FAILED if tried else NOT_OVER
    everywhere = () if reasons else choices.values()
    shared = _best_on_average([choice.tried for choice in everywhere])
    return Choices(choices, shared, reasons, tuple(outdated))


def keep(study: Study, workdir: Path, choices: Choices) -> None:
    """Keeps the choices that were made, so that they are the same ever after."""
    if choices.by_variant:
        seeds = {"seeds": study.tuning.seeds}
        content = {
            name: seeds | dataclasses.asdict(one) for name, one in choices.by_variant.items()
        }
        replace_file(workdir / CHOICES, dump_json(content, indent=1) + "\n")


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


def _read(study: Study, file: Path) -> dict[str, Choice]:
    """The choices in a file, by variant; refuses those among other settings than the study's."""
    if not file.exists():
        return {}
    try:
        return {name: _choice(study.tuning, content) for name, content in read_json(file).items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(
            f"{file}: does not hold choices among the settings and seeds of the study's tuning: "
            "choose another --workdir"
        ) from None


def _choice(tuning: Tuning, content: Mapping[str, Any]) -> Choice:
    """What `keep` has written; raises ValueError where it was among other settings or seeds."""
    grid = tuning.settings()
    written = json.loads(dump_json(grid))  # where tuples are lists
    there = [one["settings"] for one in content["tried"]]
    if there != written or content["seeds"] != list(tuning.seeds):
        raise ValueError
    tried = tuple(
        Tried(settings, tuple(one["validation"]), one["mean"])
        for settings, one in zip(grid, content["tried"], strict=True)
    )
    return Choice(grid[written.index(content["settings"])], tried)


def _best(tried: Sequence[Tried]) -> Tried | None:
    """The first of the best means; None where every setting failed."""
    usable = [one for one in tried if one.mean is not None]
    return max(usable, key=lambda one: one.mean, default=None)


def _tried(workdir: Path, runs: Sequence[PlannedRun], variant: Variant) -> list[Tried] | None:
    """What each setting of a variant came to; None while a run of them waits."""
    mine = [run for run in runs if run.variant.name == variant.name]
    states = {run.name: state_of(workdir / run.folder).word for run in mine}
    if not set(states.values()) <= {"finished", "failed"}:
        return None
    tried = []
    for settings in dict.fromkeys(tuple(run.settings.items()) for run in mine):
        values = tuple(
            read_kept(workdir / run.folder / RESULT, "validation")["validation"]
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
