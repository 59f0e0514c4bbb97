"""Expressions have the values that Python's fractions give them, or a reason to have none."""

import contextlib
import operator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.tasks.expressions import (
    MAX_DEPTH,
    MAX_LENGTH,
    ExpressionError,
    ascii_signs,
    evaluate,
    same_value,
    to_decimal,
)

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "×": operator.mul,
    "÷": operator.truediv,
    "−": operator.sub,
}


@st.composite
def numbers(draw) -> tuple[str, Fraction]:
    """A number as people write it, and its value."""
    thousandths = draw(st.integers(0, 10**9))
    value = Fraction(thousandths, 1000)
    written = draw(st.sampled_from(["{:.3f}", "{:,.3f}", "${:.3f}", "$ {:,.3f}"]))
    return written.format(thousandths / 1000), value


@st.composite
def joined(draw, parts) -> tuple[str, Fraction]:
    """Two expressions in brackets and an operator, and their value."""
    (one, left), (other, right) = draw(parts), draw(parts)
    sign = draw(st.sampled_from(list(OPERATORS)))
    if OPERATORS[sign] is operator.truediv and not right:
        sign = "*"
    space = draw(st.sampled_from(["", " "]))
    return f"({one}){space}{sign}{space}({other})", OPERATORS[sign](left, right)


EXPRESSIONS = st.recursive(numbers(), joined, max_leaves=8)


@given(EXPRESSIONS)
def test_brackets_say_what_belongs_together(expression):
    text, value = expression
    assert evaluate(text) == value


@given(st.lists(st.tuples(st.sampled_from("+-*/"), st.integers(1, 99)), max_size=8))
def test_products_come_first_and_both_go_from_left_to_right(rest):
    terms = [Fraction(7)]  # those of a sum; products are done as they come
    for sign, number in rest:
        if sign in "+-":
            terms.append(OPERATORS[sign](0, Fraction(number)))
        else:
            terms[-1] = OPERATORS[sign](terms[-1], number)
    assert evaluate("7" + "".join(f" {sign} {number}" for sign, number in rest)) == sum(terms)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("( 84.0 / 2.0 )", 42),
        ("1,234,567.5", Fraction(2_469_135, 2)),
        ("-$3", -3),
        ("$-3", -3),
        ("2 - -3", 5),
        ("2 – 3", -1),
        ("--3", 3),
        ("-2^2", -4),
        ("2**3**2", 512),
        ("2^-2", Fraction(1, 4)),
        ("5²", 25),
        ("25%", Fraction(1, 4)),
        ("20% * 50", 10),
        ("1/2", Fraction(1, 2)),
        ("2 1/2 * 2", 5),
        ("2½", Fraction(5, 2)),
        ("¾", Fraction(3, 4)),
        (".5 + .25", Fraction(3, 4)),
        ("8 ÷ 2 × 3 − 1", 11),
        ("Rs.500 + Rs 20", 520),
        (" 7 ", 7),
        ("٣ + 1", 4),  # digits of other scripts are digits
        ("3." + "3" * 250, Fraction(int("3" * 251), 10**250)),
    ],
)
def test_values(text, value):
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ends where a number should be"),
        ("1 +", "ends"),
        ("5 / 0", "divides by zero"),
        ("5 / (2 - 2)", "divides by zero"),
        ("1 1/0", "divides by zero"),
        ("0^-1", "divides by zero"),
        ("(1 + 2", "not closed"),
        ("1 + 2)", "'\\)' where it should end"),
        ("1 2", "'2' where it should end"),
        ("* 3", "'\\*' where a number should be"),
        ("some - 7", "has 'some - 7'"),
        ("7x", "has 'x'"),
        ("1e3", "has 'e3'"),
        ("__import__('os')", "has .__import__"),
        ("2^(1/2)", "exponent that is not an integer"),
        ("9^9^9", "too large"),
        ("9^999999999", "too large"),
        ("9" * 400, "too large"),
        ("*".join(["9" * 99] * 9), "too large"),
        ("1+" * MAX_LENGTH + "1", f"more than {MAX_LENGTH}"),
        ("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} deep"),
        ("-" * 900 + "1", f"more than {MAX_DEPTH} deep"),
        ("2^" * 400 + "1", f"more than {MAX_DEPTH} deep"),
    ],
)
def test_what_has_no_value_says_why(text, reason):
    with pytest.raises(ExpressionError, match=reason):
        evaluate(text)


def test_the_depth_limit_counts_what_is_inside_each_other():
    assert evaluate("(" * (MAX_DEPTH - 1) + "1" + ")" * (MAX_DEPTH - 1)) == 1
    assert evaluate("+".join(["(1)"] * 200)) == 200


@given(st.text("0123456789.,+-*/()^%$ ÷½²x", max_size=40))
def test_any_text_has_a_value_or_a_reason(text):
    with contextlib.suppress(ExpressionError):
        assert isinstance(evaluate(text), Fraction)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1/3", "0.333333", True),
        ("1/3", "0.33333", False),
        ("5", "5.000001", True),
        ("5", "5.0000011", False),
        ("1,000,000", "1,000,001", False),  # a relative 1e-6 would take them for one
        ("777622.0 - 202958.0", "574664", True),
        ("0.1 + 0.2", "0.3", True),
    ],
)
def test_the_difference_is_absolute(one, other, same):
    assert same_value(evaluate(one), evaluate(other)) is same
    assert same_value(evaluate(other), evaluate(one)) is same


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("84.0 / 2.0", "42"),
        ("7/2", "3.5"),
        ("-7/2", "-3.5"),
        ("-12", "-12"),
        ("1/3", "0.333333"),
        ("-2/3", "-0.666667"),
        ("1/16", "0.0625"),
        ("0 - 0.0000001", "0"),
        ("99.9999999", "100"),
        ("10^20", "100000000000000000000"),
    ],
)
def test_a_decimal_is_as_short_as_its_value_allows(text, decimal):
    assert to_decimal(evaluate(text)) == decimal


@given(st.fractions(max_denominator=10**9))
def test_a_decimal_has_the_same_value(value):
    decimal = to_decimal(value)
    assert same_value(Fraction(decimal), value)
    whole, point, places = decimal.partition(".")
    assert not point or not same_value(Fraction(f"{whole}.{places[:-1]}0"), value)


@given(st.text(max_size=20))
def test_ascii_signs_come_once(text):
    assert ascii_signs(ascii_signs(text)) == ascii_signs(text)
