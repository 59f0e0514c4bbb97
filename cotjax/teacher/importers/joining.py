"""Questions and rationales from several files, joined by what is asked."""

import dataclasses
import hashlib
import re
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cotjax.errors import InputError
from cotjax.json_files import read_json
from cotjax.records import Rationale, Record
from cotjax.tasks import Question
from cotjax.tasks.base import normalise
from cotjax.tasks.rows import to_record
from cotjax.tasks.sources import to_question
from cotjax.teacher.answers import Verdict
from cotjax.teacher.importers.report import Tally

ANSWER_CHOICES = re.compile(r"Answer choices:", re.IGNORECASE)
_MARKER = re.compile(r"(?:^|,)\s*(?:\(([A-Z])\)|([A-Z]):)\s*")

Key = tuple[str, ...]


def read_rows(path: Path) -> list[tuple[str, Any]]:
    """Returns (`path: row N`, value) for each value of a JSON list; rows count from 1."""
    values = read_json(path)
    if not isinstance(values, list):
        raise InputError(f"{path}: must be a list, not {type(values).__name__}")
    if not values:
        raise InputError(f"{path}: has no rows")
    return [(f"{path}: row {number}", value) for number, value in enumerate(values, start=1)]


def split_choices(text: str) -> tuple[str, tuple[str, ...]] | None:
    """Splits `... Answer choices: A: .., B: ..` or `.. (A) .., (B) ..` into question and choices.

    Choices may hold commas and colons: only a comma and the next letter in order end one.

    Returns:
      Question and choices, none where the text offers none; None where the markers in it aren't A,
      B, C and so on, or a choice is empty, so that it can't be told where a choice ends.
    """
    *before, after = ANSWER_CHOICES.split(text)
    if not before:
        return text.strip(), ()
    stem = "Answer choices:".join(before).strip()
    first, *pieces = _MARKER.split(after.strip())
    letters = [one or other for one, other in zip(pieces[0::3], pieces[1::3], strict=True)]
    choices = tuple(choice.strip() for choice in pieces[2::3])
    in_order = "".join(letters) == string.ascii_uppercase[: len(letters)]
    if first or not in_order or len(letters) < 2 or not all(choices):
        return None
    return stem, choices


def question_key(text: str, choices: Iterable[str]) -> Key:
    """Returns what two questions have in common that are the same: words, and choices in order."""
    return normalise(text), *map(normalise, choices)


def question_id(key: Key) -> str:
    """Returns 16 hexadecimal digits that depend on the question and its choices alone."""
    return hashlib.blake2b("\n".join(key).encode("utf-8"), digest_size=8).hexdigest()


def make_question(
    task: str, text: str, choices: tuple[str, ...], label: str, split: str
) -> Question:
    """Returns a question whose id is a hash of it.

    Args:
      task: Says which choices all its questions have, if `choices` is empty.
      text: The question alone.
      choices: Their texts.
      label: The gold label: of choices, the gold one's letter or text.
      split: Where it stands.

    Raises:
      InputError: if the label names no choice, or the task needs choices.
    """
    letters = dict(zip(string.ascii_uppercase, choices, strict=False))
    label = letters.get(label.strip(" ()."), label)
    row = {"question": text, "choices": list(choices), "label": label}
    record = to_record(task, row, number=0, split=split)
    key = question_key(record.question, record.choices)
    return dataclasses.replace(to_question(record, split), id=question_id(key))


def record_of(
    question: Question, rationales: Iterable[Rationale], human: dict[str, str] | None = None
) -> Record:
    """Returns a question with what was said to it."""
    return Record(
        question.id, question.text, question.choices, question.label, tuple(rationales), human
    )


class QuestionTable:
    """Questions in the order of their first appearance, and the rationales that join them."""

    def __init__(self):
        """Starts without any."""
        self._questions: dict[Key, Question] = {}
        self._rationales: dict[Key, list[Rationale]] = {}

    def add(self, question: Question, tally: Tally) -> None:
        """Enters a question; one that occurs again counts, and its first label stands."""
        key = question_key(question.text, question.choices)
        first = self._questions.setdefault(key, question)
        self._rationales.setdefault(key, [])
        if first is not question:
            tally.noted["questions that occur again"] += 1
            if first.label != question.label:
                tally.noted["of these with another label: the first stands"] += 1

    def find(self, text: str, choices: Iterable[str]) -> Question | None:
        """Returns the question that asks the same, None if there is none."""
        return self._questions.get(question_key(text, choices))

    def join(self, question: Question, verdict: Verdict, **details: Any) -> None:
        """Adds a rationale to its question."""
        rationales = self._rationales[question_key(question.text, question.choices)]
        rationales.append(verdict.to_rationale(len(rationales), **details))

    def records(self) -> list[Record]:
        """Returns a record for every question."""
        return [
            record_of(question, self._rationales[key]) for key, question in self._questions.items()
        ]
