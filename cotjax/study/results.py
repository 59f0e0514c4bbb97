"""What `results.json` holds: every finished run of a study, compared, with what judges it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.json_files import read_json
from cotjax.study.differences import differences
from cotjax.study.grid import PlannedRun, Study, Variant, config_of
from cotjax.study.one_run import CHECKPOINT, predictions_file
from cotjax.study.outcomes import Outcomes, load_outcomes
from cotjax.study.plan import RESULT, state_of
from cotjax.study.statistics import compare_all, constant_guess
from cotjax.study.tuning import Choices
from cotjax.tasks.splits import Splits, fixed_subset
from cotjax.training.prepare import prepare
from cotjax.training.preview import shown_targets


def gather(
    study: Study,
    workdir: Path,
    runs: Sequence[PlannedRun],
    splits: Splits,
    choices: Choices | None = None,
    budget: str = "",
) -> dict[str, Any]:
    """All results that are there, in the order of the study.

    Args:
      study: Whose results they are.
      workdir: Where its runs stand.
      runs: Those to compare, finished or not; of a tuned study also those at shared settings.
      splits: The questions of all runs.
      choices: What the variants of a tuned study chose.
      budget: What all runs have alike, in words.
    """
    validation = fixed_subset(splits["validation"], study.base.evaluation.max_questions)
    finished = [run for run in runs if (workdir / run.folder / RESULT).exists()]
    compared = [run for run in finished if run.group == "runs"]
    return {
        "title": study.title,
        "about": study.about,
        "caveats": study.caveats,
        "seeds": study.seeds,
        "checkpoint": CHECKPOINT,
        "baseline": study.baseline_variant.name,
        "budget": {"by": study.budget, "text": budget},
        "variants": [_describe(study, variant, choices) for variant in study.variants],
        "constant_guess": {
            "test": constant_guess(splits["test"]),
            "validation": constant_guess(validation),
        },
        "runs": [read_json(workdir / run.folder / RESULT) for run in compared],
        **unfinished(workdir, runs),
        "comparisons": _comparisons(study, workdir, compared),
        "shared_settings": _at_shared_settings(study, workdir, finished, choices),
        "differences": differences(study, workdir, compared, splits["test"]),
        "base": configs.flatten(study.base),
    }


def unfinished(workdir: Path, runs: Sequence[PlannedRun]) -> dict[str, list[dict[str, Any]]]:
    """Runs that failed, with the reason, and runs that wait (for another machine, or their turn).

    A `group` other than `runs` says that the run was one of tuning or of shared settings.
    """
    lists: dict[str, list[dict[str, Any]]] = {"failed": [], "waiting": []}
    for run in runs:
        state = state_of(workdir / run.folder)
        about = {"variant": run.variant.name, "seed": run.seed, "group": run.group}
        if state.word == "failed":
            lists["failed"].append(about | {"reason": state.reason})
        elif state.word != "finished":
            lists["waiting"].append(about)
    return lists


def _describe(study: Study, variant: Variant, choices: Choices | None) -> dict[str, Any]:
    tuned = choices.by_variant.get(variant.name) if choices else None
    return {
        "name": variant.name,
        "title": variant.title,
        "overrides": dict(variant.overrides),
        "axes": dict(variant.axes),
        "example": _example(study, variant),
        "tuned": dataclasses.asdict(tuned) if tuned else None,
    }


def _example(study: Study, variant: Variant) -> dict[str, Any] | None:
    """The first target of the first seed: the same question in every variant; None without data."""
    config = config_of(study.base, variant, study.seeds[0])
    try:
        target = next(shown_targets(prepare(config, row_multiple=1), last_step=1))
    except InputError:  # which its runs have told
        return None
    said = [segment for reply in target.replies for segment in reply.segments]
    segments = [[kind.name.lower(), text] for kind, text in said]
    return {"input": target.replies[0].input, "segments": segments}


def _at_shared_settings(
    study: Study, workdir: Path, finished: Sequence[PlannedRun], choices: Choices | None
) -> dict[str, Any] | None:
    """The same comparison where all variants have the settings that are best for them on average.

    A variant that chose them itself is there with its run of its own.
    """
    if choices is None or choices.shared is None:
        return None
    runs = [run for run in finished if run.settings == choices.shared and run.group != "tuning"]
    return {
        "settings": dict(choices.shared),
        "runs": [read_json(workdir / run.folder / RESULT) for run in runs],
        "comparisons": _comparisons(study, workdir, runs),
    }


def _comparisons(study: Study, workdir: Path, runs: Sequence[PlannedRun]) -> list[dict[str, Any]]:
    """Every variant against the baseline on the test questions; none where that isn't finished."""
    outcomes: dict[str, dict[int, Outcomes]] = {}
    for variant in study.variants:
        of_variant = [run for run in runs if run.variant.name == variant.name]
        if of_variant:
            outcomes[variant.name] = {
                run.seed: load_outcomes(predictions_file(workdir / run.folder))
                for run in of_variant
            }
    baseline = study.baseline_variant.name
    if baseline not in outcomes:
        return []
    return [dataclasses.asdict(one) for one in compare_all(outcomes, baseline)]


def finished_alone(results: Mapping[str, Any]) -> dict[str, Any]:
    """The same results without the variants of which no run is finished."""
    there = {run["variant"] for run in results["runs"]}
    variants = [variant for variant in results["variants"] if variant["name"] in there]
    return {**results, "variants": variants}
