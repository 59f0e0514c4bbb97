"""A step's work, against a count of the Batch itself."""

import numpy as np
import pytest

from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps
from cotjax.data.work import Work
from cotjax.targets.orders import ORDERS
from tests.data.small import EOS, random_table, small_table, step_config


def lengths(segments, most):
    """Tokens of each segment, counted from 1: [rows, most]."""
    return (segments[:, None, :] == np.arange(1, most + 1)[:, None]).sum(-1)


def counted(batch):
    """The same sums from the arrays of a Batch."""
    encoder = lengths(batch["encoder_segments"], batch["encoder_segments"].max())
    decoder = lengths(batch["decoder_segments"], batch["segment_source"].shape[1])
    readers = np.repeat(encoder, len(decoder) // len(encoder), axis=0)  # of each decoder row
    read = np.take_along_axis(
        np.pad(readers, ((0, 0), (1, 0))), batch["segment_source"], axis=1
    )  # source 0 is no segment
    return Work(
        examples=len(set(batch["segment_target"].flat) - {-1}),
        supervised=int((batch["loss_weights"] != 0).sum()),
        encoder=int(encoder.sum()),
        decoder=int(decoder.sum()),
        encoder_squares=int((encoder**2).sum()),
        decoder_squares=int((decoder**2).sum()),
        products=int((decoder * read).sum()),
        encoder_positions=batch["encoder_segments"].size,
        decoder_positions=batch["decoder_segments"].size,
    )


@pytest.mark.parametrize("fields", [{}, {"packing": False}, {"rationale_weight": 0.0}])
@pytest.mark.parametrize("order", list(ORDERS))
def test_work_is_what_the_batch_holds(order, fields):
    config = step_config(order, batch_size=7, targets_per_question=2, target_length=24, **fields)
    steps = Steps(random_table([1, 2, 3] * 4, order=order), config)
    for work, batch in batches(steps, EOS, 0, steps.per_epoch):
        assert work == counted(batch)


def test_work_of_a_drawn_step():
    steps = Steps(small_table(), step_config(targets_per_question=2))
    work = Work.of(steps[0], steps)
    assert (work.examples, work.supervised) == (3, 6 + 5 + 8)
    assert (work.encoder, work.encoder_squares) == (3 + 2, 9 + 4)  # a shared pass counts once
    assert (work.decoder, work.decoder_squares) == (19, 36 + 25 + 64)
    assert work.products == 3 * 6 + 3 * 5 + 2 * 8


def test_work_of_a_drawn_step_of_two_tasks():
    steps = Steps(small_table("multitask"), step_config("multitask", targets_per_question=2))
    work = Work.of(steps[0], steps)
    assert (work.examples, work.supervised) == (3, (2 + 2 + 3) + (4 + 3 + 5))
    assert (work.encoder, work.encoder_squares) == (4 + 4 + 3 + 3, 16 + 16 + 9 + 9)
    assert (work.decoder, work.decoder_squares) == (19, (4 + 4 + 9) + (16 + 9 + 25))
    assert work.products == 4 * (2 + 2) + 3 * 3 + 4 * (4 + 3) + 3 * 5


def test_work_adds():
    assert Work(1, 2, 3) + Work(examples=4, decoder_positions=5) == Work(5, 2, 3, 0, 0, 0, 0, 0, 5)
