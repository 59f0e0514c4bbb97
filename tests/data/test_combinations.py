"""Any order with any perturbation, all targets or one an epoch: what holds for all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.data.perturbed import Perturbed
from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps
from cotjax.targets.donors import Perturbation, Swap
from cotjax.targets.edits import Drop, Duplicate, FillRandom, FillRepeat, Insert, Shorten
from cotjax.targets.orders import ORDERS
from cotjax.targets.segments import Kind
from cotjax.targets.transforms import Mask, Shuffle
from tests.data.small import EOS, random_table, step_config

UNITS, FRACTIONS = st.sampled_from(["words", "tokens", "steps"]), st.sampled_from([0.0, 0.4, 1.0])
LENGTHS = st.sampled_from([None, 1, 9])
PERTURBATIONS = st.one_of(
    st.sampled_from([Perturbation(), Swap(), Shuffle(), Mask()]),
    st.builds(Drop, unit=UNITS, fraction=FRACTIONS),
    st.builds(Duplicate, unit=UNITS, fraction=FRACTIONS),
    st.builds(Insert, fraction=FRACTIONS),
    *(st.builds(kind, length=LENGTHS) for kind in (FillRandom, FillRepeat, Shorten)),
)
PER_QUESTION = st.lists(st.integers(1, 3), min_size=2, max_size=8)
FIELDS = st.fixed_dictionaries(
    {
        "one_per_epoch": st.booleans(),
        "redraw": st.booleans(),
        "packing": st.booleans(),
        "batch_size": st.integers(1, 7),
        "target_length": st.sampled_from([8, 24]),
        "input_length": st.sampled_from([16, 32]),
        "seed": st.integers(0, 3),
    }
)


@settings(max_examples=150)
@given(st.sampled_from(sorted(ORDERS)), PERTURBATIONS, PER_QUESTION, FIELDS)
def test_what_every_step_holds(order, perturbation, per_question, fields):
    table = random_table(per_question, order=order)
    steps = Steps(table, step_config(order, perturbation, **fields))
    perturbed = Perturbed(table, perturbation, fields["seed"], fields["redraw"])
    for epoch in range(2):
        seen = []
        for number in range(epoch * steps.per_epoch, (epoch + 1) * steps.per_epoch):
            step = steps[number]
            seen += step.targets.tolist()
            _check_step(steps, step)
            _check_rationales(step, perturbed, epoch)
        expected = np.arange(table.num_questions if fields["one_per_epoch"] else table.num_targets)
        found = table.question[seen] if fields["one_per_epoch"] else seen
        assert sorted(found) == expected.tolist()


def _check_step(steps, step):
    """Labels are whole, and all fits its lengths and rows."""
    table, config = steps.table, steps.config
    assert (step.tokens[..., Kind.LABEL].sum(axis=0) == table.labels.lengths[step.targets]).all()
    assert step.tokens.sum(axis=-1).max() <= config.target_length
    if config.order.reads_rationale:
        assert step.read.max() <= config.input_length
    assert step.layout.rows <= step.num_rows
    assert (step.layout.offset + step.tokens.sum(axis=-1).ravel()).max() <= steps.shape.decoder
    assert step.coefficients.sum(axis=-1).min() >= 0


def _check_rationales(step, perturbed, epoch):
    """Each is the head of what its target alone has in this epoch, in any step of any order."""
    ends = np.cumsum(step.rationale_lengths)
    for target, end, length in zip(step.targets, ends, step.rationale_lengths, strict=True):
        alone, _ = perturbed.places(np.array([target]), epoch)
        np.testing.assert_array_equal(step.places[end - length : end], alone[:length])


@pytest.mark.parametrize(
    ("order", "perturbation"),
    [
        ("rationale_first", Insert(fraction=1.0)),
        ("multitask", Drop(unit="steps")),
        ("rationale_input", FillRandom(length=9)),
    ],
)
def test_the_batch_says_what_the_step_holds(order, perturbation):
    """Of one target a question, drawn anew: the tokens themselves, of two epochs."""
    table = random_table([2, 1, 3], order=order)
    steps = Steps(table, step_config(order, perturbation, one_per_epoch=True, target_length=32))
    for number, (_, batch) in enumerate(batches(steps, EOS, 0, 2)):
        step = steps[number]
        said = np.split(table.rationales.values[step.places], np.cumsum(step.rationale_lengths))
        for target, rationale in zip(step.targets, said, strict=False):
            label, found = _said(batch, target, order)
            assert label.tolist() == table.labels[target].tolist()
            assert found.tolist() == rationale.tolist()


def _said(batch, target, order):
    """Tokens of a target's label, and of its rationale, wherever it stands."""
    label, rationale = [], []
    for row, column in np.argwhere(batch["segment_target"] == target):
        here = batch["decoder_segments"][row] == column + 1
        kinds, tokens = (batch[f"decoder_{name}"][row][here] for name in ("kinds", "targets"))
        label.append(tokens[kinds == Kind.LABEL])
        rationale.append(tokens[kinds == Kind.RATIONALE])
        if order == "rationale_input":
            read = batch["encoder_segments"][row] == batch["segment_source"][row, column]
            words = batch["encoder_tokens"][row][read]
            rationale[-1] = words[words.tolist().index(9) + 1 : -1]  # behind the connective
    return np.concatenate(label), np.concatenate(rationale)
