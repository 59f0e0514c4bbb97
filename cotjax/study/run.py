"""Runs a study in one process, so that runs of equal shapes share what is compiled."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from ml_collections.config_dict import ConfigDict
from rich.console import Console
from rich.progress import Progress

import cotjax
from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.evaluation.run import evaluate, fixed_subset
from cotjax.evaluation.student import default_mesh, load_student
from cotjax.json_files import dump_json, read_json, replace_file
from cotjax.mesh import initialize_distributed
from cotjax.study.grid import PlannedRun, Study, Variant, config_of, plan
from cotjax.study.progress import StudyProgress
from cotjax.study.report import comparison_table, page
from cotjax.study.statistics import ASKED, constant_guess
from cotjax.targets.orders import make_order
from cotjax.tasks import configured_task
from cotjax.tasks.sources import load_splits
from cotjax.tasks.splits import Splits, split_lines
from cotjax.training.loop import train
from cotjax.training.prepare import prepare
from cotjax.training.preview import shown_targets
from cotjax.training.writers import read_scalars

# Of all variants alike. Their schedules end low, and none gains by a choice that others lack.
CHECKPOINT = "latest"
TRAIN_QUESTIONS = 300  # asked at the end: enough to tell memorising from not learning


def run_study(study: Study, workdir: Path, console: Console | None = None) -> dict[str, Any]:
    """Trains and evaluates what of a study is not done yet, and writes its report.

    Args:
      study: Loaded by `grid.load`.
      workdir: Takes `runs/<variant>-seed<seed>`, `results.json` and `report.html`.
      console: Shows progress, and the comparison at the end.

    Returns:
      What `results.json` holds.

    Raises:
      InputError: if there are several processes, a split to be asked is missing, the workdir holds
        runs of other configs, or a run fails.
    """
    initialize_distributed()
    if jax.process_count() > 1:
        raise InputError(f"a study is run by one process, not {jax.process_count()}")
    console = console or Console(highlight=False)
    runs = {workdir / "runs" / run.name: run for run in plan(study)}
    for folder, run in runs.items():
        configs.check_same_run(run.config, folder)
    splits = _load_splits(study.base)
    console.print(*split_lines(splits), sep="\n", soft_wrap=True)
    waiting = {folder: run for folder, run in runs.items() if not (folder / "result.json").exists()}
    with StudyProgress(len(runs), len(runs) - len(waiting), console) as progress:
        for folder, run in waiting.items():
            _finish(folder, run, splits, progress)
    results = _gather(study, runs, splits)
    replace_file(workdir / "results.json", dump_json(results, indent=1) + "\n")
    replace_file(workdir / "report.html", page(results))
    console.print(comparison_table(results))
    console.print(f"report: {(workdir / 'report.html').absolute()}", soft_wrap=True)
    return results


def _load_splits(base: ConfigDict) -> Splits:
    """The questions of all runs; refuses a source that lacks a split, before anything is trained.

    Only a config that evaluates a split needs it, and no loop of a study evaluates test.
    """
    asked = base.copy_and_resolve_references()
    asked.evaluation.splits = ("validation", "test")
    return load_splits(configured_task(base), asked)


def _finish(folder: Path, run: PlannedRun, splits: Splits, progress: StudyProgress) -> None:
    """Trains a run, or goes on with it, and evaluates it once; then its result is kept."""
    with progress.working_on(run):
        began_here = not (folder / "config.json").exists()
        trained = train(run.config, folder, progress)
        result = {
            "variant": run.variant.name,
            "seed": run.seed,
            # Of an interrupted run the seconds of its last part alone would mislead.
            "seconds": round(trained.seconds, 2) if began_here else None,
            **_evaluate(folder, run.config, splits, progress),
            **_curves(folder),
            "versions": {"cotjax": cotjax.__version__, "jax": jax.__version__},
            "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        }
        replace_file(folder / "result.json", dump_json(result, indent=1) + "\n")
    accuracy = result["test"]["accuracy"]
    progress.console.print(f"{run.name}: {100 * accuracy:.1f} % of test answers right")


def _evaluate(
    folder: Path, config: ConfigDict, splits: Splits, progress: Progress
) -> dict[str, Mapping[str, float]]:
    """Asks the finished student: all of test, a fixed part of train."""
    task = configured_task(config)
    student, step = load_student(folder, CHECKPOINT, default_mesh(config))
    order = make_order(config.data.order, config.data.connective)
    summaries = {}
    for split in ASKED:
        asked = config.copy_and_resolve_references()
        asked.evaluation.max_questions = TRAIN_QUESTIONS if split == "train" else None
        summaries[split] = evaluate(
            student,
            task,
            splits[split],
            order,
            asked,
            split=split,
            step=step,
            folder=folder / "eval",
            progress=progress,
        )
    return summaries


def _curves(folder: Path) -> dict[str, list[list[float]]]:
    """[step, value] of validation accuracy and of the training loss of label tokens."""
    names = {"validation_curve": "validation/accuracy", "label_loss_curve": "label_loss"}
    lines = read_scalars(folder)
    return {
        curve: [[line["step"], line[name]] for line in lines if name in line]
        for curve, name in names.items()
    }


def _gather(study: Study, runs: Mapping[Path, PlannedRun], splits: Splits) -> dict[str, Any]:
    """All results, with what a reader needs to judge them."""
    validation = fixed_subset(splits["validation"], study.base.evaluation.max_questions)
    return {
        "title": study.title,
        "about": study.about,
        "caveats": study.caveats,
        "variants": [
            dataclasses.asdict(variant) | {"example": _example(study, variant)}
            for variant in study.variants
        ],
        "seeds": study.seeds,
        "checkpoint": CHECKPOINT,
        "constant_guess": {
            "test": constant_guess(splits["test"]),
            "validation": constant_guess(validation),
        },
        "runs": [read_json(folder / "result.json") for folder in runs],
        "base": configs.flatten(study.base),
    }


def _example(study: Study, variant: Variant) -> dict[str, Any]:
    """The first target of the first seed: the same question in every variant."""
    config = config_of(study.base, variant, study.seeds[0])
    target = next(shown_targets(prepare(config, row_multiple=1), last_step=1))
    said = [segment for reply in target.replies for segment in reply.segments]
    segments = [[kind.name.lower(), text] for kind, text in said]
    return {"input": target.replies[0].input, "segments": segments}
