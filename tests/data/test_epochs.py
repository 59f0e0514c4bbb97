"""The data order, and which of a question's rationales an epoch draws."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cotjax.data.epochs import draw_one, draw_weighted, epoch_order
from cotjax.data.steps import Steps
from cotjax.targets.keys import stable_hash
from tests.data.small import random_table, step_config

PER_QUESTION = st.lists(st.integers(1, 5), min_size=1, max_size=40)


def test_the_order_of_an_epoch_is_pinned():
    """A change here would change every published run."""
    order = epoch_order(np.ones(8, int), 1, 4, seed=3, epoch=2)
    reference = np.random.Generator(np.random.Philox(key=[3, 2])).permutation(8)
    np.testing.assert_array_equal(order, reference)
    np.testing.assert_array_equal(order, [7, 6, 4, 5, 1, 0, 3, 2])


@given(PER_QUESTION, st.integers(1, 4), st.integers(1, 16), st.integers(0, 3), st.integers(0, 3))
def test_every_target_stands_in_an_epoch_once(per_question, together, batch_size, seed, epoch):
    order = epoch_order(np.array(per_question), together, batch_size, seed, epoch)
    assert sorted(order) == list(range(sum(per_question)))


@given(st.integers(10, 40), st.integers(2, 4), st.integers(2, 5))
def test_targets_of_a_question_come_in_other_steps(questions, samples, batch_size):
    order = epoch_order(np.full(questions, samples), 1, batch_size, seed=0, epoch=0)
    for start in range(0, len(order), batch_size):
        asked = order[start : start + batch_size] // samples
        assert len(set(asked)) == len(asked)


def test_targets_of_a_question_stand_together_when_asked():
    order = epoch_order(np.full(10, 3), 3, 6, seed=0, epoch=0)
    for start in range(0, 30, 3):
        assert len(set(order[start : start + 3] // 3)) == 1


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=30),
    st.integers(2, 4),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_a_group_is_split_over_steps_only_where_none_fits(per_question, together, groups, epoch):
    """Groups are a question's targets, `together` a time; steps hold `groups` whole ones."""
    batch_size = together * groups
    order = epoch_order(np.array(per_question), together, batch_size, 0, epoch)
    question = np.repeat(np.arange(len(per_question)), per_question)
    within = np.concatenate([np.arange(count) for count in per_question])
    names = list(zip(question[order], within[order] // together, strict=True))
    runs = [(name, len(list(run))) for name, run in itertools.groupby(names)]
    assert len({name for name, _ in runs}) == len(runs)  # a group's targets are neighbours
    ends = np.cumsum([size for _, size in runs])
    for number, (_, size) in enumerate(runs):
        room = batch_size - (ends[number] - size) % batch_size
        if size > room:
            assert together > 2
            assert min(later for _, later in runs[number:]) > room


def drawn(per_question, seed, epoch, ids=None):
    """One target of each question, by its number among the question's own."""
    count = np.array(per_question)
    ids = [str(question) for question in range(len(count))] if ids is None else ids
    targets = draw_one(
        np.repeat(np.arange(len(count)), count),
        np.concatenate([np.arange(n) for n in count]),
        np.array([stable_hash(name) for name in ids], np.uint64),
        seed,
        epoch,
    )
    return targets - (np.cumsum(count) - count)


@given(PER_QUESTION, st.integers(0, 3), st.integers(0, 20))
def test_every_rationale_is_drawn_once_before_any_is_drawn_again(per_question, seed, shuffle):
    count = np.array(per_question)
    for question, number in enumerate(per_question):
        epochs = range(shuffle * number, (shuffle + 1) * number)
        of_question = [int(drawn(count, seed, epoch)[question]) for epoch in epochs]
        assert sorted(of_question) == list(range(number))


@given(PER_QUESTION, st.integers(0, 3), st.integers(0, 20), st.data())
def test_a_draw_depends_on_its_own_question_alone(per_question, seed, epoch, data):
    whole = drawn(per_question, seed, epoch)
    some = data.draw(st.lists(st.sampled_from(range(len(per_question))), min_size=1, unique=True))
    alone = drawn([per_question[q] for q in some], seed, epoch, ids=[str(q) for q in some])
    np.testing.assert_array_equal(alone, whole[some])


def test_draws_are_pinned_and_shuffled_anew():
    """A change here would change every published run."""
    epochs = np.array([drawn([1, 3, 4], seed=7, epoch=epoch) for epoch in range(8)])
    assert epochs[:, 0].tolist() == [0] * 8
    assert epochs[:, 1].tolist() == [2, 0, 1, 1, 2, 0, 0, 1]
    assert epochs[:, 2].tolist() == [3, 0, 2, 1, 1, 0, 2, 3]


def test_draws_are_even():
    """Of 4,000 questions with four rationales each about a quarter draws any of them."""
    counts = np.bincount(drawn([4] * 4000, seed=0, epoch=5))
    assert (abs(counts - 1000) < 5 * (4000 * 0.25 * 0.75) ** 0.5).all()


def drawn_weighted(weights, seed, epoch, ids=None):
    """One target of each question by their weights, by its number among the question's own."""
    count = np.array([len(its) for its in weights])
    ids = [str(question) for question in range(len(count))] if ids is None else ids
    targets = draw_weighted(
        np.repeat(np.arange(len(count)), count),
        np.concatenate(weights),
        np.array([stable_hash(name) for name in ids], np.uint64),
        seed,
        epoch,
    )
    return targets - (np.cumsum(count) - count)


WEIGHTS = st.lists(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5), min_size=1, max_size=20)


@given(WEIGHTS, st.integers(0, 3), st.integers(0, 20), st.data())
def test_a_weighted_draw_depends_on_its_own_question_alone(weights, seed, epoch, data):
    whole = drawn_weighted(weights, seed, epoch)
    assert ((whole >= 0) & (whole < [len(its) for its in weights])).all()
    some = data.draw(st.lists(st.sampled_from(range(len(weights))), min_size=1, unique=True))
    ids = [str(question) for question in some]
    alone = drawn_weighted([weights[question] for question in some], seed, epoch, ids)
    np.testing.assert_array_equal(alone, whole[some])


def test_weighted_draws_have_the_frequencies_of_their_weights():
    """By chi-square: over questions in one epoch, and over epochs of one question."""
    weights = [0.25, 0.5, 2.0, 0.75, 1.5]
    for seed in range(3):
        of_questions = drawn_weighted([weights] * 5_000, seed, epoch=3)
        of_epochs = [int(drawn_weighted([weights], seed, epoch)[0]) for epoch in range(2_000)]
        for draws in (of_questions, of_epochs):
            counts = np.bincount(draws, minlength=5)
            expected = len(draws) * np.array(weights) / sum(weights)
            assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_epochs_draw_independently():
    """What a question drew says nothing about what it draws next."""
    one, other = (drawn_weighted([[1.0, 3.0]] * 5_000, 0, epoch) for epoch in (0, 1))
    table = np.histogram2d(one, other, bins=2)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_only_the_ratio_of_weights_counts():
    weights = [[1.0, 3.0, 4.0]] * 200
    scaled = [[4.0, 12.0, 16.0]] * 200
    np.testing.assert_array_equal(drawn_weighted(weights, 0, 0), drawn_weighted(scaled, 0, 0))


def test_weighted_draws_are_pinned():
    """A change here, or on another machine, would change every published run."""
    weights = [[0.1, 0.7, 0.2], [1.0], [1 / 3, 1 / 3, 1 / 3, 2.0]]
    epochs = np.array([drawn_weighted(weights, seed=7, epoch=epoch) for epoch in range(8)])
    assert epochs[:, 0].tolist() == [2, 1, 1, 0, 2, 1, 1, 2]
    assert epochs[:, 1].tolist() == [0] * 8
    assert epochs[:, 2].tolist() == [3, 3, 0, 3, 1, 3, 3, 3]


def test_steps_of_a_mixture_draw_by_its_weights():
    """Three rationales a question, of which the second is never worth a draw."""
    table = random_table([3] * 30)
    weights = np.tile([1.0, 1e-12, 1.0], 30)
    steps = Steps(table, step_config(one_per_epoch=True, batch_size=10), weights)
    assert (steps.targets_per_epoch, steps.per_epoch) == (30, 3)
    epochs = []
    for epoch in range(4):
        targets = np.concatenate([steps.targets(3 * epoch + step)[0] for step in range(3)])
        assert sorted(table.question[targets]) == list(range(30))
        epochs.append(np.sort(targets))
    assert set(np.concatenate(epochs) % 3) == {0, 2}
    assert len({tuple(targets) for targets in epochs}) == 4
