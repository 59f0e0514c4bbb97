"""Last-letter concatenation: a spelling that a student can only write after reading every word."""

import dataclasses
import functools
import math
import re
from typing import ClassVar

import numpy as np

from cotjax.records import Rationale, Record
from cotjax.tasks.base import Procedural, Question, conclusion, one_line, register
from cotjax.tasks.names import NAMES

_WORD = r"[^\W\d_]+"
_LAST_LINE = re.compile(rf"\n[^\w\n]*({_WORD})\W*$")
_FIRST = re.compile(rf"\W*({_WORD})\W*(?:\bbecause\b|$)", re.IGNORECASE)
# Teachers seldom say "answer" here, but "we get: yajo" or "y + a + j + o = yajo".
_PHRASE = re.compile(r"[:=]|\b(?:is|are|be|get|have|us)\b", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“]([^\"”\n]+)[\"”]")
_END = re.compile(r"[.!?\n]|\bbecause\b", re.IGNORECASE)


@register("last_letter")
@dataclasses.dataclass(frozen=True)
class LastLetter(Procedural):
    """Last-letter concatenation (Wei et al., 2022): "Amy Brown" is "yn".

    The wording of questions is Kojima et al.'s (2022), which Ho et al. (2023) and Lee et al. (2024)
    train on with four words; some of their words are names such as "Juan Jose" that count once.
    The rationale is Wei et al.'s.

    An answer is read by the first of these rules that applies:
      1. a text of one word, or a word and "because", is this word;
      2. without an answer phrase, a last line of one word is this word;
      3. after an answer phrase, or without one after the last "is", "get", colon or the like: what
         stands in double quotes there, or else its first sentence, of which the first word counts;
      4. the last word of the text.
    Where no word is longer than three letters, all of them count as one: teachers write "oae y"
    and "y-a-j-o".

    Attributes:
      words: How many words a question has; two and four in the paper.
    """

    label_formats: ClassVar[tuple[str, ...]] = ("text",)

    label_format: str = "text"
    words: int = 4

    def __post_init__(self):
        if not 1 <= self.words <= len(NAMES):
            self._refuse(f"words={self.words} must lie between 1 and {len(NAMES)}")
        super().__post_init__()

    def format_input(self, question: Question) -> str:
        """Returns the question alone."""
        return one_line(question.text)

    def format_label(self, question: Question, label: str) -> str:
        """Returns the letters."""
        return one_line(label)

    def choice_labels(self, question: Question) -> list[str]:
        """Returns nothing: the question is open."""
        return []

    def parse(self, text: str, question: Question) -> str | None:
        """Returns the letters that `text` ends up with, None where it holds no word."""
        if first := _FIRST.match(text):
            return first[1]
        passage = conclusion(text)
        if passage is None:
            if last := _LAST_LINE.search(text):
                return last[1]
            passage = _PHRASE.split(text)[-1]
        quoted = _QUOTED.search(passage)
        words = re.findall(_WORD, quoted[1] if quoted else _END.split(passage.strip())[0])
        if all(len(word) <= 3 for word in words):
            return "".join(words) or None
        return words[-1 if passage == text else 0]

    def _possible(self) -> tuple[int, str]:
        count = math.perm(len(NAMES), self.words)
        return count, f"ways to put {self.words} of {len(NAMES)} names in order"

    @functools.cached_property
    def _drawn(self) -> list[tuple[str, ...]]:
        return self._different(self._draw)

    def _draw(self, random: np.random.Generator) -> tuple[str, ...]:
        return tuple(NAMES[n] for n in random.choice(len(NAMES), self.words, replace=False))

    def _record(self, identifier: str, drawn: tuple[str, ...]) -> Record:
        letters = [word[-1] for word in drawn]
        steps = [
            f'The last letter of "{word}" is "{letter}".'
            for word, letter in zip(drawn, letters, strict=True)
        ]
        label = "".join(letters)
        text = " ".join([*steps, f'Concatenating them is "{label}".'])
        rationale = Rationale(sample=0, text=text, answer=label, correct=True)
        question = (
            f'Take the last letters of each words in "{" ".join(drawn)}" and concatenate them.'
        )
        return Record(identifier, question, (), label, (rationale,))
