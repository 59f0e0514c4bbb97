"""Output of the batch interface of OpenAI, vLLM and others: a JSON line a request.

The format: https://platform.openai.com/docs/api-reference/batch/request-output
"""

import collections
import dataclasses
import math
import sys
from typing import Any, TypeVar

from cotjax.errors import InputError
from cotjax.json_files import build, dump_json
from cotjax.records import Manifest, Rationale
from cotjax.tasks import Question, Task
from cotjax.teacher.answers import NO_PHRASE, Verdict, judge
from cotjax.teacher.importers.joining import record_of
from cotjax.teacher.importers.report import Report
from cotjax.teacher.importers.request import Imported, Request

NO_QUESTION = "no question has this id"
NO_TEXT = "no text"
FAILED = "requests that failed"
WHOLE = "kept whole, without an answer phrase"
SHOWN_CHARACTERS = 200  # of a server's complaint

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of the file: the answer to one request."""

    custom_id: str
    response: dict[str, Any] | None = None
    error: Any = None


@dataclasses.dataclass(frozen=True)
class Body:
    """What a server answers; a chat's choices have a `message`, others a `text`."""

    choices: tuple[Any, ...]
    model: str | None = None
    usage: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of the N completions of a request."""

    message: dict[str, Any] | None = None
    text: str | None = None
    logprobs: dict[str, Any] | None = None
    finish_reason: str | None = None

    def __post_init__(self):
        if not isinstance(self.said, str):
            raise InputError("message.content must be text")
        each = self._each or []
        if not (isinstance(each, list) and all(map(_is_logprob, each))):
            raise InputError("logprobs must hold numbers")

    @property
    def said(self) -> str:
        """The completion; empty where there is none, as of a refusal."""
        return (self.message or {}).get("content") or self.text or ""

    @property
    def token_logprobs(self) -> list[float] | None:
        """Log-probabilities of its tokens, None where they aren't all there."""
        each = self._each
        return each if each and None not in each and math.isfinite(sum(each)) else None

    @property
    def _each(self) -> list[Any] | None:
        logprobs = self.logprobs or {}
        tokens = logprobs.get("content")  # a chat's
        if tokens and isinstance(tokens, list):
            return [token.get("logprob") if isinstance(token, dict) else token for token in tokens]
        return logprobs.get("token_logprobs")


def import_openai_batch(request: Request) -> Imported:
    """Reads the completions of a batch and joins them with the questions of `--questions`.

    `custom_id` is a question's id; several lines may have the same, as batches that were sent one
    after the other do. Every question becomes a record, with or without rationales.
    """
    join, teachers = _Join(request), collections.Counter()
    for where, value in request.bad_rows.lines(request.source):
        with request.bad_rows.taking(where, value):
            line = _take(Line, value, where)
            response = line.response or {}
            if line.error or response.get("status_code", 200) != 200:
                join.fail(line, where)
                continue
            body = _take(Body, response.get("body"), f"{where}: response.body")
            places = [f"{where}: choice {number}" for number in range(len(body.choices))]
            choices = [_take(Choice, *one) for one in zip(body.choices, places, strict=True)]
            teachers[body.model] += 1
            for choice, place in zip(choices, places, strict=True):
                join.read(line.custom_id, choice, body, place)
    if not join.tally.rows:
        failed = join.tally.noted[FAILED]
        raise InputError(f"{request.source}: has no completions ({failed:,} {FAILED})")
    teacher = request.teacher or "+".join(sorted(filter(None, teachers))) or request.named_teacher()
    manifest = Manifest(request.task, request.split, teacher)
    return Imported(manifest, join.records(), join.report)


class _Join:
    """Questions by id, and what was said to them."""

    def __init__(self, request: Request):
        self.report = Report()
        self.tally = self.report.tally(request.source.name)
        self._task: Task = request.judge()
        self._questions = {question.id: question for question in request.load_questions()}
        self._said: dict[str, list[Rationale]] = {id_: [] for id_ in self._questions}

    def fail(self, line: Line, where: str) -> None:
        """Notes a request that came to nothing."""
        self.tally.noted[FAILED] += 1
        problem = line.error or (line.response or {}).get("body")
        self.report.remarks.append(
            f"{where}: request {line.custom_id!r} failed: {dump_json(problem)[:SHOWN_CHARACTERS]}"
        )

    def read(self, id_: str, choice: Choice, body: Body, where: str) -> None:
        """Judges a completion and adds its rationale, or remarks on why there is none."""
        question = self._questions.get(id_)
        if question is None or not choice.said.strip():
            problem = NO_TEXT if question else NO_QUESTION
            self.tally.drop(problem)
        else:
            problem = self._keep(question, choice, body)
        if problem:
            self.report.remarks.append(f"{where}: {problem}")

    def records(self) -> list:
        """Returns a record for every question."""
        silent = sum(not rationales for rationales in self._said.values())
        self.tally.noted["questions without a rationale"] += silent
        return [record_of(question, self._said[id_]) for id_, question in self._questions.items()]

    def _keep(self, question: Question, choice: Choice, body: Body) -> str | None:
        verdict = judge(choice.said, question, self._task)
        # A prompt that gives the label away asks for the rationale alone; but what was cut off may
        # have been going to end with an answer.
        if verdict.problem == NO_PHRASE and choice.finish_reason == "stop":
            verdict = Verdict(choice.said.strip(), answer=None, correct=False)
            self.tally.noted[WHOLE] += 1
        if self.tally.add(verdict):
            said = self._said[question.id]
            said.append(verdict.to_rationale(len(said), **_details(choice, body)))
        return verdict.problem


def _is_logprob(value: Any) -> bool:
    """Whether this is a number that a double can hold, or null."""
    is_number = type(value) in (int, float) and abs(value) <= sys.float_info.max
    return value is None or is_number


def _details(choice: Choice, body: Body) -> dict[str, Any]:
    each, tokens = choice.token_logprobs, None
    if each:
        tokens = len(each)
    elif len(body.choices) == 1:  # the server counts those of all choices together
        counted = (body.usage or {}).get("completion_tokens")
        tokens = counted if type(counted) is int else None
    return {
        "logprob": sum(each) if each else None,
        "mean_logprob": sum(each) / len(each) if each else None,
        "num_tokens": tokens,
        "finish_reason": choice.finish_reason,
    }


def _take(cls: type[T], value: Any, where: str) -> T:
    """Makes a dataclass of an object that may have fields which don't concern it."""
    names = {field.name for field in dataclasses.fields(cls)}
    known = {key: value[key] for key in value if key in names} if isinstance(value, dict) else value
    return build(cls, known, where)
