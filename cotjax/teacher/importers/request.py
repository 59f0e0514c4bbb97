"""What an importer is asked for, and what it gives back."""

import dataclasses
from pathlib import Path

from cotjax.errors import InputError
from cotjax.records import MANIFEST, Manifest, Record
from cotjax.tasks import Question, Task
from cotjax.tasks.sources import load_questions
from cotjax.teacher.answers import judge_task
from cotjax.teacher.importers.bad_rows import BadRows
from cotjax.teacher.importers.report import Report


@dataclasses.dataclass(frozen=True)
class Request:
    """What to import.

    Attributes:
      task: The task whose parser judges the teacher.
      split: The split to read.
      source: The release's folder or file.
      questions: Where the questions are that the release lacks: `hub`, `file:PATH`,
        `records:DIR`, as in a config, or a path.
      teacher: Who wrote the rationales, where the files don't tell.
      bad_rows: Takes what can't be read.
    """

    task: str
    split: str
    source: Path
    questions: str | None = None
    teacher: str | None = None
    bad_rows: BadRows = dataclasses.field(default_factory=BadRows)

    def judge(self) -> Task:
        """Returns the task."""
        return judge_task(self.task)

    def load_questions(self) -> list[Question]:
        """Returns the questions to join with; raises InputError where none are named."""
        if self.questions is None:
            raise InputError(
                "--questions=SOURCE is required: hub, file:PATH, records:DIR or a path"
            )
        return load_questions(self.judge(), _as_source(self.questions), self.split)

    def named_teacher(self) -> str:
        """Returns the teacher; raises InputError where none is named."""
        if not self.teacher:
            raise InputError("--teacher=NAME is required: the files don't tell who wrote them")
        return self.teacher

    def refuse_questions(self) -> None:
        """Raises InputError if questions are named although the release has its own."""
        if self.questions is not None:
            raise InputError(f"--questions={self.questions}: this form has questions of its own")


@dataclasses.dataclass(frozen=True)
class Imported:
    """What an importer made of its files."""

    manifest: Manifest
    records: list[Record]
    report: Report


def _as_source(questions: str) -> str:
    """Returns a path as the source that it is, anything else as it is."""
    path = Path(questions)
    if not path.exists():
        return questions
    holds_records = [*path.glob(MANIFEST), *path.glob(f"*/{MANIFEST}")]  # a folder, or one a split
    return f"records:{path}" if holds_records else f"file:{path}"
