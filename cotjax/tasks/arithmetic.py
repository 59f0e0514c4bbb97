"""Word problems: answered by a number, an equation, or the option that has its value."""

import dataclasses
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import ClassVar

from cotjax.errors import InputError
from cotjax.tasks.base import (
    Question,
    Task,
    UnwritableLabelError,
    conclusion,
    normalise,
    one_line,
    register,
)
from cotjax.tasks.candidates import Candidate, clean, find_candidates, whole_value
from cotjax.tasks.expressions import ascii_signs, same_value, to_decimal
from cotjax.tasks.multiple_choice import MultipleChoice, comes_first

_LABEL_END = re.compile(r"(?:\s*(?!because)[^\W\d_]+)?[\s)\].,:;]*(?:$|because\b)", re.IGNORECASE)
_OPERATION = re.compile(r"[\d)%]\s*[-+*/^]")
_DECIMAL = re.compile(r"-?\d+\.\d+")


@dataclasses.dataclass(frozen=True)
class WordProblem(Task):
    """Formats and parses numbers, and equations such as `( 84.0 / 2.0 )`.

    An answer is read by the first of these rules that applies:
      1. the label comes first: the text begins with a candidate that nothing but a reason follows
         ("because"), or with an expression in brackets;
      2. the text holds an answer phrase ("answer is", "Answer:", "-->"): the first candidate after
         the last one counts, if there is one;
      3. the last candidate anywhere counts.
    Rules 2 and 3 are those of Ho et al. (2023); what a candidate is, says `find_candidates`.

    Answers are compared by value, whichever of the two they are.
    """

    label_formats: ClassVar[tuple[str, ...]] = ("number", "equation")

    def format_input(self, question: Question) -> str:
        """Returns the question alone."""
        return one_line(question.text)

    def format_label(self, question: Question, label: str) -> str:
        """Returns `label` as a decimal such as `42`, or the equation as the data set has it."""
        value = _gold_value(question, label)
        if self.label_format == "number":
            return to_decimal(value)
        equation = one_line(ascii_signs(label))
        # SVAMP has an equation of one number, 8.0; where answers are the labels, they are whole.
        if not (_OPERATION.search(equation) or _DECIMAL.fullmatch(equation)):
            raise UnwritableLabelError(f"question {question.id!r}: label {label!r} has no equation")
        return equation

    def choice_labels(self, question: Question) -> list[str]:
        """Returns nothing: these questions are open."""
        return []

    def parse(self, text: str, question: Question) -> str | None:
        """Returns the number or expression that `text` decides on, None where it has none."""
        candidate = read_answer(text)
        return candidate.text if candidate else None

    def is_right(self, answer: str | None, question: Question) -> bool:
        """Whether an answer has the gold label's value."""
        value = whole_value(answer) if answer else None
        return value is not None and same_value(value, _gold_value(question, question.label))


@register("gsm8k")
@dataclasses.dataclass(frozen=True)
class GSM8K(WordProblem):
    """GSM8K (Cobbe et al., 2021): two to eight steps, whole numbers, no equations."""


@register("svamp")
@dataclasses.dataclass(frozen=True)
class SVAMP(WordProblem):
    """SVAMP (Patel et al., 2021): one or two steps, with numbers that are not needed."""


@register("asdiv")
@dataclasses.dataclass(frozen=True)
class ASDiv(WordProblem):
    """ASDiv (Miao et al., 2020): one step or a few, of many kinds."""


@register("aqua")
@dataclasses.dataclass(frozen=True)
class AQuA(MultipleChoice):
    """AQuA-RAT (Ling et al., 2017): five options, mostly numbers with units.

    Where `MultipleChoice` finds no letter, nor an option without a value, an answer is read as of
    a `WordProblem`: it decides on the option of its value.
    """

    def parse(self, text: str, question: Question) -> str | None:
        """Returns the text of the option that `text` decides on, None where it names none."""
        labels = dict(
            zip(map(normalise, self.choice_labels(question)), question.choices, strict=True)
        )
        if first := comes_first(normalise(text), labels):
            return first
        values = [whole_value(choice) for choice in question.choices]
        lettered = _without_numbers(question, values)
        if named := super().parse(text, lettered):
            return question.choices[lettered.choices.index(named)]
        return _by_value(text, question.choices, values)


def read_answer(text: str) -> Candidate | None:
    """Returns the candidate that a text decides on, by the rules of `WordProblem`."""
    text = clean(text)
    candidates = find_candidates(text)
    if candidates and _comes_first(candidates[0], text):
        return candidates[0]
    after = conclusion(text)
    if after is None:
        return candidates[-1] if candidates else None
    return next(iter(find_candidates(after)), None)


def _comes_first(candidate: Candidate, text: str) -> bool:
    """Whether a text begins with its label, and not with a rationale that begins with a number."""
    before, after = text[: candidate.start], text[candidate.end :]
    in_brackets = text[candidate.start] == "(" and _OPERATION.search(candidate.text)
    return not re.search(r"\w", before) and bool(in_brackets or _LABEL_END.match(after))


def _gold_value(question: Question, label: str) -> Fraction:
    value = whole_value(label)
    if value is None:
        raise InputError(f"question {question.id!r}: label {label!r} is no number or equation")
    return value


def _by_value(text: str, choices: Sequence[str], values: Sequence[Fraction | None]) -> str | None:
    """Of several of the answer's value, the one that is written, of 5 and $5 all of it."""
    answer = read_answer(text)
    if answer is None:
        return None
    written = {
        choice: len(choice) * (normalise(choice) in normalise(text))
        for choice, value in zip(choices, values, strict=True)
        if value is not None and same_value(value, answer.value)
    }
    return max(written, key=written.__getitem__, default=None)


def _without_numbers(question: Question, values: Sequence[Fraction | None]) -> Question:
    """The question with options that only their letter names, where they have a value."""
    choices = tuple(
        choice if value is None else f"\0{place}\0"
        for place, (choice, value) in enumerate(zip(question.choices, values, strict=True))
    )
    return dataclasses.replace(question, choices=choices, label=choices[0])
