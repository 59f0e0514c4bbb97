"""Runs a study in one process, so that runs of equal shapes share what is compiled."""

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from ml_collections.config_dict import ConfigDict
from rich.console import Console
from rich.progress import Progress

import cotjax
from cotjax import config as configs
from cotjax.evaluation.run import evaluate, replace_file
from cotjax.evaluation.student import default_mesh, load_student
from cotjax.json_files import read_json
from cotjax.study.grid import PlannedRun, Study, plan
from cotjax.study.progress import StudyProgress
from cotjax.study.report import comparison_table, page
from cotjax.study.statistics import ASKED, constant_guess
from cotjax.targets.orders import make_order
from cotjax.tasks import get_task
from cotjax.training.loop import train
from cotjax.training.prepare import load_splits, prepare
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
      InputError: if the workdir holds runs of other configs, or a run fails.
    """
    console = console or Console(highlight=False)
    runs = {workdir / "runs" / run.name: run for run in plan(study)}
    for folder, run in runs.items():
        configs.check_same_run(run.config, folder)
    waiting = {folder: run for folder, run in runs.items() if not (folder / "result.json").exists()}
    with StudyProgress([*waiting.values()], len(runs) - len(waiting), console) as progress:
        for folder, run in waiting.items():
            _finish(folder, run, progress)
    results = _gather(study, runs)
    if jax.process_index() == 0:
        replace_file(workdir / "results.json", _json(results))
        replace_file(workdir / "report.html", page(results))
    console.print(comparison_table(results))
    console.print(f"report: {(workdir / 'report.html').absolute()}", soft_wrap=True)
    return results


def _finish(folder: Path, run: PlannedRun, progress: StudyProgress) -> None:
    """Trains a run, or goes on with it, and evaluates it once; then its result is kept."""
    with progress.working_on(run):
        began_here = not (folder / "config.json").exists()
        trained = train(run.config, folder, progress)
        start = time.monotonic()
        evaluated = _evaluate(folder, run.config, progress)
        result = {
            "variant": run.variant.name,
            "seed": run.seed,
            "step": trained.step,
            # Of an interrupted run the seconds of its last part alone would mislead.
            "seconds": round(trained.seconds, 2) if began_here else None,
            "evaluation_seconds": round(time.monotonic() - start, 2),
            **evaluated,
            **_curves(folder),
            "example": _example(run.config),
        }
    if jax.process_index() == 0:
        replace_file(folder / "result.json", _json(result))
    accuracy = result["test"]["accuracy"]
    progress.console.print(f"{run.name}: {100 * accuracy:.1f} % of test answers right")


def _evaluate(
    folder: Path, config: ConfigDict, progress: Progress
) -> dict[str, Mapping[str, float]]:
    """Asks the finished student: all of validation and test, a fixed part of train."""
    task = get_task(config.task.name, config.task.label_format)
    splits = load_splits(task, config)
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
    """[step, value] of validation accuracy and of the label's training loss."""
    names = {"validation_curve": "validation/accuracy", "label_loss_curve": "label_loss"}
    lines = read_scalars(folder)
    return {
        curve: [[line["step"], line[name]] for line in lines if name in line]
        for curve, name in names.items()
    }


def _example(config: ConfigDict) -> dict[str, Any]:
    """The first target of a run: the same question in every variant with the same seed."""
    target = next(shown_targets(prepare(config, row_multiple=1), last_step=1))
    segments = [[kind.name.lower(), text] for kind, text in target.segments]
    return {"input": target.input, "segments": segments}


def _gather(study: Study, runs: Mapping[Path, PlannedRun]) -> dict[str, Any]:
    """All results, with what a reader needs to judge them."""
    base = study.base
    task = get_task(base.task.name, base.task.label_format)
    return {
        "title": study.title,
        "about": study.about,
        "caveats": study.caveats,
        "variants": [dataclasses.asdict(variant) for variant in study.variants],
        "seeds": study.seeds,
        "checkpoint": CHECKPOINT,
        "constant_guess": constant_guess(load_splits(task, base)["test"]),
        "runs": [read_json(folder / "result.json") for folder in runs],
        "base": configs.flatten(base),
        "versions": {"cotjax": cotjax.__version__, "jax": jax.__version__},
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
