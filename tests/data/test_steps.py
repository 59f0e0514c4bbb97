"""The data order: a pure function of (seed, step)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps, epoch_order
from tests.data.small import EOS, random_table, step_config

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


@pytest.mark.parametrize("hosts", [1, 2, 8])
@pytest.mark.parametrize("perturbation", ["none", "shuffle", "mask", "swap"])
def test_hosts_share_a_step_and_none_is_lost(hosts, perturbation):
    steps = Steps(
        random_table([1, 2, 3] * 7),
        step_config("label_first", perturbation, batch_size=10, target_length=32, row_multiple=8),
    )
    whole = [batch for _, batch in batches(steps, EOS, 0, steps.per_epoch)]
    parts = []
    for host in range(hosts):

        def rows(count, host=host):
            return slice(host * count // hosts, (host + 1) * count // hosts)

        parts.append([batch for _, batch in batches(steps, EOS, 0, steps.per_epoch, rows)])
    seen = []
    for number, batch in enumerate(whole):
        for name, array in batch.items():
            joined = np.concatenate([part[number][name] for part in parts])
            np.testing.assert_array_equal(joined, array, err_msg=name)
        seen += batch["segment_target"][batch["segment_target"] >= 0].tolist()
    assert sorted(seen) == list(range(steps.table.num_targets))


def test_a_resumed_run_sees_the_same_steps():
    steps = Steps(random_table([1] * 30), step_config("label_first", "shuffle", batch_size=4))
    whole = [batch for _, batch in batches(steps, EOS, 0, 20)]
    resumed = [batch for _, batch in batches(steps, EOS, 13, 20)]
    for a, b in zip(whole[13:], resumed, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100), st.integers(0, 1000))
def test_variants_see_the_same_targets_in_the_same_step(seed, step):
    table = random_table([1, 3, 2] * 5)
    variants = [
        step_config("label_only", seed=seed),
        step_config("rationale_first", seed=seed, packing=False),
        step_config("label_first", "swap", seed=seed, row_multiple=4),
        step_config("label_first", "mask", seed=seed, target_length=12),
    ]
    expected = Steps(table, variants[0]).targets(step)[0]
    for variant in variants[1:]:
        np.testing.assert_array_equal(Steps(table, variant).targets(step)[0], expected)


@pytest.mark.parametrize("redraw", [True, False])
def test_draws_are_fresh_in_every_epoch_or_fixed_for_the_run(redraw):
    table = random_table([1] * 8, longest=12)
    steps = Steps(
        table,
        step_config(
            "label_first", "shuffle", batch_size=8, target_length=32, redraw=redraw, packing=False
        ),
    )

    def rationales(step):
        batch = next(batches(steps, EOS, step, step + 1))[1]
        rows = np.argsort(batch["segment_target"][:, 0])
        return batch["decoder_targets"][rows]

    same = (rationales(0) == rationales(1)).all()
    assert same == (not redraw)


def test_swap_gives_another_questions_rationale_in_every_epoch():
    table = random_table([2, 1, 3, 1, 2])
    steps = Steps(table, step_config("label_first", "swap", batch_size=9))
    for epoch in range(5):
        donors = steps[epoch * steps.per_epoch].donors
        targets = steps[epoch * steps.per_epoch].targets
        assert (table.question[donors] != table.question[targets]).all()


def test_the_short_last_step_holds_what_is_left():
    steps = Steps(random_table([1] * 10), step_config(batch_size=4))
    assert [len(steps.targets(step)[0]) for step in range(4)] == [4, 4, 2, 4]
    assert [steps.targets(step)[1] for step in range(4)] == [0, 0, 0, 1]
