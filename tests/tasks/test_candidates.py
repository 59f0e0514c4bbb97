"""Candidates are the numbers and expressions of prose; what only looks like one is not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.tasks.candidates import clean, find_candidates, whole_value
from cotjax.tasks.expressions import evaluate


def texts(text: str) -> list[str]:
    return [candidate.text for candidate in find_candidates(clean(text))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # Numbers, with units and currency.
        ("She has 5 apples and 1,234.50 dollars.", ["5", "1234.50"]),
        ("$17 for each, $ 28 in all", ["17", "28"]),
        ("it costs $9/t-shirt, 3 oranges/sack", ["9", "3"]),
        ("25% of them", ["25"]),
        ("5 cm², 12 m^2 and 3 * 4 ft^3", ["5", "12", "3 * 4"]),
        ("1.5e3 or 2E-4, not 1e9999", ["1.5 * 10 ^ 3", "2 * 10 ^ -4"]),
        ("1{,}000, 2,\\!500 and 3\u202f000", ["1000", "2500", "3000"]),
        ("minus 3, Negative $5, –7", ["-3", "-5", "-7"]),
        ("42 because it is hot - very. So 5", ["42", "5"]),
        ("10 apples - some apples = 3", []),
        ("2 1/2 hours, 3½ days", ["2 1/2", "3 1/2"]),
        ("-3, is -3, -$3, or $-3", ["-3", "-3", "-3", "-3"]),
        ("9Therefore, 12 marbles.So, 4", ["9", "12", "4"]),
        ("shines in the sun.2. A: heat", ["2"]),
        ("1,2,3", ["1", "2", "3"]),
        # Expressions.
        ("(16 * 17) * 4.", ["(16 * 17) * 4"]),
        ("( 84.0 / 2.0 )", ["84.0 / 2.0"]),
        ("((53 + 17))", ["53 + 17"]),
        ("(6 - (-5)).", ["6 - (-5)"]),
        ("8 ÷ 2 × 3 − 1", ["8 / 2 * 3 - 1"]),
        ("3 x 4 and 3x4", ["3 * 4", "3 * 4"]),
        ("2(3+4)", ["2 * (3 + 4)"]),
        ("20% * 50", ["20% * 50"]),
        ("((8 action figures + 10 cabinets) * 4 shelves).", ["(8 + 10) * 4"]),
        ("24 hours/day * 6 days", ["24 * 6"]),
        ("(28 - 13) and (28 - 15)", ["28 - 13", "28 - 15"]),
        ("12 marbles (4 + 8)", ["12", "4 + 8"]),
        # Of an equation, what it results in.
        ("79 - (24 + 51) = 79 - 75 = 4", ["4"]),
        ("18 (total kids) - 4 (kids on Monday) = 14 (kids on Tuesday)", ["14"]),
        ("2 beads / 32 necklaces = 1/16 bead per necklace", ["1 / 16"]),
        ("Difference (Movies - Books) = 16 - 19 = -3<br>", ["-3"]),
        ("x = 5", ["5"]),
        ("x = - 5", ["-5"]),
        ("81 - 60 = ?", ["81 - 60"]),
        # Operands without a number.
        ("(some - 7)", []),
        ("((some - 7) + 2).", []),
        ("(54 - (some - 28)).", []),
        ("(7 + x - 10).", []),
        ("(2 * x).", []),
        ("(7x = 14).", []),
        ("10/x, x/5, 2√3, √3 and 9π", []),
        ("level-3 and F2", []),
        # Cut short, or without value.
        ("((491 - 21", []),
        ("(9 + 6", []),
        ("5 / 0 or (1 / (2 - 2))", []),
        ("", []),
        # Mark-up.
        (r"\( 9 + 5 = 14 \), \[3 \times 4\], 8 \div 2", ["14", "3 * 4", "8 / 2"]),
        (r"$\frac{3}{4}$, \boxed{42}, \$5, 16\text{ kg}", ["(3) / (4)", "42", "5", "16"]),
        ("He sold 48/2 = <<48/2=24>>24 clips, **42** in all, 2**3", ["24", "42", "2 ^ 3"]),
        ('<answer> 16</answer> <3> "4"', ["16", "3", "4"]),
        ("- 5 apples\n* 6 pears", ["5", "6"]),
    ],
)
def test_candidates(text, found):
    assert texts(text) == found


@given(st.text(max_size=60) | st.text("0123456789.,+-*/()=^%$ ÷½²x√ab\\{}<>\n", max_size=60))
def test_every_candidate_has_its_value_and_place(text):
    text, end = clean(text), 0
    for candidate in find_candidates(text):
        assert end <= candidate.start < candidate.end <= len(text)
        end = candidate.end
        assert whole_value(candidate.text) == candidate.value


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0 because (or not) it", (0, 1)),
        ("(all of them) 5 (red) + 4 = 9 apples (really).", (14, 29)),
        ("so (3 + 4) (in all)", (3, 10)),
    ],
)
def test_words_and_asides_at_either_end_are_no_part_of_a_candidate(text, place):
    (candidate,) = find_candidates(text)
    assert (candidate.start, candidate.end) == place


@pytest.mark.parametrize(
    "text",
    [
        "(" * 1_000,
        "(1+" * 1_000,
        "1+" * 1_000,
        "-" * 1_000,
        "1 " * 1_000,
        "(a " * 1_000,
        "1" * 3_000,
    ],
)
def test_long_texts_take_no_long_time(text):
    start = time.monotonic()
    find_candidates(clean(text))
    assert time.monotonic() - start < 5  # 0.4 s; without bounds, for ever


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("72", "72"),
        ("1,000", "1000"),
        ("7-2=5", "5"),
        ("9 (apples)", "9"),
        ("$25", "25"),
        ("25%", "25"),
        ("Rs.1,500", "1500"),
        ("12 days", "12"),
        ("-5.", "-5"),
        ("( 84.0 / 2.0 )", "42"),
        ("2:3", None),
        ("4 hours 30 minutes", None),
        ("2√3", None),
        ("> 5", None),
        ("None of these", None),
        ("6 / 0", None),
        ("", None),
    ],
)
def test_the_value_of_a_whole_text(text, value):
    assert whole_value(text) == (None if value is None else evaluate(value))
