"""What a sampling job asks: a task's questions, or a file of any questions."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

from ml_collections.config_dict import ConfigDict

from cotjax.config_checks import pairs
from cotjax.errors import InputError
from cotjax.json_files import build, dump_json, read_json_lines
from cotjax.records import Rationale, Record
from cotjax.tasks import Question, Task, get_task
from cotjax.tasks.base import label_formats
from cotjax.tasks.sources import load_records
from cotjax.teacher.answers import NO_PHRASE, Verdict, judge_parts
from cotjax.teacher.journal import Entry
from cotjax.teacher.prompt_tokens import Prompt

NO_TASK = "questions"  # what a manifest calls a file of questions

Tags = dict[str, str | int | float]


@dataclasses.dataclass(frozen=True)
class Judged:
    """What a sample comes to.

    Attributes:
      rationale: None where the teacher gave none, be it that it answered without.
      answer: The teacher's; None if it has none that can be read.
      correct: Whether that is right; None where nobody can know.
    """

    rationale: Rationale | None
    answer: str | None
    correct: bool | None


@dataclasses.dataclass(frozen=True)
class Questions:
    """The questions of a job.

    Attributes:
      records: In the order of their source, without rationales.
      task: Reads and judges answers; None for questions of no task.
      split: Of the task.
    """

    records: tuple[Record, ...]
    task: Task | None
    split: str

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of all that is asked, whatever file it came from."""
        digest = hashlib.sha256()
        for record in self.records:
            parts = [record.id, record.question, list(record.choices), record.label]
            digest.update(f"{dump_json(parts)}\n".encode())
        return digest.hexdigest()

    def judge(
        self, record: Record, prompt: Prompt, entry: Entry, tags: Tags | None = None
    ) -> Judged:
        """Judges a sample; `tags` are its rationale's.

        A sample without an answer is kept as it is, and its answer is null. Nobody can read the
        answers to questions of no task: a sample is kept as it is, and what a second prompt brought
        is the answer as it stands.
        """
        details = {
            "logprob": entry.logprob,
            "mean_logprob": entry.logprob / entry.num_tokens,
            "num_tokens": entry.num_tokens,
            "finish_reason": entry.finish_reason,
            "tags": tags,
        }
        text, answer, correct = entry.text.strip(), (entry.conclusion or "").strip() or None, None
        if self.task is not None:
            verdict = self._verdict(record, prompt, entry)
            text = entry.text.strip() if verdict.problem == NO_PHRASE else verdict.text
            answer = verdict.answer
            correct = verdict.correct if record.label is not None else None
        rationale = Rationale(entry.sample, text, answer, correct, **details) if text else None
        return Judged(rationale, answer, correct)

    def _verdict(self, record: Record, prompt: Prompt, entry: Entry) -> Verdict:
        # Without a gold label any will do: the verdict on it is not used.
        label = record.label if record.label is not None else (*record.choices, "")[0]
        question = Question(record.id, record.question, record.choices, label, self.split)
        if entry.conclusion is not None:
            return judge_parts(entry.text, f"--> {entry.conclusion}", question, self.task)
        return prompt.judge(entry.text, question, self.task)


def load_task_questions(config: ConfigDict) -> Questions:
    """Loads the questions of the task that a config names."""
    names = config.task
    options = pairs(names.options, "task.options")
    formats = label_formats(names.name)
    task = get_task(names.name, formats[0], **options)
    records = load_records(task, names.source, names.split)[: names.max_questions]
    return Questions(_bare(records), task, names.split)


@dataclasses.dataclass(frozen=True)
class _Line:
    id: str
    question: str
    choices: tuple[str, ...] = ()
    label: str | None = None

    def __post_init__(self):
        if not self.question.strip():
            raise InputError("question is empty")


def read_questions(file: Path, most: int | None = None) -> Questions:
    """Reads a file of questions: JSON lines of `id`, `question`, and `choices`, `label` if any.

    Raises:
      InputError: naming the line and the field that is wrong.
    """
    records, places = [], {}
    for where, value in read_json_lines(file):
        line = build(_Line, value, where)
        if line.id in places:
            raise InputError(f"{where}: id {line.id!r} is already at {places[line.id]}")
        places[line.id] = where
        try:
            records.append(Record(line.id, line.question, line.choices, line.label, ()))
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
    if not records:
        raise InputError(f"--questions={file}: has no questions")
    return Questions(tuple(records[:most]), None, file.name)


def _bare(records: Sequence[Record]) -> tuple[Record, ...]:
    return tuple(dataclasses.replace(record, rationales=()) for record in records)
