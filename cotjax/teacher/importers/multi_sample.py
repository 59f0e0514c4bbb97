"""Several samples a question, a row each: GPT-3.5's rationales in the release of Mentor-KD.

Lee et al. 2024, "Mentor-KD: Making Small Language Models Better Multi-step Reasoners":
https://github.com/2hojae/mentor-kd

Training rows lack the teacher's final answer: the release says that it was right. A few chains come
to something else all the same (in one the release took the C of `(A) Catch-22` for choice C), so
each rationale is tagged with what its own conclusion is: `conclusion=right` or `wrong`.
"""

import dataclasses
import re
from pathlib import Path

from cotjax.errors import InputError
from cotjax.json_files import build
from cotjax.records import Manifest
from cotjax.tasks import Question, Task
from cotjax.teacher.answers import (
    MOST_CHARACTERS,
    PHRASES,
    Verdict,
    judge_parts,
    split_completion,
)
from cotjax.teacher.importers.joining import (
    QuestionTable,
    make_question,
    read_rows,
    split_choices,
)
from cotjax.teacher.importers.report import Report, Tally
from cotjax.teacher.importers.request import Imported, Request

TEACHER = "GPT-3.5"
NAMES = {  # of the release's files
    "last_letter": "last_letter_concatenation",
    "shuffled_objects": "tracking_shuffled_objects",
}
CHAIN_PHRASES = (*PHRASES, "The final answer would be", "The correct choice is")
_QUESTION_OF_CHOICES = re.compile(r"\s*Which choice is true\?\s*$")


@dataclasses.dataclass(frozen=True)
class Row:
    """A sample.

    Attributes:
      input: The question, with its choices if it has any.
      answer: The gold label: a choice's letter, or a text.
      chain: The teacher's reasoning, which often ends in an answer.
      completion: What the teacher said when asked for the answer after it.
      initial_correct: Whether the release found the answer right.
    """

    input: str
    answer: str
    chain: str | None = None
    completion: str | None = None
    initial_correct: bool | None = None


def import_multi_sample(request: Request) -> Imported:
    """Reads a list of samples, or the file of a split in the release's folder."""
    request.refuse_questions()
    path = _find_file(request)
    report, task, table = Report(), request.judge(), QuestionTable()
    tally = report.tally(path.name)
    for where, value in read_rows(path):
        with request.bad_rows.taking(where, value):
            row = build(Row, value, where)
            _take_row(row, request, task, table, tally, where)
    manifest = Manifest(request.task, request.split, request.teacher or TEACHER)
    return Imported(manifest, table.records(), report)


def _take_row(
    row: Row, request: Request, task: Task, table: QuestionTable, tally: Tally, where: str
) -> None:
    question = _to_question(row, request.task, request.split, where)
    known = table.find(question.text, question.choices)
    if known is None:
        table.add(question, tally)
    elif known.label != question.label:
        raise InputError(f"{where}: answer {row.answer!r}, but {known.label!r} in a row before")
    if row.chain is None:
        tally.noted["questions without a rationale"] += 1
        return
    verdict, tags = _judge(row, question, task), None
    if row.completion is None and row.initial_correct:
        tags = {"conclusion": "right" if verdict.correct else "wrong"}
        if not verdict.correct:
            tally.noted["chains that come to another answer"] += 1
        verdict = dataclasses.replace(verdict, answer=question.label, correct=True)
    if tally.add(verdict, row.initial_correct):
        table.join(question, verdict, tags=tags)


def _find_file(request: Request) -> Path:
    if not request.source.is_dir():
        return request.source
    if request.task not in NAMES:
        raise InputError(
            f"--task={request.task}: --input must be the file; the names of {', '.join(NAMES)}"
            " alone are known"
        )
    return request.source / f"{NAMES[request.task]}_{request.split}.json"


def _to_question(row: Row, task: str, split: str, where: str) -> Question:
    parts = split_choices(row.input)
    if parts is None or not parts[0]:
        raise InputError(f"{where}: input {row.input!r} can't be split into question and choices")
    text, choices = parts
    if choices:
        text = _QUESTION_OF_CHOICES.sub("", text)
        choices = (*choices[:-1], choices[-1].removesuffix("."))
    try:
        return make_question(task, text, choices, row.answer, split)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _judge(row: Row, question: Question, task: Task) -> Verdict:
    """Judges the completion, or else the conclusion of the chain.

    Many chains conclude in words of their own: those stay whole, and the parser looks everywhere.
    """
    rationale, conclusion = split_completion(row.chain, CHAIN_PHRASES) or (row.chain, None)
    answer = row.completion if row.completion is not None else conclusion
    text = row.chain[-MOST_CHARACTERS:] if answer is None else f"--> {answer[:MOST_CHARACTERS]}"
    return judge_parts(rationale, text, question, task)
