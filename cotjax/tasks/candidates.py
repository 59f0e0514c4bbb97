"""Candidate answers: the numbers and expressions that stand in what a teacher or student wrote.

`8 action figures + 10 cabinets = 18 pieces` is one candidate, 18. `(some - 7)` is none: the 7 in it
is no answer, because the expression has an operand without a number.
"""

import contextlib
import dataclasses
import enum
import re
from collections.abc import Iterator
from fractions import Fraction

from cotjax.tasks.expressions import (
    CURRENCY,
    MAX_DEPTH,
    NUMBER,
    ExpressionError,
    ascii_signs,
    evaluate,
)

_REWRITES = [  # mark-up, in this order
    (re.compile(r"^[^\S\n]*[-*•]\s+", re.MULTILINE), "; "),  # an item of a list
    # A dash of prose: a word on either side, and no number up to the end of the sentence.
    (re.compile(r"(?<=[^\W\d_])\s+[-–]\s+(?=[^\W\d_][^\d=().!?\n]{0,500}(?:[.!?\n]|$))"), "; "),
    (re.compile(r"(?<=\d)(?:\{,\}|,\\!|\\[,!]|[\u00a0\u2009\u202f])(?=\d{3}(?!\d))"), ","),
    (re.compile(r"(?<![\w.,])(\d+(?:\.\d+)?)[eE]([-+]?\d+)\b"), r"(\1 * 10^\2)"),  # 1.5e3
    (re.compile(r"\b(?:minus|negative)\s+(?=[$(]?\d)", re.IGNORECASE), "-"),
    (re.compile(r"<<[^<>]*>>"), ""),  # GSM8K's calculator: 48/2 = <<48/2=24>>24
    (re.compile(r"\\[dt]?frac\s*{([^{}]*)}\s*{([^{}]*)}"), r"((\1)/(\2))"),
    (re.compile(r"\\(?:times|cdot)\b"), "*"),
    (re.compile(r"\\div\b"), "/"),
    (re.compile(r"\\sqrt\b"), "√"),
    (re.compile(r"\\boxed\b"), ""),
    (re.compile(r"\\text\w*\s*{([^{}]*)}"), r" \1"),
    (re.compile(r"(\d\s?(?:m|[^\W\d_]{2,}))(?:\^[23](?!\w)|[²³])"), r"\1"),  # the unit of 5 cm²
    (re.compile(r"\\[()\[\],;!]|\\(?=[$%])"), " "),
    (re.compile(r"{"), "("),
    (re.compile(r"}"), ")"),
    (re.compile(r"(?<=[\d)])\s*\*\*\s*(?=[\d(])"), "^"),
    (re.compile(r"\*\*"), ""),  # bold
    (re.compile(r"(?<=[\d)%])\s*[xX]\s*(?=[$(]?\s?\d)"), " * "),  # 3 x 4
]
_TOKEN = re.compile(
    rf"""(?P<skip>\s+|{CURRENCY})
    |(?P<unknown>[√π]|\d+(?:\.\d+)?[xyzn](?![^\W_]))
    |(?P<number>{NUMBER}(?:\s?%)?)
    |(?P<word>(?:/(?=[^\W\d_][\w'’-]))?[^\W\d_]\w*(?:['’/-][^\W\d_]\w*)*)
    |(?P<open>\()|(?P<close>\))|(?P<equals>=+|≈)|(?P<operator>[-+*/^])|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_UNIT = re.compile(r"(?:[^\W\d_]|[\s.%'’/()-])*")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An expression or a number that could be an answer.

    Attributes:
      text: As `evaluate` reads it, without units, currency and outer brackets: `(16 * 17) * 4`.
      value: What it comes to. A percentage that stands alone is as many: 25 for `25%`.
      start, end: Where it stands in the clean text, without words: `5 - 3 = 2` of apples (red).
    """

    text: str
    value: Fraction
    start: int
    end: int


def clean(text: str) -> str:
    """Returns `text` without mark-up (LaTeX, bold, GSM8K's calculator) and with ASCII operators."""
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return ascii_signs(text)


def find_candidates(text: str) -> list[Candidate]:
    """Returns the candidates of a clean text, in their order.

    Of an equation the last side counts, which states the result. Words after a number are its
    unit. An expression that is cut short by the end of the text is none, nor is one without value.
    """
    return list(_Reader(text).candidates())


def whole_value(text: str) -> Fraction | None:
    """Returns the value of a text that is one candidate with a unit or a name, and nothing else."""
    text = clean(text)
    found = find_candidates(text)
    if len(found) != 1:
        return None
    rest = text[: found[0].start] + text[found[0].end :]
    return found[0].value if _UNIT.fullmatch(re.sub(CURRENCY, "", rest)) else None


class _State(enum.Enum):
    WORDS = "no number"
    KNOWN = "numbers alone"
    UNKNOWN = "an operand without a number"


@dataclasses.dataclass(frozen=True)
class _Part:
    """An operand, or a side of an equation: its text without outer brackets."""

    state: _State
    text: str = ""
    bracketed: bool = False

    @property
    def as_operand(self) -> str:
        return f"({self.text})" if self.bracketed else self.text


class _Reader:
    """Recursive descent over tokens; what isn't arithmetic is a word, or stands between two."""

    def __init__(self, text: str):
        self._tokens = [match for match in _TOKEN.finditer(text) if match.lastgroup != "skip"]
        self._at = 0
        self._asides: set[int] = set()

    def candidates(self) -> Iterator[Candidate]:
        while self._at < len(self._tokens):
            first = self._at
            part = self._equation()
            if self._at == first:
                self._at += 1  # punctuation
            elif part.state is _State.KNOWN:
                with contextlib.suppress(ExpressionError):
                    value = evaluate(part.text)
                    yield Candidate(part.text, value, *self._span(first))

    def _span(self, first: int) -> tuple[int, int]:
        """Where the tokens from `first` on stand, without words and asides at either end."""
        signs = [
            self._tokens[at]
            for at in range(first, self._at)
            if self._tokens[at].lastgroup != "word" and at not in self._asides
        ]
        return signs[0].start(), signs[-1].end()

    def _equation(self) -> _Part:
        """Sides with `=` between them; `x` alone is a name for the other sides' value."""
        sides = [self._side()]
        while self._take("equals"):
            sides.append(self._side())
        if any(side.state is _State.UNKNOWN for side in sides):
            return _Part(_State.UNKNOWN)
        known = [side for side in sides if side.state is _State.KNOWN]
        return known[-1] if known else _Part(_State.WORDS)

    def _side(self, depth: int = 0) -> _Part:
        first, texts = self._at, []
        operands = [self._operand(depth)]
        while self._at > first and self._is("operator"):  # one that nothing precedes is a bullet
            texts += [operands[-1].as_operand, self._take("operator")]
            operands.append(self._operand(depth))
        if not texts:
            text = operands[0].text.removesuffix("%").rstrip()
            return dataclasses.replace(operands[0], text=text, bracketed=False)
        if any(operand.state is not _State.KNOWN for operand in operands):
            return _Part(_State.UNKNOWN)
        return _Part(_State.KNOWN, " ".join([*texts, operands[-1].as_operand]))

    def _operand(self, depth: int) -> _Part:
        """Words, perhaps a sign, a number or a bracket, and the words of its unit."""
        self._skip_words()
        sign = self._sign()
        part = self._factor(depth)
        self._skip_words()
        return _Part(part.state, f"{sign}{part.as_operand}") if sign else part

    def _factor(self, depth: int) -> _Part:
        """A number, a bracket, or what touches: 2(3 + 4); 2√3 and 7x are unknown."""
        number = self._take("number")
        if self._take("unknown"):
            self._take("number")
            return _Part(_State.UNKNOWN)
        if not number:
            return (self._bracket(depth) if self._is("open") else None) or _Part(_State.WORDS)
        if not (self._is("open") and self._touches(self._at - 1)) or self._end_of_aside():
            return _Part(_State.KNOWN, number.replace(",", ""))
        factor = self._bracket(depth) or _Part(_State.UNKNOWN)
        return _Part(factor.state, f"{number.replace(',', '')} * ({factor.text})")

    def _bracket(self, depth: int) -> _Part | None:
        """A side in brackets; None, and nothing taken, where they hold anything else."""
        first = self._at
        self._take("open")
        if depth < MAX_DEPTH:
            part = self._side(depth + 1)
            if self._at == len(self._tokens):
                return _Part(_State.UNKNOWN)  # cut short
            if self._take("close"):
                return dataclasses.replace(part, bracketed=True)
        self._at = first
        return None

    def _sign(self) -> str:
        """Takes a sign: of `is -3` and `= - 3`, but not of `some - 3`, `size-3` or a bullet."""
        if not (self._is("operator") and self._tokens[self._at][0] in "+-"):
            return ""
        before = self._tokens[self._at - 1].lastgroup if self._at else None
        if before not in ("operator", "equals", "open", None):
            touches_word = before == "word" and self._touches(self._at - 1)
            if touches_word or not self._touches(self._at):
                return ""
        return self._take("operator").strip("+")

    def _skip_words(self) -> None:
        """Skips words, also those in brackets, as after `9 marbles (all of them)`."""
        while self._take("word") or self._end_of_aside():
            end = self._end_of_aside() or self._at
            self._asides.update(range(self._at, end))
            self._at = end

    def _end_of_aside(self) -> int | None:
        """Where brackets that hold no number end, if such begin here."""
        if not self._is("open"):
            return None
        for at in range(self._at + 1, len(self._tokens)):
            kind = self._tokens[at].lastgroup
            if kind == "close":
                return at + 1
            if kind in ("open", "number", "unknown"):
                return None
        return None

    def _is(self, kind: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at].lastgroup == kind

    def _take(self, kind: str) -> str | None:
        """Returns the text of the next token and goes on, if it is of this kind."""
        if not self._is(kind):
            return None
        self._at += 1
        return self._tokens[self._at - 1][0]

    def _touches(self, at: int) -> bool:
        """Whether there is no space between a token and the next; a currency sign may be."""
        if at + 1 >= len(self._tokens):
            return False
        token, following = self._tokens[at : at + 2]
        return not re.search(r"\s", token.string[token.end() : following.start()])
