"""Perturbations that change a rationale's length: counts, sets, order, drawn by hand."""

import itertools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cotjax.targets.edits import Drop, Duplicate, FillRandom, FillRepeat, Insert, Shorten
from cotjax.targets.transforms import Mask
from tests.targets.rationales import (
    FRACTIONS,
    RATIONALES,
    SEEDS,
    batch_of,
    draw,
    edit,
    source_of,
    units_said,
)

GOALS = st.integers(1, 30)
PERTURBED = [Drop(), Duplicate(), Insert(), FillRandom(), FillRepeat(), Shorten()]


def own(rationales):
    """What is said without any edit."""
    return [
        [(r, u, t) for u, size in enumerate(sizes) for t in range(size)]
        for r, sizes in enumerate(rationales)
    ]


def rounded(fraction, count):
    return int(np.floor(fraction * count + 0.5))


def num_dropped(fraction, count):
    """Below a fraction of 1 one unit stays."""
    return min(rounded(fraction, count), count - (fraction < 1))


def is_within(part, whole):
    """Whether `part` is a subsequence of `whole`."""
    rest = iter(whole)
    return all(item in rest for item in part)


def two_fractions(kind, rationales, seed, fractions):
    """Units said of each rationale at the lower and at the higher fraction."""
    both = [edit(kind(fraction=fraction), rationales, seed) for fraction in sorted(fractions)]
    return [[units_said(tokens) for tokens in said] for said in both]


@settings(deadline=None)
@given(RATIONALES, SEEDS, st.tuples(FRACTIONS, FRACTIONS))
def test_drops_are_exact_and_nested(rationales, seed, fractions):
    few, many = two_fractions(Drop, rationales, seed, fractions)
    for row, sizes in enumerate(rationales):
        for said, fraction in zip((few, many), sorted(fractions), strict=True):
            assert len(said[row]) == len(sizes) - num_dropped(fraction, len(sizes))
        assert is_within(many[row], few[row])
        assert is_within(few[row], units_said(own(rationales)[row]))


@settings(deadline=None)
@given(RATIONALES, SEEDS, st.tuples(FRACTIONS, FRACTIONS))
def test_duplicates_are_exact_in_place_and_nested(rationales, seed, fractions):
    few, many = two_fractions(Duplicate, rationales, seed, fractions)
    for row, sizes in enumerate(rationales):
        assert is_within(few[row], many[row])
        for said, fraction in zip((few, many), sorted(fractions), strict=True):
            assert len(said[row]) == len(sizes) + rounded(fraction, len(sizes))
            runs = [list(run) for _, run in itertools.groupby(said[row])]
            assert [run[0] for run in runs] == [(row, unit) for unit in range(len(sizes))]
            assert {len(run) for run in runs} <= {1, 2}


@settings(deadline=None)
@given(RATIONALES, SEEDS, st.tuples(FRACTIONS, FRACTIONS))
def test_insertions_are_exact_nested_and_anothers(rationales, seed, fractions):
    rationales = [*rationales, [1, 1]]
    few, many = two_fractions(Insert, rationales, seed, fractions)
    for row, sizes in enumerate(rationales):
        donor = (row + 1) % len(rationales)
        assert is_within(few[row], many[row])
        for said, fraction in zip((few, many), sorted(fractions), strict=True):
            mine = [unit for r, unit in said[row] if r == row]
            theirs = Counter(unit for r, unit in said[row] if r == donor)
            count = rounded(fraction, len(sizes))
            assert mine == list(range(len(sizes)))
            assert theirs.total() == count == len(said[row]) - len(mine)
            # Each of the other's steps is said before any is said again.
            of_donor = [theirs[unit] for unit in range(len(rationales[donor]))]
            assert max(of_donor) - min(of_donor) <= 1
            assert not said[row] or said[row][0] == (row, 0)  # after a step, never before the first


@settings(deadline=None)
@given(RATIONALES, SEEDS, GOALS)
def test_random_filler_leads_to_the_length(rationales, seed, goal):
    for row, said in enumerate(edit(FillRandom(), rationales, seed, goal)):
        mine = own(rationales)[row]
        assert said[: len(mine)] == mine
        assert len(said) == max(len(mine), goal)
        starts = [k for k, (*_, place) in enumerate(said) if place == 0]
        for start, end in itertools.pairwise(starts):  # whole words, but for the last
            r, u, _ = said[start]
            assert said[start:end] == [(r, u, t) for t in range(rationales[r][u])]


@settings(deadline=None)
@given(RATIONALES, SEEDS, GOALS)
def test_repetition_leads_to_the_length(rationales, seed, goal):
    for row, said in enumerate(edit(FillRepeat(), rationales, seed, goal)):
        mine = own(rationales)[row]
        assert said == (mine * goal)[: max(len(mine), goal)]


@settings(deadline=None)
@given(RATIONALES, SEEDS, st.tuples(GOALS, GOALS))
def test_shortened_rationales_fit_and_are_nested(rationales, seed, goals):
    low, high = (edit(Shorten(), rationales, seed, goal) for goal in sorted(goals))
    for row, mine in enumerate(own(rationales)):
        assert is_within(low[row], high[row])
        assert is_within(high[row], mine)
        for said, goal in zip((low[row], high[row]), sorted(goals), strict=True):
            assert 1 <= len(said) <= goal
            if len(mine) <= goal:
                assert said == mine
            sizes = Counter(unit for _, unit, _ in said)
            if any(rationales[row][unit] != size for unit, size in sizes.items()):
                assert len(sizes) == 1  # one step alone may be cut
                assert len(said) == goal
                assert [place for *_, place in said] == list(range(goal))


def test_a_step_is_dropped_only_where_it_must_be():
    """Of steps of 3, 3 and 3 tokens, two fit into 6 to 8 tokens."""
    for goal, left in ((9, 3), (8, 2), (6, 2), (5, 1), (3, 1), (2, 1)):
        for said in edit(Shorten(), [[3, 3, 3]] * 20, goals=goal):
            assert len({unit for _, unit, _ in said}) == left


@pytest.mark.parametrize("perturbation", [Shorten(), FillRandom(), FillRepeat()])
def test_a_target_without_a_reference_stays(perturbation):
    assert edit(perturbation, [[2, 1], [3], []], goals=0) == own([[2, 1], [3], []])


@pytest.mark.parametrize("kind", [Drop, Duplicate, Insert])
def test_nothing_changes_at_zero(kind):
    rationales = [[2, 1], [3], [], [1, 1, 1]]
    assert edit(kind(fraction=0.0), rationales) == own(rationales)


def test_no_short_rationale_is_dropped_whole():
    rationales = [[2], [1, 1], [1] * 5, []]
    for fraction in (0.5, 0.9, 0.99):
        left = [len(units_said(said)) for said in edit(Drop(fraction=fraction), rationales)]
        assert left[:2] == [1, 1]
        assert left[2:] == [5 - min(rounded(fraction, 5), 4), 0]


def test_edits_at_their_ends():
    rationales = [[2, 1], [3]]
    assert edit(Drop(fraction=1.0), rationales) == [[], []]
    a, b, c = [(0, 0, 0), (0, 0, 1)], [(0, 1, 0)], [(1, 0, 0), (1, 0, 1), (1, 0, 2)]
    assert edit(Duplicate(fraction=1.0), rationales) == [a + a + b + b, c + c]
    # The second has one step: it is inserted after both of the first's.
    first, second = edit(Insert(fraction=1.0), rationales)
    assert first == a + c + b + c
    assert second in (c + a, c + b)


@pytest.mark.parametrize("perturbation", PERTURBED)
def test_rationales_without_a_token_are_no_error(perturbation):
    assert edit(perturbation, [[], []]) == [[], []]
    first, second, third = edit(perturbation, [[], [2, 1], []], goals=4)
    assert first == third == [] or isinstance(perturbation, FillRandom)
    assert second != []


def test_a_next_donor_gives_what_the_first_lacks():
    """The first rationale has four places; the others have one step, none and two."""
    rationales = [[1] * 4, [3], [], [2, 2]]
    donors = [[1, 2, 3], [0, 0, 0], [0, 0, 0], [2, 1, 0]]
    first, *_, last = edit(Insert(fraction=1.0), rationales, donors=donors)
    inserted = {(r, u) for r, u, _ in first if r != 0}
    assert inserted == {(1, 0), (3, 0), (3, 1)}
    theirs = Counter((r, u) for r, u in units_said(first) if r != 0)
    assert theirs == {(1, 0): 2, (3, 0): 1, (3, 1): 1}  # then from the first again
    assert {r for r, _, _ in last if r != 3} == {0, 1}  # none of the one without steps
    assert edit(Insert(fraction=0.25), rationales, donors=donors)[0].count((1, 0, 0)) == 1


def test_insert_takes_nothing_from_an_empty_rationale():
    assert edit(Insert(fraction=1.0), [[2, 1], []]) == own([[2, 1], []])


@pytest.mark.parametrize("perturbation", PERTURBED)
def test_an_edit_does_not_depend_on_the_batch(perturbation):
    rationales = [[1, 3, 2], [2], [1] * 9, [2, 2, 1, 1], []]
    whole = edit(perturbation, rationales, goals=7)
    for row in range(5):
        assert edit(perturbation, rationales, goals=7, targets=[row]) == [whole[row]]
    assert edit(perturbation, rationales, goals=7, targets=[3, 1]) == [whole[3], whole[1]]


@settings(deadline=None)
@given(RATIONALES, SEEDS, FRACTIONS)
def test_numpy_drops_what_the_graph_masks(rationales, seed, fraction):
    """The same keys in both: with one stream, the words dropped are the words masked.

    Only the last word is masked and not dropped.
    """
    fraction = 1.0 if any(rounded(fraction, len(r)) == len(r) for r in rationales) else fraction
    tokens, units, lengths = batch_of(rationales)
    stream = draw(len(rationales), seed)
    mask = Mask(fraction=fraction, mask_token=99)
    masked = mask.transform(*map(tf.constant, (tokens, units, lengths, stream))).numpy() == 99
    everything = np.arange(len(rationales))
    places, kept = Drop(fraction=fraction).edit(
        source_of(rationales), everything, everything[:, None], stream
    )
    inside = np.arange(tokens.shape[1]) < lengths[:, None]
    np.testing.assert_array_equal(np.flatnonzero(~masked[inside]), places)
    np.testing.assert_array_equal((inside & ~masked).sum(axis=1), kept)


def test_filler_words_are_as_frequent_as_in_the_run():
    counts = Counter()
    for seed in range(300):
        for row, said in enumerate(edit(FillRandom(), [[2], [2, 2, 2]], seed, goals=16)):
            counts.update((r, u) for r, u in units_said(said[[2, 6][row] :]))
    assert len(counts) == 4
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


def test_every_unit_is_as_likely_to_go():
    gone = Counter()
    for said in edit(Drop(fraction=0.25), [[1] * 4] * 4000):
        gone.update({0, 1, 2, 3} - {unit for _, unit, _ in said})
    assert stats.chisquare([gone[unit] for unit in range(4)]).pvalue > 1e-4


def test_edits_are_pinned():
    """A change here would change every published run."""
    rationales = [[1] * 6, [1] * 3]

    def units(perturbation, goal=0):
        return [unit for _, unit, _ in edit(perturbation, rationales, goals=goal)[0]]

    assert units(Drop()) == [2, 3, 4]
    assert units(Duplicate()) == [0, 1, 2, 2, 3, 4, 4, 5, 5]
    inserted = {k: unit for k, (r, unit, _) in enumerate(edit(Insert(), rationales)[0]) if r == 1}
    assert inserted == {1: 1, 3: 0, 8: 2}
    assert units(FillRandom(), 9)[6:] == [0, 0, 4]
    assert units(Shorten(), 3) == [0, 2, 5]
