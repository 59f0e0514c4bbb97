"""What `results.json` holds: every finished run of a study, compared, with what judges it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotjax import config as configs
from cotjax.study.comparisons import compared
from cotjax.study.definition import Study, Variant
from cotjax.study.differences import differences
from cotjax.study.grid import PlannedRun, config_of
from cotjax.study.kept import FAILURE, RESULT, read_kept
from cotjax.study.one_run import CHECKPOINT
from cotjax.study.plan import lacks_vote, state_of
from cotjax.study.problems import Problems
from cotjax.study.statistics import constant_guess
from cotjax.study.tuning import Choices
from cotjax.tasks.splits import Splits, fixed_subset
from cotjax.training.prepare import prepare
from cotjax.training.preview import shown_targets

REPORTED = (  # of every run
    "variant", "seed", "seconds", "steps", "targets", "supervised_tokens", "flops", "test", "train",
    "validation_curve", "label_loss_curve", "counts", "versions", "device", "tuned",
)  # fmt: skip


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
    own = [run for run in finished if run.group == "runs"]
    problems = Problems()
    results = {
        "title": study.title,
        "about": study.about,
        "caveats": study.caveats,
        "seeds": study.seeds,
        "checkpoint": CHECKPOINT,
        "baseline": study.baseline_variant.name,
        "budget": {"by": study.budget, "text": budget},
        "variants": _variants(study, own, choices, problems),
        "constant_guess": {
            "test": constant_guess(splits["test"]),
            "validation": constant_guess(validation),
        },
        **_with_comparisons(study, workdir, own, splits, problems),
        "shared_settings": _at_shared_settings(study, workdir, finished, splits, choices, problems),
        "differences": differences(study, workdir, own, splits["test"], problems),
        "base": configs.flatten(study.base),
    }
    missing = unfinished(study, workdir, runs, choices)
    return results | missing | {"failed": missing["failed"] + problems}


def unfinished(
    study: Study, workdir: Path, runs: Sequence[PlannedRun], choices: Choices | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Runs that failed and runs that wait (for another machine, or their turn), with the reason.

    A `group` other than `runs` says that the run was one of tuning or of shared settings.
    """
    lists: dict[str, list[dict[str, Any]]] = {"failed": [], "waiting": []}
    for run in runs:
        word, reason = _missing(workdir, run, study.samples)
        if word:
            about = {"variant": run.variant.name, "seed": run.seed, "group": run.group}
            lists[word].append(about | {"reason": reason})
    for name, reason in (choices.open if choices else {}).items():
        about = {"variant": name, "group": "runs", "reason": reason}
        lists["waiting"] += [about | {"seed": seed} for seed in study.seeds]
    return lists


def _missing(workdir: Path, run: PlannedRun, samples: int | None) -> tuple[str, str]:
    """`failed` or `waiting`, and why; two empty texts where nothing is missing."""
    state, failure = state_of(workdir / run.folder), workdir / run.folder / FAILURE
    if state.word == "failed":
        return "failed", state.reason
    if state.word == "interrupted":
        return "waiting", f"interrupted at step {state.step:,}"
    if state.word != "finished":
        return "waiting", state.reason or "not run yet"
    if not lacks_vote(workdir, run, samples):
        return "", ""
    if failure.exists():
        return "failed", f"no vote: {read_kept(failure, 'reason')['reason']}"
    return "waiting", "its answers by vote"


def _variants(
    study: Study, finished: Sequence[PlannedRun], choices: Choices | None, problems: Problems
) -> list[dict[str, Any]]:
    """What each variant is; the example is None where no run is finished."""
    described = []
    for variant in study.variants:
        example, chosen = None, choices.by_variant.get(variant.name) if choices else None
        if any(run.variant.name == variant.name for run in finished):
            with problems.of(variant.name, study.seeds[0], "no example of its targets"):
                example = _example(study, variant)
        described.append(
            {
                "name": variant.name,
                "title": variant.title,
                "overrides": dict(variant.overrides),
                "axes": dict(variant.axes),
                "against": variant.against,
                "example": example,
                "tuned": dataclasses.asdict(chosen) if chosen else None,
            }
        )
    return described


def _example(study: Study, variant: Variant) -> dict[str, Any]:
    """The first target of the first seed: the same question in every variant."""
    config = config_of(study.base, variant, study.seeds[0])
    target = next(shown_targets(prepare(config, row_multiple=1), last_step=1))
    said = [segment for reply in target.replies for segment in reply.segments]
    segments = [[kind.name.lower(), text] for kind, text in said]
    return {"input": target.replies[0].input, "segments": segments}


def _at_shared_settings(
    study: Study,
    workdir: Path,
    finished: Sequence[PlannedRun],
    splits: Splits,
    choices: Choices | None,
    problems: Problems,
) -> dict[str, Any] | None:
    """The same comparisons where all variants have the settings that are best on average.

    A variant that chose them itself is there with its run of its own.
    """
    if choices is None or choices.shared is None:
        return None
    runs = [run for run in finished if run.settings == choices.shared and run.group != "tuning"]
    return {
        "settings": dict(choices.shared),
        **_with_comparisons(study, workdir, runs, splits, problems),
    }


def _with_comparisons(
    study: Study, workdir: Path, runs: Sequence[PlannedRun], splits: Splits, problems: Problems
) -> dict[str, list[dict[str, Any]]]:
    """The runs' own results, and their comparisons by family."""
    results = [read_kept(workdir / run.folder / RESULT, *REPORTED) for run in runs]
    return {"runs": results, **compared(study, workdir, runs, splits, problems)}


def finished_alone(results: Mapping[str, Any]) -> dict[str, Any]:
    """The same results without the variants of which no run is finished."""
    there = {run["variant"] for run in results["runs"]}
    variants = [variant for variant in results["variants"] if variant["name"] in there]
    return {**results, "variants": variants}
