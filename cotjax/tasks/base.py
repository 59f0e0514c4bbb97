"""What every task does: format a question and its label, and judge generated text."""

import abc
import dataclasses
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, ClassVar, NoReturn, TypeVar

import numpy as np
from ml_collections.config_dict import ConfigDict

from cotjax.config_checks import nearest, pairs
from cotjax.errors import InputError
from cotjax.records import Record

# What comes before an answer: "So the answer is", "Answer:", and the arrow of Ho et al. (2023).
ANSWER_PHRASE = re.compile(
    r"-->|\banswer(?: choice| would| should| must| will)* (?:is|be)\b:?|\banswer(?: choice)?:",
    re.IGNORECASE,
)

MOST_QUESTIONS = 5_000_000  # made ones; a question and its rationale take about a kilobyte

_Drawn = TypeVar("_Drawn", bound=Hashable)


def one_line(text: str) -> str:
    """Returns `text` with every run of white space as one space: T5 has no newline."""
    return " ".join(text.split())


def normalise(text: str) -> str:
    """Returns the form in which two texts are the same: one line, without case."""
    return one_line(text).casefold()


def conclusion(text: str) -> str | None:
    """Returns what follows the last answer phrase, such as "answer is" or "-->"; None without one.

    After a phrase, parsers take the first candidate; without one, the last candidate anywhere
    (Ho et al., 2023, "Large Language Models Are Reasoning Teachers").
    """
    _, *following = ANSWER_PHRASE.split(text)
    return following[-1].strip() if following else None


class UnwritableLabelError(InputError):
    """The label is in order, but there is no writing it in the task's label format."""


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
      label_format: How a label is written: `letter` is (B), `text` bank, `letter_text` (B) bank,
        `number` 42, `equation` ( 84.0 / 2.0 ).
    """

    name: ClassVar[str]
    label_formats: ClassVar[tuple[str, ...]]  # the first is its default

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


@dataclasses.dataclass(frozen=True)
class Procedural(Task):
    """A task that makes its own questions and knows why the answer is right.

    No two of its questions are the same, so no question occurs in two splits.

    Attributes:
      seed: Settles all that is drawn.
      train_questions: How many to learn from.
      validation_questions: For development: settings are chosen here, never on test.
      test_questions: For the numbers that are shown.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    seed: int = 0
    train_questions: int = 2_000
    validation_questions: int = 300
    test_questions: int = 600

    def __post_init__(self):
        super().__post_init__()
        if sum(self._counts) > MOST_QUESTIONS:
            counted = ", ".join(f"{split}_questions" for split in self.splits)
            self._refuse(f"{counted}: more than {MOST_QUESTIONS} would not fit into memory")
        for option in ("seed", *(f"{split}_questions" for split in self.splits)):
            if getattr(self, option) < 0:
                self._refuse(f"{option}={getattr(self, option)} must not be negative")
        asked, (possible, meaning) = sum(self._counts), self._possible()
        if asked > possible:
            self._refuse(
                f"{asked} questions ({' + '.join(map(str, self._counts))}), but only"
                f" {possible} {meaning}"
            )

    def oracle_records(self, split: str) -> list[Record]:
        """Returns the questions of `split`, each with the true rationale as its only sample."""
        if split not in self.splits:
            raise InputError(
                f"task {self.name} has no split {split!r}; use {', '.join(self.splits)}"
            )
        place = self.splits.index(split)
        start, count = sum(self._counts[:place]), self._counts[place]
        return [
            self._record(f"{split}-{number:05d}", drawn)
            for number, drawn in enumerate(self._drawn[start : start + count])
        ]

    @property
    def _counts(self) -> tuple[int, ...]:
        return self.train_questions, self.validation_questions, self.test_questions

    @property
    @abc.abstractmethod
    def _drawn(self) -> Sequence[Any]:
        """What each question is about, of all splits, one after the other."""

    @abc.abstractmethod
    def _possible(self) -> tuple[int, str]:
        """How many different questions there are, and what they are a number of."""

    @abc.abstractmethod
    def _record(self, identifier: str, drawn: Any) -> Record:
        """Returns the question about `drawn`, with its answer and why."""

    def _different(self, draw: Callable[[np.random.Generator], _Drawn]) -> list[_Drawn]:
        """Draws until there are as many different things as questions."""
        random = np.random.Generator(np.random.Philox(key=self.seed))
        found: dict[_Drawn, None] = {}  # keeps the order
        while len(found) < sum(self._counts):
            found[draw(random)] = None
        return list(found)

    def _refuse(self, problem: str) -> NoReturn:
        raise InputError(f"config.task.options: task {self.name}: {problem}")


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


def label_formats(name: str) -> tuple[str, ...]:
    """Returns the label formats of a task, the first of which is its default."""
    return _task_class(name).label_formats


def get_task(name: str, label_format: str, /, **options: Any) -> Task:
    """Makes a task by its name.

    Args:
      name: One of `task_names()`.
      label_format: One of the task's `label_formats`.
      **options: The task's other fields, such as the seed of a procedural one.

    Raises:
      InputError: naming the task or the option that does not exist, and the nearest that does;
        or the option that has a value of a wrong type.
    """
    cls = _task_class(name)
    kinds = {field.name: field.type for field in dataclasses.fields(cls)}
    del kinds["label_format"]
    for option, value in options.items():
        if option not in kinds:
            raise InputError(
                f"config.task.options: task {name} has no option {option!r}{_hint(option, kinds)}"
            )
        if type(value) is not kinds[option]:
            raise InputError(
                f"config.task.options: {option}={value!r} of task {name}:"
                f" expects {kinds[option].__name__}"
            )
    return cls(label_format=label_format, **options)


def configured_task(config: ConfigDict) -> Task:
    """Makes the task that a config names, with its options."""
    options = pairs(config.task.options, "task.options")
    return get_task(config.task.name, config.task.label_format, **options)


def _task_class(name: str) -> type[Task]:
    if name not in _REGISTRY:
        raise InputError(f"no task {name!r}{_hint(name, task_names())}")
    return _REGISTRY[name]


def _hint(name: str, known: Iterable[str]) -> str:
    return nearest(name, known) or f"; known: {', '.join(known) or 'none'}"
