"""Evaluation: in the training loop, and from a checkpoint; the same code."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections.config_dict import ConfigDict
from rich.progress import Progress

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.evaluation.asking import Given
from cotjax.evaluation.generation import configured_search
from cotjax.evaluation.given import given_rationales
from cotjax.evaluation.metrics import summarise
from cotjax.evaluation.predict import Prediction, predict
from cotjax.evaluation.student import Student, default_mesh, load_student
from cotjax.evaluation.voting import Sampling, predict_by_vote
from cotjax.json_files import dump_json, replace_file, to_json
from cotjax.targets.orders import Order, make_order
from cotjax.tasks import configured_task
from cotjax.tasks.base import Question, Task
from cotjax.tasks.sources import load_questions, load_splits
from cotjax.tasks.splits import fixed_subset, split_lines


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
    given: Given | None = None,
    sampling: Sampling | None = None,
    progress: Progress | None = None,
    between: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Asks every question, or a fixed subset, and writes predictions and summary.

    Args:
      student: Who is asked; its parameters stay where they are.
      task, questions, order: What is asked, and in which order the student answers.
      config: Of the run; its `evaluation` section and lengths are used.
      split, step: What the files are called by (see `file_name`).
      folder: Takes two files, `.json` and `.jsonl`; None writes nothing.
      records: Where the questions come from, if not from the config's source.
      given: Rationales that the student is given. An order that reads them has them read here,
        where they are left out.
      sampling: How questions are answered many times; None for once.
      progress: Shows how far it is.
      between: See `predict`; it is not called amid a vote.

    Returns:
      The summary (see `summarise`), and how answers were searched for where that isn't greedily.
    """
    asked = fixed_subset(questions, config.evaluation.max_questions)
    if given is None and order.reads_rationale:
        given = given_rationales(task, config, split, asked, student.tokenizer, records)
    how = {
        "max_tokens": config.evaluation.max_tokens or config.data.target_length,
        "input_length": config.data.input_length,
        "batch_size": config.evaluation.batch_size,
        "given": given,
        "progress": progress,
    }
    search = configured_search(config)
    if sampling is None:
        predictions = predict(student, task, asked, order, search=search, between=between, **how)
    else:
        predictions = predict_by_vote(student, task, asked, order, sampling, **how)
    summary = summarise(predictions)
    if sampling is None and search is not None:
        summary["beam_search"] = dataclasses.asdict(search)
    if folder is not None and jax.process_index() == 0:
        source = f"records:{records}" if records else config.task.source
        about = {"split": split, "step": step, "source": source}
        if given is not None:
            about["given"] = {"words": given.words, "perturbation": "none"}
        if sampling is not None:
            about["sampling"] = dataclasses.asdict(sampling)
        subset = len(asked) if len(asked) < len(questions) else None
        forced = given is not None and not order.reads_rationale
        name = file_name(split, step, records, subset, forced, sampling)
        write(folder, name, predictions, about | summary)
    return summary


def evaluate_checkpoint(
    workdir: Path,
    checkpoint: str,
    split: str,
    questions: Path | None = None,
    progress: Progress | None = None,
    *,
    forced: bool = False,
    sampling: Sampling | None = None,
) -> tuple[dict[str, Any], int, Path]:
    """Evaluates a checkpoint of a run on all questions of a split.

    Args:
      workdir: The run's folder; its `eval` folder takes what is written.
      checkpoint: `best`, `latest` or a step.
      split: `train`, `validation` or `test`.
      questions: A folder of records to ask instead of the config's source.
      progress: Shows how far it is.
      forced: Whether the student is made to say the teacher's rationales.
      sampling: How questions are answered many times; None for once.

    Returns:
      The summary, the checkpoint's step, and the file of predictions.

    Raises:
      InputError: if workdir, checkpoint or questions are missing or damaged; if the teacher's
        rationales are missing, or the student says none before its label.
    """
    config = configs.from_workdir(workdir)
    config.evaluation.max_questions = None  # a limit for the loop's sake
    task = configured_task(config)
    order = make_order(config.data.order, config.data.connective)
    if forced:
        _check_forced(order)
    asked, lines = _asked(task, config, split, questions)
    if progress:
        progress.console.print(*lines, sep="\n", soft_wrap=True)
    student, step = load_student(workdir, checkpoint, default_mesh(config))
    given = None
    if forced:
        given = given_rationales(task, config, split, asked, student.tokenizer, questions)
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
        given=given,
        sampling=sampling,
        progress=progress,
    )
    name = file_name(split, step, questions, forced=forced, sampling=sampling)
    return summary, step, folder / f"{name}.jsonl"


def _check_forced(order: Order) -> None:
    """Refuses orders whose decoder says no rationale before the label."""
    if order.reads_rationale:
        raise InputError(
            f"--rationales=teacher: a student of order {order.name!r} reads the teacher's "
            "rationales anyway; leave the flag out"
        )
    if order.answer.starts_with_label:
        raise InputError(
            f"--rationales=teacher: a student of order {order.name!r} says no rationale before its "
            "label; only one of order 'rationale_first' can be made to say the teacher's"
        )


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


def file_name(
    split: str,
    step: int,
    records: Path | None = None,
    subset: int | None = None,
    forced: bool = False,
    sampling: Sampling | None = None,
) -> str:
    """What an evaluation's files are called, so that none takes the place of another.

    `<split>-<step>` for a split as a whole, with `-subset<count>` for some of its questions, and
    `<split>-<folder>-<step>` for other records. `-forced` marks the teacher's rationales,
    `-samples<count>` a vote, with temperature and seed where they are not the usual ones.
    """
    middle = f"-{records.resolve().name}" if records else ""
    end = f"-subset{subset}" if subset is not None else ""
    end += "-forced" if forced else ""
    end += f"-{sampling.name}" if sampling else ""
    return f"{split}{middle}-{step}{end}"


def write(
    folder: Path, name: str, predictions: Sequence[Prediction], content: dict[str, Any]
) -> None:
    """Writes `<name>.jsonl` and then `<name>.json`, the summary; each atomically."""
    folder.mkdir(exist_ok=True)  # and not the folder that it is in: a workdir may have vanished
    lines = "".join(dump_json(to_json(prediction)) + "\n" for prediction in predictions)
    replace_file(folder / f"{name}.jsonl", lines)
    replace_file(folder / f"{name}.json", dump_json(content, indent=1) + "\n")
