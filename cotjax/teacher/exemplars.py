"""Solved questions that show a teacher how to answer."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cotjax.config_checks import nearest
from cotjax.errors import InputError
from cotjax.json_files import build, read_json
from cotjax.tasks import Task

FIELD = "config.prompt.exemplars"
_FOLDER = Path(__file__).parent / "templates" / "exemplars"
_OF_TASK = {
    "arc": "commonsense_qa",
    "asdiv": "arithmetic",
    "commonsense_qa": "commonsense_qa",
    "gsm8k": "arithmetic",
    "openbookqa": "commonsense_qa",
    "quarel": "commonsense_qa",
    "svamp": "arithmetic",
}


@dataclasses.dataclass(frozen=True)
class Exemplar:
    """A solved question.

    Attributes:
      question: Without the choices.
      rationale: Why the label is right, in one paragraph.
      label: Of choices, the right one's text.
      choices: Their texts; empty for an open question.
      style: What kind of rationale it is: templates take the exemplars of their own style.
    """

    question: str
    rationale: str
    label: str
    choices: tuple[str, ...] = ()
    style: str = "plain"

    def __post_init__(self):
        for name in ("question", "rationale", "label"):
            if not getattr(self, name).strip():
                raise InputError(f"{name} is empty")
        if self.choices and self.label not in self.choices:
            raise InputError(f"label {self.label!r} is not among the choices {list(self.choices)}")


def load_exemplars(
    source: str | None, style: str, shots: int | None, task: Task | None = None
) -> tuple[Exemplar, ...]:
    """Reads the exemplars of a style.

    Args:
      source: A JSON file with a list of exemplars, or the name of a built-in one; None for the
        built-in one that suits the task.
      style: Whose to take.
      shots: How many, from the first on; None for all.
      task: What is asked.

    Raises:
      InputError: naming the file, its line and the field that is wrong, or what is missing.
    """
    if shots == 0:
        return ()
    path = _find(source or _suiting(task))
    found = tuple(
        exemplar
        for exemplar in (build(Exemplar, value, where) for where, value in _items(path))
        if exemplar.style == style
    )
    if len(found) < (shots or 1):
        raise InputError(
            f"{path}: has {len(found)} exemplars of style {style!r}, but {shots or 1} are needed"
        )
    return found[:shots]


def _find(source: str) -> Path:
    built_in = {path.stem: path for path in sorted(_FOLDER.glob("*.json"))}
    if source in built_in:
        return built_in[source]
    path = Path(source)
    if not path.is_file():
        hint = nearest(source, built_in) or f"; built in: {', '.join(built_in)}"
        raise InputError(f"{FIELD}={source!r} is no file{hint}")
    return path


def _suiting(task: Task | None) -> str:
    name = task.name if task else None
    if name not in _OF_TASK:
        whom = f"task {name}" if name else "questions of no task"
        raise InputError(f"{FIELD} must name a JSON file: {whom} has no built-in exemplars")
    return _OF_TASK[name]


def _items(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields (`path:line`, value) for each value of a JSON list, with the line it begins at."""
    if not isinstance(read_json(path), list):
        raise InputError(f"{path}: must be a list of exemplars")
    text, decoder = path.read_text(encoding="utf-8"), json.JSONDecoder()
    position = text.index("[")
    while (position := _next_value(text, position + 1)) < len(text):
        where = f"{path}:{text.count(chr(10), 0, position) + 1}"
        value, position = decoder.raw_decode(text, position)
        position -= 1
        yield where, value


def _next_value(text: str, position: int) -> int:
    """Where the next value of a list begins; the end of the text after the last one."""
    while text[position] in " \t\r\n,":
        position += 1
    return len(text) if text[position] == "]" else position
