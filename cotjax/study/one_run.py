"""One run of a study: trained, evaluated once, and its result kept beside it."""

import importlib.metadata
import platform
import time
import traceback
from pathlib import Path
from typing import Any

import jax
from ml_collections.config_dict import ConfigDict
from rich.progress import Progress

import cotjax
from cotjax.evaluation.run import evaluate, file_name
from cotjax.evaluation.student import Student, default_mesh, load_student
from cotjax.evaluation.voting import Sampling
from cotjax.json_files import dump_json, replace_file
from cotjax.study.grid import PlannedRun
from cotjax.study.kept import FAILURE, MODEL, RESULT, VOTE, read_kept
from cotjax.study.problems import in_one_line
from cotjax.study.same import data_hashes
from cotjax.study.statistics import ASKED
from cotjax.targets.orders import make_order
from cotjax.tasks import configured_task
from cotjax.tasks.splits import Splits
from cotjax.training.run import train
from cotjax.training.writers import read_scalars

# Of all variants alike. Their schedules end low, and none gains by a choice that others lack.
CHECKPOINT = "latest"
TRAIN_QUESTIONS = 300  # asked at the end: enough to tell memorising from not learning
PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "transformers", "numpy")
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
    asked = {} if run.group == "tuning" else _ask_student(folder, run.config, splits, progress)
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
        "counts": read_kept(folder / MODEL, "counts")["counts"],
        "versions": versions(),
        **data_hashes(run.config, splits),
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "tuned": dict(run.settings) or None,
    }
    replace_file(folder / RESULT, dump_json(result, indent=1) + "\n")
    return result


def vote(
    workdir: Path, run: PlannedRun, samples: int, splits: Splits, progress: Progress
) -> dict[str, Any]:
    """Asks a finished student the test questions again, so often, for its commonest answers.

    Returns:
      The run's result, which is kept, with the summary of the vote beside the others.
    """
    folder = workdir / run.folder
    (folder / FAILURE).unlink(missing_ok=True)
    student, step = load_student(folder, CHECKPOINT, default_mesh(run.config))
    sampling = Sampling(samples)
    summary = _ask(student, step, folder, run.config, "test", splits, progress, sampling)
    result = read_kept(folder / RESULT) | {VOTE: summary}
    replace_file(folder / RESULT, dump_json(result, indent=1) + "\n")
    return result


def versions() -> dict[str, str]:
    """Of Python and of what computes a result."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "cotjax": cotjax.__version__, **found}


def predictions_file(folder: Path) -> Path:
    """A finished run's answers to the test questions."""
    return _answers_file(folder, None)


def votes_file(folder: Path, samples: int) -> Path:
    """Its answers to them by vote of so many samples."""
    return _answers_file(folder, Sampling(samples))


def note_failure(workdir: Path, run: PlannedRun, error: Exception) -> str:
    """Keeps in the run's folder why it failed; returns it on one line."""
    reason = in_one_line(error)
    lines = "".join(traceback.format_exception(error))
    folder = workdir / run.folder
    folder.mkdir(parents=True, exist_ok=True)
    note = {"reason": reason, "traceback": lines.splitlines()}
    replace_file(folder / FAILURE, dump_json(note, indent=1) + "\n")
    return reason


def _answers_file(folder: Path, sampling: Sampling | None) -> Path:
    step = read_kept(folder / RESULT, "steps")["steps"]
    return folder / "eval" / f"{file_name('test', step, sampling=sampling)}.jsonl"


def _ask_student(
    folder: Path, config: ConfigDict, splits: Splits, progress: Progress
) -> dict[str, dict[str, Any]]:
    """Asks the finished student: all of test, a fixed part of train."""
    student, step = load_student(folder, CHECKPOINT, default_mesh(config))
    return {split: _ask(student, step, folder, config, split, splits, progress) for split in ASKED}


def _ask(
    student: Student,
    step: int,
    folder: Path,
    config: ConfigDict,
    split: str,
    splits: Splits,
    progress: Progress,
    sampling: Sampling | None = None,
) -> dict[str, Any]:
    """The summary of a student's answers, which are written, and the seconds that they took."""
    asked = config.copy_and_resolve_references()
    asked.evaluation.max_questions = TRAIN_QUESTIONS if split == "train" else None
    began = time.perf_counter()
    summary = evaluate(
        student,
        configured_task(config),
        splits[split],
        make_order(config.data.order, config.data.connective),
        asked,
        split=split,
        step=step,
        folder=folder / "eval",
        sampling=sampling,
        progress=progress,
    )
    return summary | {"seconds": round(time.perf_counter() - began, 3)}


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
