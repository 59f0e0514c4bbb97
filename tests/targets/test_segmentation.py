"""Where steps begin: drawn by hand, as properties, and on real rationales cut by reading them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.targets.segmentation import keep_lines, step_starts
from tests.targets.cut_by_hand import agreement

CHARACTERS = st.sampled_from([*"aB1A2 .:-\n?)(", "Step 2:", "e.g. ", "3. ", "= ", "∴", "\u00a0"])
TEXTS = st.lists(CHARACTERS, max_size=40).map("".join).map(keep_lines)


def cut(text):
    """The steps of a text; | stands where each but the first begins."""
    return "|".join(text[a:b] for a, b in itertools.pairwise([*step_starts(text), len(text)]))


@pytest.mark.parametrize(
    "steps",
    [
        "",
        "One step",
        "It is 3.5 km. |So it is far! |Is it? |Yes.",
        "He gave away 70. |So he had 10 left.",
        "Pi is 3.14. |Then 2.5 is less.",
        "Mr. Smith met Dr. No in St. Paul. |They left.",
        "John F. Kennedy lived in the U.S. capital. |Then he died in the U.S. |The rest is known.",
        "They eat meat, e.g. Mice, and so on... |Then they sleep.",
        "The number of boys is B. |There are 3 girls.",
        'She said "No." |He left (at once). |All is well.',
        # Lists: a mark goes with its item, with or without white space before it.
        "We know:\n|1. Ann has 3 pears.\n|2. Bob has 12.\n|3. So 15.",
        "We know: |1. Ann has 3 pears. |2. Bob has: 12. |3. So 15.",
        "We know:|1. Ann has 3 pears.|2. Bob has 12.|3. So 15.",
        "1. The sun.|2. A: a lamp.|3. B: the sun.",
        "1. Ann has 12.|2. Bob has 3.5 or 4.|3. Neither.",
        "1. Add 3 and 415 |2. Take (309 - 1).",
        "Look at each: |- A: no, it is not. |- B: yes.",
        "Step 1: Count them.|Step 2: Add them. |They are 5.",
        "A: ice melts.|B: rock does not.|C: air is a gas.",
        "We have: |A. Ice melts. |B. Rock does not. |C. Air is a gas.",
        # A colon, a comma or a semicolon ends no step; a sign for `so` after a comma neither.
        "Subtract: 42 - 19 = 23; 23 is left, ∴ x = 23.",
        "x = T * A.|∴ x = 4 * 7.",
        # Full stops that were lost.
        "Ann: 6 hours|Bob: 2 hours|Step 2: Add them.",
        "x + 18 = 23 |x = 5 |So he had 5.",
        "557 g + 17 g = 574 g.",
        "Answer choices: A: a shark, B: a bamboo stalk, C: a man |Plants have xylem.",
    ],
)
def test_steps_are_as_drawn(steps):
    assert cut(steps.replace("|", "")) == steps


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        (" \n\n ", ""),
        ("\n 1. One\u00a0 two \r\n\n\t2.  Three\n", "1. One two\n2. Three"),
    ],
)
def test_lines_that_are_kept(text, kept):
    assert keep_lines(text) == kept


@given(st.text(max_size=40))
def test_keeping_lines_keeps_the_words(text):
    assert keep_lines(text).split() == text.split()
    assert keep_lines(keep_lines(text)) == keep_lines(text)


@given(TEXTS)
def test_steps_follow_each_other_without_a_gap(text):
    starts = step_starts(text)
    assert starts == sorted(set(starts))
    assert starts[:1] == [0] * bool(text)
    assert all(start < len(text) for start in starts)
    lines = {place + 1 for place, character in enumerate(text) if character == "\n"}
    assert lines <= set(starts)


@pytest.mark.parametrize(
    ("use", "precision", "recall", "right"),
    [  # a little below what was measured
        ("tuning", 0.99, 0.98, 0.98),
        ("held out", 0.99, 0.98, 0.96),
        ("drawn afterwards", 0.99, 0.99, 0.98),
        ("drawn by hash", 0.99, 0.99, 0.97),
    ],
)
def test_real_rationales_are_cut_as_by_hand(shared, use, precision, recall, right):
    found = agreement(shared, [use])
    assert found.precision >= precision
    assert found.recall >= recall
    assert 1 - found.wrong / found.rationales >= right
