"""Donors: rationales of another label, word for word in another's place."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.attribution.donors import Donors
from cotjax.errors import InputError

UNKNOWN = 2
# Tokens and words: a template with two names of one or two tokens, and one that is longer.
RATIONALES = [
    ([10, 5, 11, 12], [0, 1, 2, 2]),  # "a is bb"
    ([20, 21, 5, 22], [0, 0, 1, 2]),  # "cc is d"
    ([30, 5, 31, 6, 32], [0, 1, 2, 3, 4]),  # "e is f and g"
    ([40, 5], [0, 1]),  # "h is"
]


def donors(labels: str = "abbb", names: str = "wxyz") -> Donors:
    return Donors(list(names), list(labels), RATIONALES, UNKNOWN)


@pytest.mark.parametrize(
    ("number", "labels", "expected"),
    [
        (0, "abaa", [20, 5, 22, UNKNOWN]),  # of "cc" the first token, of "d" no second one
        (0, "aaba", [30, 5, 31, UNKNOWN]),  # more words are left out
        (0, "aaab", [40, 5, UNKNOWN, UNKNOWN]),  # and missing ones can't be read
        (1, "baaa", [10, UNKNOWN, 5, 11]),
        (2, "aaab", [40, 5, UNKNOWN, UNKNOWN, UNKNOWN]),
    ],
)
def test_words_stand_in_place_of_words(number, labels, expected):
    words = [1 + word for word in RATIONALES[number][1]]
    assert donors(labels).instead_of(number, words, 1) == [expected]
    around = [0, 0, *words, 0]  # other tokens, whatever stands there
    assert donors(labels).instead_of(number, around, 1)[0][2:-1] == expected


def test_those_of_as_many_words_come_first():
    first = [row[0] for row in donors("abbb").instead_of(0, [1, 2, 3, 3], 3)]
    assert first[0] == 20
    assert sorted(first) == [20, 30, 40]


def test_a_label_of_ones_own_is_no_donor():
    assert {row[0] for row in donors("abab").instead_of(0, [1], 2)} == {20, 40}
    with pytest.raises(InputError, match=r"--donors=3: only 2 rationales .* than w; give fewer"):
        donors("abab").instead_of(0, [1], 3)


def test_draws_depend_on_the_name_alone():
    many = [([number], [0]) for number in range(200)]
    labels = ["a", "a", *"b" * 198]

    def drawn(first: str, second: str) -> list[list[list[int]]]:
        names = [first, second, *map(str, range(198))]
        made = Donors(names, labels, many, UNKNOWN)
        return [made.instead_of(number, [1], 8) for number in (0, 1)]

    mine, other = drawn("x", "y")
    assert drawn("x", "z")[0] == mine
    assert drawn("y", "x") == [other, mine]
    assert mine != other


LENGTHS_AND_LABELS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), min_size=2)


@given(LENGTHS_AND_LABELS, st.data())
def test_donors_are_the_nearest_in_length_of_all_others(rationales, data):
    """As every other rationale's distance says."""
    made = Donors(
        [f"n{number}" for number in range(len(rationales))],
        [label for _, label in rationales],
        [([0] * words, range(words)) for words, _ in rationales],
        UNKNOWN,
    )
    number = data.draw(st.integers(0, len(rationales) - 1))
    words, label = rationales[number]
    others = [other for other, (_, its) in enumerate(rationales) if its != label]
    count = data.draw(st.integers(0, len(others)))
    drawn = made._of(number, count)
    assert len(set(drawn)) == count
    assert set(drawn) <= set(others)
    distances = sorted(abs(rationales[other][0] - words) for other in others)
    assert [abs(rationales[other][0] - words) for other in drawn] == distances[:count]


def test_of_those_equally_near_each_is_drawn_as_often():
    """A word less or more; nothing else is as near, and own labels never come."""
    words = [2, 4, 4, 2, 1, *[3] * 2_000]
    made = Donors(
        [f"n{number}" for number in range(len(words))],
        [*"bbcbb", *"a" * 2_000],
        [([0] * count, range(count)) for count in words],
        UNKNOWN,
    )
    drawn = Counter(made._of(number, 1)[0] for number in range(5, len(words)))
    assert set(drawn) == {0, 1, 2, 3}
    assert np.abs(np.array(list(drawn.values())) - 500).max() < 5 * np.sqrt(2_000 * 3 / 16)
