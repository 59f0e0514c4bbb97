"""Filters at equal budget: what they keep, and that it is as many as asked."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from cotjax.errors import InputError
from cotjax.targets.filters import FILTERS, Pool, diverse, likely, open_ended, random, share_out

TEXTS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=6).map(" ".join)


def pool(texts, logprobs=None, keys=None):
    texts = list(texts)
    keys = range(len(texts)) if keys is None else keys
    return Pool(texts, logprobs or [0.0] * len(texts), np.array(keys, np.uint32))


@st.composite
def pools(draw):
    """Questions with one to eight rationales of few words, so that some are the same."""
    questions = draw(st.lists(st.lists(TEXTS, min_size=1, max_size=8), min_size=1, max_size=8))
    seeds = np.random.default_rng(draw(st.integers(0, 9)))
    return [
        pool(texts, [-float(n % 3) for n in range(len(texts))], seeds.permutation(len(texts)))
        for texts in questions
    ]


@pytest.mark.parametrize("name", FILTERS)
@given(pools(), st.integers(1, 9))
def test_the_budget_is_kept(name, questions, k):
    kept = FILTERS[name](questions, k)
    sizes = [len(one.texts) for one in questions]
    assert sum(map(len, kept)) == sum(min(size, k) for size in sizes)
    for positions, size in zip(kept, sizes, strict=True):
        assert positions == sorted(set(positions))
        assert positions
        assert positions[-1] < size
        if name != "open_ended":
            assert len(positions) == min(size, k)


@pytest.mark.parametrize("name", ["random", "likely"])
@given(pools(), st.integers(1, 8))
def test_more_are_the_same_and_others(name, questions, k):
    fewer, more = (FILTERS[name](questions, number) for number in (k, k + 1))
    assert all(set(a) <= set(b) for a, b in zip(fewer, more, strict=True))


def test_random_keeps_the_smallest_keys():
    assert random([pool("abcd", keys=[7, 1, 9, 3])], 2) == [[1, 3]]


def test_likely_keeps_the_likeliest_and_of_equals_the_first():
    assert likely([pool("abcd", [-3.0, -1.0, -2.0, -1.0])], 2) == [[1, 3]]
    assert likely([pool("abc", [-1.0, -1.0, -1.0])], 2) == [[0, 1]]


def test_likely_needs_log_probabilities():
    with pytest.raises(InputError, match="1 of 3 rationales have no mean_logprob"):
        likely([pool("ab", [-1.0, None]), pool("c")], 1)


MODES = ("she walks to the bank", "he swims in a cold river", "seven plus two is nine")


def test_diverse_keeps_one_of_each_planted_mode():
    """Nine rationales: three ways to argue, each said three times with another last word."""
    texts = [f"{mode} {end}" for end in ("now", "then", "so") for mode in MODES]
    for seed in range(5):
        keys = np.random.default_rng(seed).permutation(9)
        (kept,) = diverse([pool(texts, keys=keys)], 3)
        assert sorted(position % 3 for position in kept) == [0, 1, 2]
        best = [min(range(mode, 9, 3), key=lambda p: keys[p]) for mode in range(3)]
        assert kept == sorted(best)  # of a cluster the smallest key


def jaccard(one, other):
    """Distance of the sets of words and pairs of words, written out."""

    def parts(text):
        words = text.lower().split()
        return {*words, *itertools.pairwise(words)}

    shared = parts(one) & parts(other)
    return 1 - len(shared) / len(parts(one) | parts(other))


def test_clusters_are_those_of_scipy():
    random_words = np.random.default_rng(0)
    words = [f"w{n}" for n in range(40)]
    for _ in range(5):
        texts = [" ".join(random_words.choice(words, 12)) for _ in range(12)]
        distances = np.array([[jaccard(one, other) for other in texts] for one in texts])
        tree = linkage(squareform(distances), "average")
        for k in (2, 5, 9):
            clusters = fcluster(tree, k, "maxclust")
            (kept,) = diverse([pool(texts)], k)
            expected = [int(np.flatnonzero(clusters == c)[0]) for c in range(1, k + 1)]
            assert kept == sorted(expected)


def test_diverse_tells_apart_what_is_said_in_another_case_or_twice():
    (kept,) = diverse([pool(["a b c", "A  b c", "d e f", "a b c"])], 2)
    assert kept == [0, 2]


def varied(bigrams, count=9):
    """`count` rationales with so many different pairs of words among them."""
    return pool([" ".join(f"w{n}" for n in range(bigrams + 1))] * count)


def test_open_ended_keeps_by_fifths():
    """At five on average: 1, 3, 5, 7, 9 of a question (Li et al. 2023)."""
    order = [4, 0, 3, 1, 2, 9, 5, 8, 6, 7]
    kept = open_ended([varied(10 + rank) for rank in order], 5)
    expected = {0: 1, 1: 1, 2: 3, 3: 3, 4: 5, 5: 5, 6: 7, 7: 7, 8: 9, 9: 9}
    assert [len(positions) for positions in kept] == [expected[rank] for rank in order]


@given(st.permutations(range(12)), st.integers(1, 9))
def test_open_ended_gives_no_tie_to_the_question_that_comes_first(order, k):
    """Of some, all have as many pairs of words; their keys decide, wherever they stand."""
    pairs = [3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 7, 7]
    questions = [pool(varied(n, 9).texts, keys=range(q, 108, 12)) for q, n in enumerate(pairs)]
    kept = open_ended(questions, k)
    assert open_ended([questions[q] for q in order], k) == [kept[q] for q in order]


@pytest.mark.parametrize(
    ("k", "available", "sizes"),
    [
        (1, [9, 9, 9, 9, 9], [1, 1, 1, 1, 1]),  # every question keeps one
        (2, [9, 9, 9, 9, 9], [1, 1, 2, 3, 3]),  # wanted: 0.4, 1.2, 2, 2.8, 3.6
        (10, [30] * 5, [2, 6, 10, 14, 18]),
        (5, [9, 9, 9, 9, 4], [2, 4, 6, 8, 4]),  # what one hasn't, the others keep
        (5, [3, 3, 3, 3, 3], [3, 3, 3, 3, 3]),
    ],
)
def test_open_ended_scales_to_k_and_to_what_there_is(k, available, sizes):
    questions = [varied(10 + rank, count) for rank, count in enumerate(available)]
    assert [len(positions) for positions in open_ended(questions, k)] == sizes


def test_pairs_of_words_count_over_all_of_a_questions_rationales():
    same, different = pool(["a b c", "A b c"]), pool(["a b", "b c d"])
    assert [len(positions) for positions in open_ended([different, same], 1)] == [1, 1]
    (many, few) = open_ended([pool(["a b c"] * 3), pool(["a b", "c d", "e f"])], 2)
    assert (len(many), len(few)) == (1, 3)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 4)), min_size=1, max_size=4), st.data())
def test_shares_are_the_nearest_there_are(lines, data):
    """Compared with trying them all."""
    wanted, available = zip(*lines, strict=True)
    budget = data.draw(st.integers(len(wanted), sum(available)))

    def distance(shares):
        return sum((share - want) ** 2 for share, want in zip(shares, wanted, strict=True))

    shares = share_out(budget, wanted, available)
    every = itertools.product(*(range(1, most + 1) for most in available))
    best = min(distance(one) for one in every if sum(one) == budget)
    assert sum(shares) == budget
    assert all(1 <= share <= most for share, most in zip(shares, available, strict=True))
    assert distance(shares) == pytest.approx(best)
