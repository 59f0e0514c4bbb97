"""Questions with closed choices: lettered in the input, and answered by letter or by text."""

import dataclasses
import itertools
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from cotjax.errors import InputError
from cotjax.tasks.base import Question, Task, conclusion, normalise, one_line, register

# All of these read normalised text, which is without case.
_NOT_DENIED = r"(?<!\bnot )(?<!\bnot a )(?<!\bnot an )(?<!\bnot the )"
_LETTER = re.compile(rf"{_NOT_DENIED}\(([a-z])\)")
_BARE_LETTER = re.compile(
    r"\W*(?:(?:therefore|option|choice|answer|boxed|text)\W+)*([a-z])"
    r"(?= ?[.,:;()\[\]{}<>\"*]| because\b|$)"
)
_BECAUSE = re.compile(r" because\b")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|\n")


@dataclasses.dataclass(frozen=True)
class MultipleChoice(Task):
    r"""Formats and parses choices.

    A candidate is a letter in brackets that is a choice's, a choice's text as whole words (the
    longest where several begin in one place), or, where a passage begins with it, a letter that
    stands alone: `D`, `D: bank`, `option D.`, `\boxed{D}`. What follows "not" is none.

    An answer is read by the first of these rules that applies:
      1. the whole text is a label in any format, perhaps with a full stop;
      2. the label comes first: the text begins with one, and "because";
      3. the text holds an answer phrase ("answer is", "Answer:", "-->"): what follows the last one
         is a label, or else its first candidate counts, if it has one;
      4. the text begins with a choice's letter in brackets;
      5. of the last sentence or line that has a candidate, the first one counts. So "either (a)
         lake or (c) sea" is read as the lake, with an answer phrase before it or without.
    Rules 3 and 5 are those of Ho et al. (2023), who count the first candidate after the phrase, or
    the last anywhere; but not every capital letter is a candidate here.

    Texts are compared without case and in one line, so two choices with one text are one answer.
    """

    label_formats: ClassVar[tuple[str, ...]] = ("letter", "text", "letter_text")
    shows_letters: ClassVar[bool] = True
    synonyms: ClassVar[Mapping[str, str]] = {}  # other words for a choice's text, as parsed

    def format_input(self, question: Question) -> str:
        """Returns `question: {text} choices: (A) {choice} (B) {choice} ...`."""
        choices = " ".join(
            f"({letter}) {one_line(choice)}"
            for letter, choice in zip(_letters(question), question.choices, strict=True)
        )
        return f"question: {one_line(question.text)} choices: {choices}"

    def format_label(self, question: Question, label: str) -> str:
        """Returns the choice with the text `label` as `(B)`, `bank` or `(B) bank`."""
        if label not in question.choices:
            raise InputError(
                f"question {question.id!r}: {label!r} is not among its choices"
                f" {list(question.choices)}"
            )
        return self.choice_labels(question)[question.choices.index(label)]

    def choice_labels(self, question: Question) -> list[str]:
        """Returns the label of every choice; repeated texts give repeated labels in `text`."""
        pattern = {"letter": "({letter})", "text": "{text}", "letter_text": "({letter}) {text}"}
        return [
            pattern[self.label_format].format(letter=letter, text=one_line(choice))
            for letter, choice in zip(_letters(question), question.choices, strict=True)
        ]

    def parse(self, text: str, question: Question) -> str | None:
        """Returns the text of the choice that `text` decides on, None where it names none."""
        whole = normalise(text)
        labels = self._labels(question)
        if first := comes_first(whole, labels):
            return first
        after = conclusion(whole)
        if after is not None:
            return _exactly(after, labels) or self._first_candidate(after, question)
        letter = _LETTER.match(whole)
        if letter and letter[0] in labels:
            return labels[letter[0]]
        sentences = map(normalise, reversed(_SENTENCE_END.split(text)))
        answers = (self._first_candidate(sentence, question) for sentence in sentences)
        return next(filter(None, answers), None)

    def _labels(self, question: Question) -> dict[str, str]:
        """The choice of every label in any format; the task's own prevails, then texts."""
        lettered = _letters(question).lower() if self.shows_letters else ""
        letters = dict(zip(lettered, question.choices, strict=False))
        bracketed = {f"({letter})": choice for letter, choice in letters.items()}
        own = _first_of_equals(self.choice_labels(question), question.choices)
        return letters | bracketed | self._texts(question) | own

    def _texts(self, question: Question) -> dict[str, str]:
        """The choice of every text, and of its synonyms; a text's full stop is no part of it."""
        texts = [choice.strip().rstrip(".") or choice for choice in question.choices]
        return {**self.synonyms, **_first_of_equals(texts, question.choices)}

    def _first_candidate(self, passage: str, question: Question) -> str | None:
        """Returns the choice of the candidate that begins first, of the longest if several do."""
        candidates = [*_written(passage, self._texts(question))]
        if self.shows_letters:
            candidates += _lettered(passage, question)
        return min(candidates)[-1] if candidates else None


@register("commonsense_qa")
@dataclasses.dataclass(frozen=True)
class CommonsenseQA(MultipleChoice):
    """CommonsenseQA (Talmor et al., 2019): five choices, some of which repeat."""


@register("openbookqa")
@dataclasses.dataclass(frozen=True)
class OpenBookQA(MultipleChoice):
    """OpenBookQA (Mihaylov et al., 2018): four choices, each ends the question's sentence."""


@register("arc")
@dataclasses.dataclass(frozen=True)
class ARC(MultipleChoice):
    """ARC (Clark et al., 2018): school science, three to five choices, mostly four.

    Some of its questions name their choices by digits; here all choices have letters.
    """


@register("quarel")
@dataclasses.dataclass(frozen=True)
class QuaRel(MultipleChoice):
    """QuaRel (Tafjord et al., 2019): two choices of a qualitative comparison."""


@register("date_understanding")
@dataclasses.dataclass(frozen=True)
class DateUnderstanding(MultipleChoice):
    """Date understanding (BIG-bench, Srivastava et al., 2023): dates as MM/DD/YYYY, to six choices.

    Written by people: there is no generator.
    """


def comes_first(text: str, labels: Mapping[str, str]) -> str | None:
    """Returns the choice of the label that a normalised text is, or that precedes "because"."""
    heads = (text[: because.start()] for because in reversed([*_BECAUSE.finditer(text)]))
    return next(filter(None, (_exactly(one, labels) for one in (text, *heads))), None)


def _letters(question: Question) -> str:
    if len(question.choices) > len(string.ascii_uppercase):
        raise InputError(
            f"question {question.id!r}: {len(question.choices)} choices, but only 26 letters"
        )
    return string.ascii_uppercase[: len(question.choices)]


def _first_of_equals(texts: Sequence[str], choices: Sequence[str]) -> dict[str, str]:
    """The choice of every normalised text; of equal texts, the first one's."""
    pairs = zip(map(normalise, texts), choices, strict=True)
    return dict(reversed([*pairs]))


def _exactly(text: str, labels: Mapping[str, str]) -> str | None:
    return labels.get(text) or labels.get(text.rstrip(".,:;"))


# Candidates: where one begins, minus its length, and its choice.


def _written(passage: str, texts: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    for text, choice in texts.items():
        # No part of a word or of a number: 5 is neither in 15 nor in 1.5.
        pattern = rf"(?<!\w)(?<!\d[.,]){_NOT_DENIED}{re.escape(text)}(?!\w)(?![.,]\d)"
        if match := re.search(pattern, passage):
            yield match.start(), -len(text), choice


def _lettered(passage: str, question: Question) -> Iterator[tuple[int, int, str]]:
    choices = dict(zip(_letters(question).lower(), question.choices, strict=True))
    for match in itertools.chain([_BARE_LETTER.match(passage)], _LETTER.finditer(passage)):
        if match and match[1] in choices:
            yield match.start(1), 0, choices[match[1]]  # a text in the same place prevails
