"""Questions with closed choices: lettered in the input, and answered by letter or by text."""

import dataclasses
import re
import string
from collections.abc import Iterable
from typing import ClassVar

from cotjax.errors import InputError
from cotjax.tasks.base import Question, Task, normalise, one_line, register

_LETTER = re.compile(r"\(([A-Za-z])\)")
_BARE_LETTER = re.compile(r"([A-Za-z])[.)]?")
_ANSWER_PHRASE = re.compile(r"\banswer is\b:?", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class MultipleChoice(Task):
    """Formats and parses choices.

    An answer is read by the first of these rules that gives one:
      1. the whole text is a label as this task writes it;
      2. the first letter in brackets, of either case, that is a choice's;
      3. a choice's text at the beginning, the longest where several fit;
      4. a letter that stands alone.
    Rules 2 to 4 read what follows the last "answer is", or the whole text where that does not
    occur or where the text begins with a letter in brackets: then the label comes first.

    Texts are compared without case and in one line, so two choices with one text are one answer.
    """

    shows_letters: ClassVar[bool] = True

    def format_input(self, question: Question) -> str:
        """Returns `question: {text} choices: (A) {choice} (B) {choice} ...`."""
        choices = " ".join(
            f"({letter}) {one_line(choice)}"
            for letter, choice in zip(_letters(question), question.choices, strict=True)
        )
        return f"question: {one_line(question.text)} choices: {choices}"

    def format_label(self, question: Question, label: str) -> str:
        """Returns the choice with the text `label` as `(B)`, `bank` or `(B) bank`."""
        try:
            return self.choice_labels(question)[question.choices.index(label)]
        except ValueError as error:
            raise InputError(
                f"question {question.id!r}: {label!r} is not among its choices"
                f" {list(question.choices)}"
            ) from error

    def choice_labels(self, question: Question) -> list[str]:
        """Returns the label of every choice; repeated texts give repeated labels in `text`."""
        pattern = {"letter": "({letter})", "text": "{text}", "letter_text": "({letter}) {text}"}
        return [
            pattern[self.label_format].format(letter=letter, text=one_line(choice))
            for letter, choice in zip(_letters(question), question.choices, strict=True)
        ]

    def parse(self, text: str, question: Question) -> str | None:
        """Returns the text of the choice that `text` decides on, None where it names none."""
        text = one_line(text)
        labels = [normalise(label) for label in self.choice_labels(question)]
        if normalise(text) in labels:
            return question.choices[labels.index(normalise(text))]
        if not self.shows_letters:
            return _by_text(_conclusion(text), question)
        conclusion = text if _LETTER.match(text) else _conclusion(text)
        bare = _BARE_LETTER.fullmatch(conclusion)
        return (
            _by_letter(_LETTER.findall(conclusion), question)
            or _by_text(conclusion, question)
            or _by_letter(bare.groups() if bare else (), question)
        )


@register("commonsense_qa")
@dataclasses.dataclass(frozen=True)
class CommonsenseQA(MultipleChoice):
    """CommonsenseQA (Talmor et al., 2019): five choices, some of which repeat."""


def _letters(question: Question) -> str:
    if len(question.choices) > len(string.ascii_uppercase):
        raise InputError(
            f"question {question.id!r}: {len(question.choices)} choices, but only 26 letters"
        )
    return string.ascii_uppercase[: len(question.choices)]


def _conclusion(text: str) -> str:
    return _ANSWER_PHRASE.split(text)[-1].strip()


def _by_letter(letters: Iterable[str], question: Question) -> str | None:
    """Returns the choice of the first letter that has one."""
    choices = dict(zip(_letters(question), question.choices, strict=True))
    return next((choices[x.upper()] for x in letters if x.upper() in choices), None)


def _by_text(conclusion: str, question: Question) -> str | None:
    """Returns the longest choice that the conclusion begins with, as whole words."""
    for choice in sorted(question.choices, key=len, reverse=True):
        if re.match(rf"{re.escape(normalise(choice))}(?!\w)", normalise(conclusion)):
            return choice
    return None
