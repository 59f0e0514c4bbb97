"""The fewest targets that make gradients overflow, and steps that do without them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.data.steps import StepConfig, Steps
from cotjax.errors import InputError
from cotjax.targets.orders import make_order
from cotjax.targets.perturb import PERTURBATIONS
from cotjax.training.at_fault import Part, rows_at_fault, smallest_bad
from cotjax.training.left_out import MOST_RETURNS, LeftOut, Return
from tests.data.small import random_table

FAULTS = st.lists(st.sets(st.integers(0, 39), min_size=1, max_size=3), max_size=4)


def finite_without(faults):
    """Of each part, whether it holds none of the sets of rows that overflow together."""
    return lambda parts: [not any(fault <= set(part.rows) for fault in faults) for part in parts]


@settings(max_examples=30)
@given(st.sets(st.integers(0, 39)), st.integers(1, 20))
def test_rows_that_overflow_alone_are_found_exactly(bad, size):
    parts = [Part(0, rows) for rows in np.split(np.arange(40), range(size, 40, size))]
    assert set(smallest_bad(parts, finite_without([{row} for row in bad]))) == bad


@settings(max_examples=30)
@given(FAULTS, st.integers(1, 20))
def test_without_what_is_found_no_part_overflows(faults, size):
    parts = [Part(0, rows) for rows in np.split(np.arange(40), range(size, 40, size))]
    found = smallest_bad(parts, finite_without(faults))
    left = [Part(0, np.setdiff1d(part.rows, found)) for part in parts]
    assert all(finite_without(faults)(left))


@pytest.fixture(scope="module")
def steps():
    """Ten steps of four an epoch, over forty targets."""
    config = StepConfig(make_order("label_only"), (), PERTURBATIONS["none"](), seed=1, batch_size=4)
    return Steps(random_table([1] * 40), config)


def rows(steps, *numbers):
    return sorted(int(row) for number in numbers for row in steps.targets(number)[0])


def test_a_good_state_tells_which_rows_are_bad(steps):
    bad = {int(steps.targets(6)[0][2]), int(steps.targets(7)[0][0])}
    found = rows_at_fault(steps, range(6, 8), 3, finite_without([{row} for row in bad]))
    assert set(found) == bad


def test_where_no_row_is_bad_the_steps_around_are_left_out(steps):
    fine = finite_without([])
    assert rows_at_fault(steps, range(6, 8), 3, fine) == rows(steps, 4, 5, 6, 7)
    assert rows_at_fault(steps, range(6, 8), 5, fine) == rows(steps, 5, 6, 7)


def test_others_stand_in_from_a_step_on(steps):
    out = rows(steps, 4, 15)
    fewer = steps.without(out, first=4)
    for step in range(4):
        np.testing.assert_array_equal(fewer.targets(step)[0], steps.targets(step)[0])
    for step in range(4, 30):
        was, now = steps.targets(step)[0], fewer.targets(step)[0]
        assert not set(now) & set(out)
        assert len(set(now)) == len(was)  # nor does a stand-in stand there twice
        np.testing.assert_array_equal(now[~np.isin(was, out)], was[~np.isin(was, out)])
        np.testing.assert_array_equal(fewer[step].targets, now)
    assert fewer.targets_before(30) == steps.targets_before(30)


def test_leaving_out_twice_adds_up(steps):
    first, second = rows(steps, 4), rows(steps, 5)
    both = steps.without(first, 4).without(second, 4).targets(4)[0]
    np.testing.assert_array_equal(both, steps.without(first + second, 4).targets(4)[0])
    np.testing.assert_array_equal(steps.without(first, 4).without(second, 9).targets(5)[0],
                                  steps.without(first, 4).targets(5)[0])  # fmt: skip


def test_something_must_be_left(steps):
    with pytest.raises(InputError, match="no target is left to train on"):
        steps.without(range(39), 2).without([39], 5)


def test_what_is_left_out_is_kept_for_the_same_run_alone(steps, tmp_path):
    left_out = LeftOut(tmp_path, "config", "data")
    assert left_out.of(steps) is steps
    left_out.add(Return(to_step=4, first=6, last=7, rows=(3, 5), targets=("a#0", "b#1")))
    again = LeftOut(tmp_path, "config", "data")
    assert again.returns == left_out.returns
    expected = steps.without([3, 5], 4)
    for step in range(20):
        np.testing.assert_array_equal(again.of(steps).targets(step)[0], expected.targets(step)[0])
    for other in (("config", "other data"), ("other config", "data")):
        assert LeftOut(tmp_path, *other).returns == ()


def test_a_run_goes_back_to_a_checkpoint_so_often_and_no_more(tmp_path):
    left_out = LeftOut(tmp_path, "config", "data")
    one = Return(to_step=4, first=6, last=7, rows=(3,), targets=("a#0",))
    for number in range(MOST_RETURNS):
        assert left_out.may_return_to(4)
        left_out.add(dataclasses.replace(one, rows=(number,)))
    assert not left_out.may_return_to(4)
    assert left_out.may_return_to(8)
