"""Shows a task: what it asks, what a student reads and writes, and how the parser judges."""

import collections
import dataclasses
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cotjax.errors import InputError
from cotjax.records import Rationale, Record
from cotjax.tasks.base import Procedural, Question, Task, get_task, label_formats, task_names
from cotjax.tasks.sources import FORMS, load_records, to_question
from cotjax.tasks.splits import split_lines

OUTCOMES = ("right", "wrong", "unparsed")
STYLES = {"right": "green", "wrong": "red", "unparsed": "yellow"}
PHRASE = "So the answer is"  # between a rationale, which is cut there, and the answer


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the parser makes of a rationale and its recorded answer, put together again.

    Attributes:
      answer: As parsed now.
      outcome: `right`, `wrong` or `unparsed`.
      agrees: Whether the record says the same.
    """

    answer: str | None
    outcome: str
    agrees: bool


def list_tasks() -> str:
    """Returns a line for each task: its label formats, the default one first."""
    return "".join(f"\n    {name:<18} {', '.join(label_formats(name))}" for name in task_names())


def show(
    name: str,
    label_format: str | None,
    source: str | None,
    split: str,
    num: int,
    console: Console | None = None,
) -> None:
    """Prints the first `num` questions of a split, and what all of its answers come to.

    Args:
      name: The task's.
      label_format: One of the task's; None for its first.
      source: Where questions come from; None for what a procedural task makes itself.
      split: Such as `train`.
      num: How many questions are shown.
      console: Where to print.

    Raises:
      InputError: for a task, label format, source or split that does not exist.
    """
    console = console or Console(highlight=False)
    task = get_task(name, label_format or label_formats(name)[0])
    loaded = load_records(task, source or _own_source(task), split)
    records = [record for record in loaded if record.label is not None]
    questions = [to_question(record, split) for record in records]
    for record, question in zip(records[:num], questions, strict=False):
        _print_question(console, task, record, question)
    console.print(_totals(task, records, questions, f"{name}, {split}"))
    console.print(*split_lines({split: questions}), sep="\n")
    if len(records) < len(loaded):
        console.print(f"left out: {len(loaded) - len(records):,} questions without a label")


def judge(task: Task, rationale: Rationale, question: Question) -> Verdict:
    """Judges a recorded rationale anew, by what the teacher said up to its answer."""
    if rationale.answer is None:
        return Verdict(None, "unparsed", not rationale.correct)
    answer = task.parse(f"{rationale.text} {PHRASE} {rationale.answer}.", question)
    outcome = _outcome(task, answer, question)
    return Verdict(answer, outcome, rationale.correct is (outcome == "right"))


def _own_source(task: Task) -> str:
    if isinstance(task, Procedural):
        return "procedural"
    raise InputError(
        f"task {task.name} makes no questions of its own: give --records=DIR or a --source of"
        f" {', '.join(FORMS[1:])}"
    )


def _outcome(task: Task, answer: str | None, question: Question) -> str:
    if answer is None:
        return "unparsed"
    return "right" if task.is_right(answer, question) else "wrong"


def _print_question(console: Console, task: Task, record: Record, question: Question) -> None:
    label = task.format_label(question, question.label)
    console.rule(f"question {question.id}")
    _print_field(console, "question", question.text)
    _print_field(console, "input", task.format_input(question))
    _print_field(console, "label", label, "bold green")
    for rationale in record.rationales:
        verdict = judge(task, rationale, question)
        _print_field(console, f"rationale {rationale.sample}", rationale.text, "cyan")
        _print_field(console, "answer", str(rationale.answer))
        agrees = "as recorded" if verdict.agrees else f"recorded as correct={rationale.correct}"
        words = f"{verdict.outcome} ({agrees})"
        _print_field(console, "verdict", words, STYLES[verdict.outcome])


def _print_field(console: Console, name: str, text: str, style: str = "") -> None:
    console.print(Text(f"{name:<13}").append(text, style=style))


def _totals(
    task: Task, records: Sequence[Record], questions: Sequence[Question], title: str
) -> Table:
    """Counts over all records, so that what the first ones hide is seen."""
    verdicts = [
        judge(task, rationale, question)
        for record, question in zip(records, questions, strict=True)
        for rationale in record.rationales
    ]
    outcomes = collections.Counter(verdict.outcome for verdict in verdicts)
    labels = (task.parse(task.format_label(q, q.label), q) for q in questions)
    read_back = sum(task.is_right(*pair) for pair in zip(labels, questions, strict=True))
    rows = [
        ("questions", len(questions)),
        ("  whose label the parser reads as itself", read_back),
        ("rationales", len(verdicts)),
        *((f"  {outcome}", outcomes[outcome]) for outcome in OUTCOMES),
        ("  judged otherwise than recorded", sum(not verdict.agrees for verdict in verdicts)),
    ]
    table = Table("", "count", title=title, title_justify="left")
    table.columns[1].justify = "right"
    for name, count in rows:
        table.add_row(name, f"{count:,}")
    return table
