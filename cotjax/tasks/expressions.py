"""Arithmetic expressions: their exact values, when two are the same, and how one is written.

Nothing is ever handed to Python's own evaluator: labels and answers come from files and models.
"""

import re
import unicodedata
from fractions import Fraction

MAX_LENGTH = 1_000  # characters: PaLM repeats a digit until its budget is spent
MAX_DEPTH = 32  # brackets, signs and exponents inside each other
MAX_BITS = 1_024  # of a numerator or denominator: the range of a double
TOLERANCE = Fraction(1, 10**6)
MAX_PLACES = 6  # decimals: rounding is then off by half the tolerance at most

# A mixed number such as 2 1/2; an integer or decimal, perhaps with thousands separators; .5, but
# not where a sentence ends in "sun.5".
NUMBER = (
    r"(?:\d+\s+\d{1,3}/\d{1,3}(?![\d.]*\d)"
    r"|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    r"|(?<![\w.])\.\d+)"
)
CURRENCY = r"[$€£₹]|\bRs\b\.?"

_SIGNS = str.maketrans("−–×⋅·∙✕✖÷∕⁄", "--******///")
_FRACTION = re.compile("[¼-¾⅐-⅞]")
_EXPONENT = re.compile("[²³]")
_TOKEN = re.compile(rf"\s*(?:(?P<number>{NUMBER})|(?P<sign>\*\*|[-+*/^()%]))\s*")


class ExpressionError(ValueError):
    """What `evaluate` was given has no value; the message says why."""


def ascii_signs(text: str) -> str:
    """Returns `text` with its operators and fractions in ASCII, as T5's vocabulary needs them."""
    text = _FRACTION.sub(lambda sign: f" {Fraction(_numeric(sign[0]))}", text.translate(_SIGNS))
    return _EXPONENT.sub(lambda sign: {"²": "^2", "³": "^3"}[sign[0]], text)


def evaluate(text: str) -> Fraction:
    """Returns the exact value of an expression.

    It may hold + - * / × ÷ ^ **, brackets, signs, percent (a hundredth) and currency (no unit).

    Raises:
      ExpressionError: where it is none, divides by zero, or is too long, too deep or too large.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"has {len(text)} characters, more than {MAX_LENGTH}")
    parser = _Parser(re.sub(CURRENCY, " ", ascii_signs(text)))
    value = parser.sum()
    if parser.next:
        raise ExpressionError(f"has {parser.next!r} where it should end")
    return value


def same_value(one: Fraction, other: Fraction) -> bool:
    """Whether two values differ by 1e-6 at most (Ho et al. 2023).

    The difference is absolute: values are exact, so large ones need no more room, and a relative
    one would take 1,000,000 for 1,000,001.
    """
    return abs(one - other) <= TOLERANCE


def to_decimal(value: Fraction) -> str:
    """Returns the shortest decimal of the same value: `42`, `-3.5`, `0.333333`."""
    for places in range(MAX_PLACES + 1):
        scaled = round(value * 10**places)
        if same_value(Fraction(scaled, 10**places), value):
            break
    digits = f"{abs(scaled):0{places + 1}d}"
    point = len(digits) - places
    decimals = f".{digits[point:]}" if places else ""
    return f"{'-' * (scaled < 0)}{digits[:point]}{decimals}"


class _Parser:
    """Recursive descent over tokens: `next` is the one to be read, empty at the end."""

    def __init__(self, text: str):
        self._text, self._end, self._depth = text, 0, 0
        self.next = ""
        self._advance()

    def sum(self) -> Fraction:
        value = self._product()
        while self.next in ("+", "-"):
            sign = -1 if self._take() == "-" else 1
            value = _bounded(value + sign * self._product())
        return value

    def _product(self) -> Fraction:
        value = self._factor()
        while self.next in ("*", "/"):
            if self._take() == "*":
                value = _bounded(value * self._factor())
            elif divisor := self._factor():
                value = _bounded(value / divisor)
            else:
                raise ExpressionError("divides by zero")
        return value

    def _factor(self) -> Fraction:
        """A sign binds less than an exponent, as in Python: -2^2 is -4."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"is more than {MAX_DEPTH} deep")
        if self.next in ("+", "-"):
            sign = -1 if self._take() == "-" else 1
            value = sign * self._factor()
        else:
            value = self._atom()
            if self.next in ("^", "**"):
                self._take()
                value = _power(value, self._factor())
        self._depth -= 1
        return value

    def _atom(self) -> Fraction:
        token = self._take()
        if token == "(":
            value = self.sum()
            if self._take() != ")":
                raise ExpressionError("has a bracket that is not closed")
        elif re.fullmatch(NUMBER, token):
            value = _bounded(_to_number(token))
        else:
            found = f"has {token!r}" if token else "ends"
            raise ExpressionError(f"{found} where a number should be")
        if self.next == "%":
            self._take()
            value /= 100
        return value

    def _take(self) -> str:
        token = self.next
        self._advance()
        return token

    def _advance(self) -> None:
        match = _TOKEN.match(self._text, self._end)
        if not match and self._text[self._end :].strip():
            raise ExpressionError(f"has {self._text[self._end :].strip()[:20]!r}")
        self.next = (match["number"] or match["sign"]) if match else ""
        self._end = match.end() if match else self._end


def _numeric(sign: str) -> str:
    """`1/2` of ½."""
    return unicodedata.normalize("NFKC", sign).replace("\u2044", "/")


def _to_number(token: str) -> Fraction:
    """Reads `1,234.5`, and `2 1/2` as a sum."""
    try:  # between the two of a mixed number stands white space of any kind
        return sum(map(Fraction, token.replace(",", "").split()), Fraction(0))
    except ZeroDivisionError as error:
        raise ExpressionError("divides by zero") from error


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator != 1:
        raise ExpressionError("has an exponent that is not an integer")
    if abs(exponent) * bits > MAX_BITS:
        raise ExpressionError("is too large")
    if exponent < 0 and not base:
        raise ExpressionError("divides by zero")
    return _bounded(base ** int(exponent))


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise ExpressionError("is too large")
    return value
