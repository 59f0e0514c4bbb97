"""Evaluation: in the training loop, and from a checkpoint; the same code."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections.config_dict import ConfigDict
from rich.progress import Progress

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.evaluation.metrics import summarise
from cotjax.evaluation.predict import Prediction, predict
from cotjax.evaluation.student import Student, default_mesh, load_student
from cotjax.json_files import dump_json, replace_file, to_json
from cotjax.targets.orders import Order, make_order
from cotjax.targets.perturb import stable_hash
from cotjax.tasks import configured_task
from cotjax.tasks.base import Question, Task
from cotjax.tasks.sources import load_questions, load_splits
from cotjax.tasks.splits import split_lines


def evaluate(
    student: Student,
    task: Task,
    questions: Sequence[Question],
    order: Order,
    config: ConfigDict,
    *,
    split: str,
    step: int,
    folder: Path | None,
    records: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Asks every question, or a fixed subset, and writes predictions and summary.

    Args:
      student: Who is asked; its parameters stay where they are.
      task, questions, order: What is asked, and in which order the student answers.
      config: Of the run; its `evaluation` section and lengths are used.
      split, step: What the files are called by (see `file_name`).
      folder: Takes two files, `.json` and `.jsonl`; None writes nothing.
      records: Where the questions come from, if not from the config's source.
      progress: Shows how far it is.

    Returns:
      The summary (see `summarise`): numbers alone.
    """
    asked = fixed_subset(questions, config.evaluation.max_questions)
    predictions = predict(
        student,
        task,
        asked,
        order,
        max_tokens=config.evaluation.max_tokens or config.data.target_length,
        input_length=config.data.input_length,
        batch_size=config.evaluation.batch_size,
        progress=progress,
    )
    summary = summarise(predictions)
    if folder is not None and jax.process_index() == 0:
        source = f"records:{records}" if records else config.task.source
        about = {"split": split, "step": step, "source": source}
        subset = len(asked) if len(asked) < len(questions) else None
        write(folder, file_name(split, step, records, subset), predictions, about | summary)
    return summary


def evaluate_checkpoint(
    workdir: Path,
    checkpoint: str,
    split: str,
    questions: Path | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, float], int, Path]:
    """Evaluates a checkpoint of a run on all questions of a split.

    Args:
      workdir: The run's folder; its `eval` folder takes what is written.
      checkpoint: `best`, `latest` or a step.
      split: `train`, `validation` or `test`.
      questions: A folder of records to ask instead of the config's source.
      progress: Shows how far it is.

    Returns:
      The summary, the checkpoint's step, and the file of predictions.

    Raises:
      InputError: if workdir, checkpoint or questions are missing or damaged.
    """
    config = configs.from_workdir(workdir)
    config.evaluation.max_questions = None  # a limit for the loop's sake
    task = configured_task(config)
    asked, lines = _asked(task, config, split, questions)
    if progress:
        progress.console.print(*lines, sep="\n", soft_wrap=True)
    student, step = load_student(workdir, checkpoint, default_mesh(config))
    order = make_order(config.data.order, config.data.connective)
    folder = Path(workdir) / "eval"
    summary = evaluate(
        student,
        task,
        asked,
        order,
        config,
        split=split,
        step=step,
        folder=folder,
        records=questions,
        progress=progress,
    )
    return summary, step, folder / f"{file_name(split, step, questions)}.jsonl"


def _asked(
    task: Task, config: ConfigDict, split: str, folder: Path | None
) -> tuple[list[Question], list[str]]:
    """The questions of a split or a folder, and lines on how they overlap with the run's own."""
    if not folder:
        splits = load_splits(task, config)
        if split not in splits:
            raise InputError(f"config.task.source={config.task.source!r} has no split {split!r}")
        return splits[split], split_lines(splits)
    asked = load_questions(task, f"records:{folder}", split)
    try:
        splits = load_splits(task, config)
    except InputError as error:  # where the run was trained, its questions were there
        return asked, [f"overlap unknown: {error}"]
    return asked, split_lines(splits | {split: asked})


def file_name(split: str, step: int, records: Path | None = None, subset: int | None = None) -> str:
    """What an evaluation's files are called, so that none takes the place of another.

    `<split>-<step>` for a split as a whole, with `-subset<count>` for some of its questions, and
    `<split>-<folder>-<step>` for other records.
    """
    middle = f"-{records.resolve().name}" if records else ""
    end = f"-subset{subset}" if subset is not None else ""
    return f"{split}{middle}-{step}{end}"


def fixed_subset(questions: Sequence[Question], count: int | None) -> Sequence[Question]:
    """`count` of the questions, the same in every run, in their order; all of them for None."""
    if count is None or count >= len(questions):
        return questions
    ranked = sorted(range(len(questions)), key=lambda row: stable_hash(questions[row].id))
    return [questions[row] for row in sorted(ranked[:count])]


def write(
    folder: Path, name: str, predictions: Sequence[Prediction], content: dict[str, Any]
) -> None:
    """Writes `<name>.jsonl` and then `<name>.json`, the summary; each atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(dump_json(to_json(prediction)) + "\n" for prediction in predictions)
    replace_file(folder / f"{name}.jsonl", lines)
    replace_file(folder / f"{name}.json", dump_json(content, indent=1) + "\n")
