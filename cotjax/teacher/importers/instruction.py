"""Instruction and output lists: GPT-4o's rationales of several lengths and formats.

Chen et al. 2025, "Unveiling the Key Factors for Distilling Chain-of-Thought Reasoning":
https://github.com/EIT-NLP/Distilling-CoT-Reasoning
"""

import dataclasses
import re
import string
from pathlib import Path

from cotjax.errors import InputError
from cotjax.json_files import build
from cotjax.records import Manifest
from cotjax.tasks import Question, Task
from cotjax.tasks.multiple_choice import MultipleChoice
from cotjax.tasks.rows import FIXED_CHOICES
from cotjax.teacher.answers import judge
from cotjax.teacher.importers.joining import (
    QuestionTable,
    make_question,
    read_rows,
    split_choices,
)
from cotjax.teacher.importers.report import Report
from cotjax.teacher.importers.request import Imported, Request

LABELS, TEST = "answers.json", "test.json"  # gold labels without rationales
SPLITS = ("train", "test")
PLAIN = "plain"
_NAME = re.compile(
    r"(?P<teacher>\w+?)_(?:level(?P<level>\d+)(?:_(?P<format>\w+))?|(?P<hidden>without_gold))\.json"
)
_RELEASE_LETTER = re.compile(r"[Tt]he answer is ([A-E])")
_NO_CHOICES = "choices that can't be told apart"


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of rationales, or of labels."""

    instruction: str
    output: str


@dataclasses.dataclass(frozen=True)
class TestRow:
    """A row of test questions."""

    instruction: str
    label: str


@dataclasses.dataclass(frozen=True)
class RationaleFile:
    """A file of rationales, and what its name says of them.

    Attributes:
      teacher: Who wrote them; None if the name doesn't tell.
      level: Granularity, from 1 (terse) to 6 (every step).
      format: How they are written: plain, subquestion, rephrase, symbolic.
      gold: Whether the teacher was `shown` the answer, or it was `hidden`.
    """

    path: Path
    teacher: str | None = None
    level: int | None = None
    format: str | None = None
    gold: str | None = None

    @property
    def tags(self) -> dict[str, str | int | float]:
        """What the rationales are tagged with."""
        names = ("teacher", "level", "format", "gold")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def import_instruction(request: Request) -> Imported:
    """Reads a folder of lists, all joined by question, or one list.

    The gold labels are `answers.json`'s for training and `test.json`'s for split `test`, or those
    of `--questions`. The files hold the same questions, but neither all nor in one order.
    """
    if request.questions is None and request.split not in SPLITS:
        raise InputError(
            f"--split={request.split}: the release has {' and '.join(SPLITS)}; the questions of"
            " any other need --questions"
        )
    labels, files = _find_files(request)
    report, task, table = Report(), request.judge(), QuestionTable()
    if request.questions is not None:
        tally = report.tally("questions")
        for question in request.load_questions():
            tally.labels += 1
            table.add(question, tally)
    elif labels is None:
        raise InputError(
            f"{request.source}: has no gold labels ({LABELS}); name them with --questions"
        )
    else:
        _read_labels(labels, request, task, table, report)
    for file in files:
        _read_rationales(file, request, task, table, report)
    teacher = "+".join(sorted({file.teacher for file in files if file.teacher})) or "none"
    return Imported(Manifest(request.task, request.split, teacher), table.records(), report)


def describe_name(path: Path, teacher: str | None = None) -> RationaleFile:
    """Reads `TEACHER_levelN[_FORMAT].json` or `TEACHER_without_gold.json`.

    Args:
      path: Any file.
      teacher: Who wrote the rationales, if the name doesn't say.
    """
    match = _NAME.fullmatch(path.name)
    if not match:
        return RationaleFile(path, teacher)
    return RationaleFile(
        path,
        teacher=match["teacher"],
        level=int(match["level"]) if match["level"] else None,
        format=match["format"] or PLAIN,
        gold="hidden" if match["hidden"] else "shown",
    )


def _find_files(request: Request) -> tuple[Path | None, list[RationaleFile]]:
    """Returns the file of gold labels, where there is one, and the files of rationales."""
    source, name = request.source, TEST if request.split == "test" else LABELS
    if not source.is_dir():
        if source.name == name:
            return source, []
        labels = source.with_name(name)
        file = describe_name(source, request.teacher)
        if file.teacher is None:
            request.named_teacher()
        return labels if labels.is_file() else None, [file]
    labels = source / name
    if request.split == "test":
        return labels, []
    paths = sorted(path for path in source.glob("*.json") if path.name not in (LABELS, TEST))
    for path in paths:
        if not _NAME.fullmatch(path.name):
            raise InputError(
                f"{path}: is called neither TEACHER_levelN[_FORMAT].json nor"
                " TEACHER_without_gold.json; move it, or import it alone with --teacher"
            )
    if not paths:
        raise InputError(f"{source}: has no file of rationales (TEACHER_levelN[_FORMAT].json)")
    files = [describe_name(path, request.teacher) for path in paths]
    return labels if labels.is_file() else None, files


def _read_labels(
    path: Path, request: Request, task: Task, table: QuestionTable, report: Report
) -> None:
    tally = report.tally(path.name)
    for where, value in read_rows(path):
        with request.bad_rows.taking(where, value):
            has_label = isinstance(value, dict) and "label" in value
            row = build(TestRow if has_label else Row, value, where)
            parts = _split(row.instruction, task, where)
            if parts is None:
                tally.noted[_NO_CHOICES] += 1
                report.remarks.append(f"{where}: {_NO_CHOICES}")
            else:
                label = row.label if has_label else row.output
                table.add(_make_question(task, *parts, label, request.split, where), tally)
            tally.labels += 1


def _make_question(
    task: Task, text: str, choices: tuple[str, ...], label: str, split: str, where: str
) -> Question:
    try:
        return make_question(task.name, text, choices, label, split)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _read_rationales(
    file: RationaleFile, request: Request, task: Task, table: QuestionTable, report: Report
) -> None:
    tally = report.tally(file.path.name, file.tags)
    seen = set()
    for where, value in read_rows(file.path):
        with request.bad_rows.taking(where, value):
            row = build(Row, value, where)
            parts = _split(row.instruction, task, where)
            question = table.find(*parts) if parts else None
            if question is None:
                reason = "no such question among the labels" if parts else _NO_CHOICES
                tally.drop(reason)
                report.remarks.append(f"{where}: {reason}")
                continue
            if question.id in seen:
                tally.noted["questions that occur again"] += 1
            seen.add(question.id)
            verdict = judge(row.output, question, task)
            if tally.add(verdict, _is_right_by_letter(row.output, question)):
                table.join(question, verdict, tags=file.tags or None)


def _is_right_by_letter(output: str, question: Question) -> bool | None:
    """The release's own rule for choices; None where it has none."""
    if not question.choices:
        return None
    found = _RELEASE_LETTER.search(output)
    index = string.ascii_uppercase.index(found[1]) if found else len(question.choices)
    return question.label in question.choices[index : index + 1]


def _split(instruction: str, task: Task, where: str) -> tuple[str, tuple[str, ...]] | None:
    """Returns question and choices, None if they can't be told apart."""
    parts = split_choices(instruction.strip().removeprefix("Q:"))
    if parts and not parts[0]:
        raise InputError(f"{where}: instruction is empty")
    if parts and not parts[1]:
        needs_choices = isinstance(task, MultipleChoice) and task.shows_letters
        return None if needs_choices else (parts[0], FIXED_CHOICES.get(task.name, ()))
    return parts
