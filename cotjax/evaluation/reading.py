"""What a task reads in the text that a student wrote, and whether it is right."""

import dataclasses
from collections.abc import Mapping, Sequence

from cotjax.data.tokenizer import Tokenizer
from cotjax.tasks.base import Question, Task, normalise, one_line


def as_written(tokenizer: Tokenizer, questions: Sequence[Question]) -> list[Question]:
    """The questions with their choices and labels as a student writes them.

    That is not always what they are: with data.characters=ascii `5 × 10^3 m` is written as
    `5 * 10**3 m`, and T5 writes x² as x2. A question stays as it is where the tokenizer does not
    know all of a choice, or two different ones would be written alike.
    """
    texts = list(dict.fromkeys(one_line(text) for one in questions for text in _said(one)))
    written = {
        text: "" if tokenizer.unknown in ids else tokenizer.decode(ids)
        for text, ids in zip(texts, tokenizer.encode(texts), strict=True)
    }
    return [_rewritten(question, written) for question in questions]


def read_answer(task: Task, question: Question, written: Question, text: str) -> str | None:
    """The answer that a text gives, in the question's own words; None where it gives none.

    Args:
      task: Parses and compares.
      question: As the task has it.
      written: The same question, see `as_written`.
      text: Of the student.
    """
    answer = task.parse(text, written)
    if answer is None or written == question:
        return answer
    if question.choices:
        return question.choices[written.choices.index(answer)]
    return question.label if task.is_right(answer, written) else answer


def outcome_of(task: Task, question: Question, answer: str | None) -> str:
    """`right`, `wrong` or `unparsed`."""
    if answer is None:
        return "unparsed"
    return "right" if task.is_right(answer, question) else "wrong"


def _said(question: Question) -> tuple[str, ...]:
    return (*question.choices, question.label)


def _rewritten(question: Question, written: Mapping[str, str]) -> Question:
    *choices, label = (written[one_line(text)] for text in _said(question))
    merged = len(set(map(normalise, choices))) < len(set(map(normalise, question.choices)))
    if merged or not all(map(str.strip, (*choices, label))):
        return question
    return dataclasses.replace(question, choices=tuple(choices), label=label)
