"""The data order: a pure function of (seed, step)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.data import shapes
from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps
from tests.data.small import EOS, random_table, step_config


@pytest.mark.parametrize(
    ("order", "perturbation", "hosts", "together"),
    [
        *itertools.product(["label_first"], ["none", "shuffle", "mask", "swap"], [1, 2, 8], [1]),
        ("multitask", "shuffle", 2, 1),
        ("multitask", "swap", 8, 1),
        ("multitask", "insert", 2, 1),
        ("rationale_input", "shuffle", 8, 1),
        ("rationale_input", "duplicate", 2, 1),
        ("label_first", "shuffle", 2, 3),
        ("label_first", "none", 8, 3),
    ],
)
def test_hosts_share_a_step_and_none_is_lost(order, perturbation, hosts, together, monkeypatch):
    """Where targets of a question stand together, two decoder rows read one encoder row."""
    decoder_rows = 2 if together > 1 else 1
    monkeypatch.setattr(shapes, "DECODER_ROWS", (decoder_rows,))
    fields = {"batch_size": 10, "target_length": 32, "targets_per_question": together}
    steps = Steps(
        random_table([1, 2, 3] * 7, order=order),
        step_config(order, perturbation, row_multiple=8, **fields),
    )
    assert steps.shape.decoder_rows == decoder_rows
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
    replies = len(steps.config.order.replies)
    assert sorted(seen) == np.repeat(np.arange(steps.table.num_targets), replies).tolist()


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
        targets = steps.targets(epoch * steps.per_epoch)[0]
        donors = steps.perturbed.donors(epoch)[targets]
        assert (table.question[donors] != table.question[targets]).all()


def test_one_target_a_question_an_epoch():
    """Another one in the next epoch, of the same questions in the order of plain data."""
    table = random_table([1, 3, 2, 3])
    steps = Steps(table, step_config(one_per_epoch=True, batch_size=3, seed=5))
    plain = Steps(random_table([1] * 4), step_config(batch_size=3, seed=5))
    assert (steps.per_epoch, steps.targets_per_epoch) == (2, 4)
    drawn = {question: [] for question in range(4)}
    for step in range(6 * steps.per_epoch):
        targets = steps.targets(step)[0]
        np.testing.assert_array_equal(table.question[targets], plain.targets(step)[0])
        for target in targets:
            drawn[int(table.question[target])].append(int(table.samples[target]))
    for question, count in enumerate([1, 3, 2, 3]):
        assert sorted(drawn[question]) == sorted(list(range(count)) * (6 // count))
        assert len(set(drawn[question][:count])) == count


def test_one_target_an_epoch_swaps_with_other_questions():
    table = random_table([2, 1, 3, 1, 2])
    steps = Steps(table, step_config("label_first", "swap", batch_size=3, one_per_epoch=True))
    for number in range(3 * steps.per_epoch):
        targets, epoch = steps.targets(number)
        donors = steps.perturbed.donors(epoch)[targets]
        assert (table.question[donors] != table.question[targets]).all()


@pytest.mark.parametrize("one_per_epoch", [True, False])
def test_targets_are_counted_over_epochs(one_per_epoch):
    steps = Steps(random_table([1, 3, 2]), step_config(batch_size=2, one_per_epoch=one_per_epoch))
    sizes = [len(steps.targets(step)[0]) for step in range(9)]
    for step in range(10):
        assert steps.targets_before(step) == sum(sizes[:step])


def test_the_short_last_step_holds_what_is_left():
    steps = Steps(random_table([1] * 10), step_config(batch_size=4))
    assert [len(steps.targets(step)[0]) for step in range(4)] == [4, 4, 2, 4]
    assert [steps.targets(step)[1] for step in range(4)] == [0, 0, 0, 1]
