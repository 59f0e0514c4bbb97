"""What every task does: format a question and its label, and judge generated text."""

import abc
import dataclasses
import difflib
from collections.abc import Callable
from typing import Any, ClassVar

from cotjax.errors import InputError
from cotjax.records import Record

LABEL_FORMATS = ("letter", "text", "letter_text")


def one_line(text: str) -> str:
    """Returns `text` with every run of white space as one space: T5 has no newline."""
    return " ".join(text.split())


def normalise(text: str) -> str:
    """Returns the form in which two texts are the same: one line, without case."""
    return one_line(text).casefold()


@dataclasses.dataclass(frozen=True)
class Question:
    """A question with its gold label.

    Attributes:
      id: Unique in its split.
      text: The question itself, without the choices.
      choices: The closed choices' texts; empty for an open question.
      label: The gold label; of closed choices, the gold choice's text.
      split: The split it stands in.
    """

    id: str
    text: str
    choices: tuple[str, ...]
    label: str
    split: str

    def __post_init__(self):
        if not all(choice.strip() for choice in self.choices):
            raise InputError(f"question {self.id!r}: one of its choices is empty")
        if self.choices and self.label not in self.choices:
            raise InputError(
                f"question {self.id!r}: label {self.label!r} is not among its choices"
                f" {list(self.choices)}"
            )


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
    """A kind of question. The same parser judges the teacher's samples and the student's.

    Attributes:
      label_format: How a label is written: `letter` is (B), `text` bank, `letter_text` (B) bank.
    """

    name: ClassVar[str]
    label_formats: ClassVar[tuple[str, ...]] = LABEL_FORMATS

    label_format: str

    def __post_init__(self):
        if self.label_format not in self.label_formats:
            raise InputError(
                f"task {self.name} has no label_format {self.label_format!r};"
                f" use {' or '.join(self.label_formats)}"
            )

    @abc.abstractmethod
    def format_input(self, question: Question) -> str:
        """Returns what the student reads: one line."""

    @abc.abstractmethod
    def format_label(self, question: Question, label: str) -> str:
        """Returns a label (a choice's text, where there are choices) as the student writes it."""

    @abc.abstractmethod
    def parse(self, text: str, question: Question) -> str | None:
        """Returns the answer that `text` gives (of choices, the choice's text), None if none."""

    @abc.abstractmethod
    def choice_labels(self, question: Question) -> list[str]:
        """Returns every choice as a label, in the order of the choices; empty if it is open."""

    def is_right(self, answer: str | None, question: Question) -> bool:
        """Whether a parsed answer is the gold label. A failed parse is wrong."""
        return answer is not None and normalise(answer) == normalise(question.label)

    def normalised_question(self, question: Question) -> str:
        """Returns the text by which two questions are the same, whatever their choices."""
        return normalise(question.text)


class Procedural(abc.ABC):
    """A task that makes its own questions and knows why the answer is right."""

    splits: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def oracle_records(self, split: str) -> list[Record]:
        """Returns the questions of `split`, each with the true rationale as its only sample."""


_REGISTRY: dict[str, type[Task]] = {}


def register(name: str) -> Callable[[type[Task]], type[Task]]:
    """Enters a task class into the registry under the name that configs use."""

    def enter(cls: type[Task]) -> type[Task]:
        cls.name = name
        _REGISTRY[name] = cls
        return cls

    return enter


def task_names() -> list[str]:
    """Returns the names of all tasks."""
    return sorted(_REGISTRY)


def get_task(name: str, label_format: str, **options: Any) -> Task:
    """Makes a task by its name.

    Args:
      name: One of `task_names()`.
      label_format: `letter`, `text` or `letter_text`.
      **options: The task's other fields, such as the seed of a procedural one.

    Raises:
      InputError: naming the task or the option that does not exist, and the nearest that does.
    """
    if name not in _REGISTRY:
        raise InputError(f"no task {name!r}{_nearest(name, task_names())}")
    cls = _REGISTRY[name]
    known = [field.name for field in dataclasses.fields(cls) if field.name != "label_format"]
    for option in options:
        if option not in known:
            raise InputError(f"task {name} has no option {option!r}{_nearest(option, known)}")
    return cls(label_format=label_format, **options)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known) or 'none'}"
