"""Steps that are composed together give the Batches that each of them gives alone."""

import numpy as np
import pytest

from cotjax.data import pipeline, shapes
from cotjax.data.packing import NOWHERE
from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps
from cotjax.data.together import apart, join
from tests.data.small import EOS, random_table, step_config

LAST = 7  # steps; of three in an epoch


def make_steps(order: str, perturbation: str = "none", **fields) -> Steps:
    config = step_config(
        order, perturbation, batch_size=12, target_length=32, input_length=64, **fields
    )
    return Steps(random_table([3, 1, 2, 4] * 3, order=order), config)


def first_half(rows: int) -> slice:
    return slice(0, rows // 2)


def second_half(rows: int) -> slice:
    return slice(rows // 2, rows)


@pytest.mark.parametrize(
    ("order", "perturbation", "decoder_rows", "packing"),
    [
        ("label_first", "shuffle", 2, True),
        ("label_first", "mask", 1, False),
        ("multitask", "swap", 1, True),
        ("rationale_input", "duplicate", 1, True),
    ],
)
@pytest.mark.parametrize("local_rows", [first_half, second_half])
@pytest.mark.parametrize(("first", "targets"), [(0, 24), (1, 60), (2, 1000)])
def test_a_batch_is_the_same_whatever_it_is_composed_with(
    order, perturbation, decoder_rows, packing, local_rows, first, targets, monkeypatch
):
    monkeypatch.setattr(shapes, "DECODER_ROWS", (decoder_rows,))
    fields = {"targets_per_question": 3, "row_multiple": 2, "packing": packing}
    steps = make_steps(order, perturbation, **fields)
    assert steps.shape.decoder_rows == decoder_rows
    monkeypatch.setattr(pipeline, "TARGETS", 1)
    alone = list(batches(steps, EOS, 0, LAST, local_rows))[first:]
    monkeypatch.setattr(pipeline, "TARGETS", targets)
    together = list(batches(steps, EOS, first, LAST, local_rows))
    assert [work for work, _ in together] == [work for work, _ in alone]
    for (_, one), (_, other) in zip(together, alone, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name], strict=True, err_msg=name)


def test_rows_stand_one_after_the_other_and_what_is_elsewhere_stands_nowhere():
    steps = make_steps("label_only")
    one, other = steps[0], steps[1]
    joined = join([one, other], [slice(1, 2), slice(0, 2)], decoder_rows=1)
    assert joined.num_rows == 3
    assert joined.targets.tolist() == [*one.targets, *other.targets]
    of_one = np.where(one.layout.row == 1, 0, NOWHERE)
    of_other = np.where(other.layout.row < 2, other.layout.row + 1, NOWHERE)
    assert joined.layout.row.tolist() == [*of_one, *of_other]
    second = joined.layout.unit_reply[len(one.layout.unit_reply) :]
    assert second.tolist() == (other.layout.unit_reply + len(one.targets)).tolist()


def test_batches_are_taken_apart_by_their_rows():
    """A decoder has twice the rows."""
    batch = {"encoder_tokens": np.arange(3), "decoder_inputs": np.arange(6)}
    first, second = apart(batch, [1, 2])
    assert [value.tolist() for value in first.values()] == [[0], [0, 1]]
    assert [value.tolist() for value in second.values()] == [[1, 2], [2, 3, 4, 5]]
