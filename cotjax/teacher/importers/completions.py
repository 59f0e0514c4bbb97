"""Completions of one's own: JSON lines that name a question and hold what a teacher said to it."""

import collections
import dataclasses
from typing import Any

from cotjax.errors import InputError
from cotjax.json_files import build
from cotjax.records import Manifest, Rationale, Record
from cotjax.tasks import Question, Task
from cotjax.tasks.base import normalise
from cotjax.teacher.answers import judge
from cotjax.teacher.importers.joining import record_of
from cotjax.teacher.importers.report import Report
from cotjax.teacher.importers.request import Imported, Request

REPEATED = "repeats an earlier line"
UNPARSED = "no answer that can be parsed"


@dataclasses.dataclass(frozen=True)
class Completion:
    """What a teacher said; the other fields are those of a `Rationale`."""

    text: str
    logprob: float | None = None
    finish_reason: str | None = None
    num_tokens: int | None = None

    @property
    def details(self) -> dict[str, Any]:
        """All but the text."""
        names = ("logprob", "finish_reason", "num_tokens")
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class Line:
    """A line: `id` or `question`, and `completion` or `completions`."""

    id: str | None = None
    question: str | None = None
    completion: Any = None
    completions: tuple[Any, ...] | None = None

    def __post_init__(self):
        if (self.id is None) == (self.question is None):
            raise InputError("must have either 'id' or 'question'")
        if (self.completion is None) == (self.completions is None):
            raise InputError("must have either 'completion' or 'completions'")

    def said(self, where: str) -> list[Completion]:
        """Returns the completions; each is text, or an object with `text`."""
        values = [self.completion] if self.completions is None else self.completions
        return [
            Completion(value) if isinstance(value, str) else build(Completion, value, where)
            for value in values
        ]


def import_completions(request: Request) -> Imported:
    """Reads a file of lines and joins them with the questions of `--questions`.

    Every question becomes a record, with or without rationales. Several lines may name the same
    question; a completion that an earlier line gave already is dropped.
    """
    teacher, report = request.named_teacher(), Report()
    join = _Join(request.load_questions(), request.judge(), report, request.source.name)
    for where, value in request.bad_rows.lines(request.source):
        with request.bad_rows.taking(where, value):
            line = build(Line, value, where)
            join.read(line, line.said(where), where)
    if not join.tally.rows:
        raise InputError(f"{request.source}: has no completions")
    return Imported(Manifest(request.task, request.split, teacher), join.records(), report)


class _Join:
    """Questions, by id and by text, and the rationales of the lines that name them."""

    def __init__(self, questions: list[Question], task: Task, report: Report, name: str):
        self.tally = report.tally(name)
        self._remarks, self._task, self._questions = report.remarks, task, questions
        self._by_id = {question.id: question for question in questions}
        self._by_text = collections.defaultdict(list)
        for question in questions:
            self._by_text[normalise(question.text)].append(question)
        self._rationales: dict[str, list[Rationale]] = {question.id: [] for question in questions}
        self._earlier: dict[str, set[str]] = collections.defaultdict(set)

    def read(self, line: Line, completions: list[Completion], where: str) -> None:
        """Judges the completions of a line, and remarks on those that come to nothing."""
        question, problem = self._find(line)
        for completion in completions:
            if question is None:
                self.tally.drop(problem)
            else:
                problem = self._keep(question, completion)
            if problem:
                self._remarks.append(f"{where}: {problem}")
        if question is not None:
            self._earlier[question.id].update(completion.text for completion in completions)

    def records(self) -> list[Record]:
        """Returns a record for every question."""
        silent = sum(not rationales for rationales in self._rationales.values())
        self.tally.noted["questions without a rationale"] += silent
        return [record_of(question, self._rationales[question.id]) for question in self._questions]

    def _find(self, line: Line) -> tuple[Question | None, str]:
        """Returns the question that a line names, and why there is none where there is none."""
        if line.id is not None:
            return self._by_id.get(line.id), "no question has this id"
        found = self._by_text[normalise(line.question)]
        if len(found) > 1:
            return None, "several questions have this text; name one by its id"
        return found[0] if found else None, "no question has this text"

    def _keep(self, question: Question, completion: Completion) -> str | None:
        """Adds a rationale to its question; returns what is wrong with it, if anything is."""
        if completion.text in self._earlier[question.id]:
            self.tally.drop(REPEATED)
            return REPEATED
        verdict = judge(completion.text, question, self._task)
        if self.tally.add(verdict):
            said = self._rationales[question.id]
            said.append(verdict.to_rationale(len(said), **completion.details))
        return verdict.problem or (UNPARSED if verdict.answer is None else None)
