"""One run of a study: trained, evaluated once, and its result kept beside it."""

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from ml_collections.config_dict import ConfigDict
from rich.progress import Progress

import cotjax
from cotjax.errors import InputError
from cotjax.evaluation.run import evaluate, file_name
from cotjax.evaluation.student import default_mesh, load_student
from cotjax.json_files import dump_json, read_json, replace_file
from cotjax.study.grid import PlannedRun
from cotjax.study.plan import FAILURE, RESULT
from cotjax.study.statistics import ASKED
from cotjax.targets.orders import make_order
from cotjax.tasks import configured_task
from cotjax.tasks.splits import Splits
from cotjax.training.loop import train
from cotjax.training.writers import read_scalars

# Of all variants alike. Their schedules end low, and none gains by a choice that others lack.
CHECKPOINT = "latest"
TRAIN_QUESTIONS = 300  # asked at the end: enough to tell memorising from not learning
COUNTED = {"targets": "examples", "supervised_tokens": "supervised_tokens", "flops": "flops"}
CURVES = {"validation_curve": "validation/accuracy", "label_loss_curve": "label_loss"}


def finish(workdir: Path, run: PlannedRun, splits: Splits, progress: Progress) -> dict[str, Any]:
    """Trains a run, or goes on with it, and evaluates it; returns its result, which is kept.

    A run that tuning tries is asked no test questions: it has its validation curve.
    """
    folder = workdir / run.folder
    (folder / FAILURE).unlink(missing_ok=True)
    began_here = not (folder / "config.json").exists()
    trained = train(run.config, folder, progress)
    asked = {} if run.group == "tuning" else _evaluate(folder, run.config, splits, progress)
    result = {
        "variant": run.variant.name,
        "seed": run.seed,
        # Of an interrupted run the seconds of its last part alone would mislead.
        "seconds": round(trained.seconds, 2) if began_here else None,
        "steps": trained.step,
        **_work(folder),
        **asked,
        **_curves(folder),
        "validation": trained.metrics[run.config.evaluation.best_metric],
        "counts": read_json(folder / "model.json")["counts"],
        "versions": {"cotjax": cotjax.__version__, "jax": jax.__version__},
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "tuned": dict(run.settings) or None,
    }
    replace_file(folder / RESULT, dump_json(result, indent=1) + "\n")
    return result


def predictions_file(folder: Path) -> Path:
    """A finished run's answers to the test questions."""
    step = read_json(folder / RESULT)["steps"]
    return folder / "eval" / f"{file_name('test', step)}.jsonl"


def note_failure(workdir: Path, run: PlannedRun, error: Exception) -> str:
    """Keeps in the run's folder why it failed; returns it on one line."""
    words = " ".join(str(error).split())
    reason = words if isinstance(error, InputError) else f"{type(error).__name__}: {words}"
    lines = "".join(traceback.format_exception(error))
    folder = workdir / run.folder
    folder.mkdir(parents=True, exist_ok=True)
    note = {"reason": reason, "traceback": lines.splitlines()}
    replace_file(folder / FAILURE, dump_json(note, indent=1) + "\n")
    return reason


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


def _work(folder: Path) -> dict[str, int]:
    """Targets, supervised tokens and model FLOPs of all steps, whichever process took them."""
    lines = read_scalars(folder)
    return {
        name: round(sum(line[logged] for line in lines if logged in line))
        for name, logged in COUNTED.items()
    }


def _curves(folder: Path) -> dict[str, list[list[float]]]:
    """[step, value] of validation accuracy and of the training loss of label tokens."""
    lines = read_scalars(folder)
    return {
        curve: [[line["step"], line[name]] for line in lines if name in line]
        for curve, name in CURVES.items()
    }
