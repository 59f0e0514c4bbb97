"""The rationale in the encoder: what is read, cut, perturbed and trained."""

import jax
import numpy as np
import pytest

from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps
from cotjax.data.work import Work
from cotjax.errors import InputError
from cotjax.models.t5 import T5
from tests.data.small import CONNECTIVE, EOS, random_table, small_table, step_config
from tests.data.test_equivalence import MODEL, random_params, train_on
from tests.data.test_multitask import padded


def config(perturbation="none", **fields):
    return step_config("rationale_input", perturbation, **fields)


def first_batch(steps):
    return next(batches(steps, EOS, 0, 1))[1]


def read_and_said(batch):
    """For every target, what its encoder segment and its decoder segment hold."""
    found = {}
    for row, column in np.argwhere(batch["segment_target"] >= 0):
        read = batch["encoder_segments"][row] == batch["segment_source"][row, column]
        said = batch["decoder_segments"][row] == column + 1
        found[int(batch["segment_target"][row, column])] = (
            batch["encoder_tokens"][row][read].tolist(),
            batch["decoder_targets"][row][said].tolist(),
        )
    return found


def test_a_padded_batch_is_as_drawn():
    batch = first_batch(Steps(small_table(), config(packing=False)))
    order = np.argsort(batch["segment_target"][:, 0])  # rows by target, whatever the draw
    expected = {
        "encoder_tokens": [
            [20, 21, 9, 30, 31, 32, 1, 0],
            [20, 21, 9, 33, 34, 1, 0, 0],
            [22, 9, 40, 41, 42, 43, 1, 0],
        ],
        "encoder_segments": [
            [1, 1, 1, 1, 1, 1, 1, 0],
            [1, 1, 1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 1, 1, 1, 0],
        ],
        "decoder_targets": [
            [5, 1, 0, 0, 0, 0, 0, 0],
            [5, 1, 0, 0, 0, 0, 0, 0],
            [6, 7, 1] + [0] * 5,
        ],
        "decoder_kinds": [[1, 5, 0, 0, 0, 0, 0, 0], [1, 5, 0, 0, 0, 0, 0, 0], [1, 1, 5] + [0] * 5],
        "segment_source": [[1], [1], [1]],
        "segment_target": [[0], [1], [2]],
    }
    for name, rows in expected.items():
        np.testing.assert_array_equal(batch[name][order], rows, err_msg=name)
    used = np.array(expected["decoder_targets"]) > 0
    np.testing.assert_allclose(batch["loss_weights"][order], used / 7, rtol=1e-6)


def test_packed_targets_of_a_question_read_apart():
    steps = Steps(small_table(), config(targets_per_question=3, batch_size=3, encoder_length=24))
    batch = first_batch(steps)
    assert batch["encoder_tokens"].shape == (1, 24)
    assert batch["encoder_segments"].max() == 3
    assert read_and_said(batch) == {
        0: ([20, 21, 9, 30, 31, 32, 1], [5, 1]),
        1: ([20, 21, 9, 33, 34, 1], [5, 1]),
        2: ([22, 9, 40, 41, 42, 43, 1], [6, 7, 1]),
    }
    work = Work.of(steps[0], steps)
    assert (work.encoder, work.decoder, work.supervised) == (20, 7, 7)
    assert (work.encoder_squares, work.products) == (49 + 36 + 49, 2 * 7 + 2 * 6 + 3 * 7)


def test_the_rationale_is_cut_and_counted():
    steps = Steps(small_table(), config(input_length=6, packing=False))
    assert steps.count_cut() == (2, 2)
    assert [
        read for read, _ in dict(sorted(read_and_said(first_batch(steps)).items())).values()
    ] == [
        [20, 21, 9, 30, 31, 1],
        [20, 21, 9, 33, 34, 1],
        [22, 9, 40, 41, 42, 1],
    ]
    with pytest.raises(InputError, match="input_length=3 would cut a question: 4 tokens"):
        Steps(small_table(), config(input_length=3))
    assert Steps(small_table(), config(target_length=3)).count_cut() == (0, 0)  # of what is said


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("length", [16, 512])
def test_batches_hold_what_the_reply_says_that_it_reads(length, packing):
    table = random_table([1, 3, 2] * 4)
    steps = Steps(table, config(batch_size=24, input_length=length, packing=packing))
    reply = steps.config.order.answer
    found = read_and_said(first_batch(steps))
    assert len(found) == table.num_targets
    for target, (read, said) in found.items():
        question = table.inputs[table.question[target]][:-1]
        rationale = table.rationales[target]
        assert read == reply.read(question, CONNECTIVE, rationale, length, EOS)
        assert said == [*table.labels[target], EOS]


def test_what_a_reply_reads_leaves_room_for_what_closes_it():
    reply = config().order.answer
    question, rationale = [20, 21, 22, 23], [30, 31]
    assert reply.read(question, (9,), rationale, 8, EOS) == [20, 21, 22, 23, 9, 30, 31, EOS]
    assert reply.read(question, (9,), rationale, 7, EOS) == [20, 21, 22, 23, 9, 30, EOS]
    assert reply.read(question, (9,), rationale, 4, EOS) == [20, 21, 9, EOS]
    other = step_config("label_first").order.answer
    assert other.read(question, (9,), rationale, 4, EOS) == [20, 21, 22, EOS]


@pytest.mark.parametrize("perturbation", ["shuffle", "mask", "swap", "drop", "insert"])
def test_perturbations_touch_the_rationale_that_is_read(perturbation):
    table = random_table([1] * 12)
    plain, other = (
        read_and_said(first_batch(Steps(table, config(name, batch_size=12, packing=False))))
        for name in ("none", perturbation)
    )
    assert {target: said for target, (_, said) in plain.items()} == {
        target: said for target, (_, said) in other.items()
    }
    changed = 0
    for target, (read, _) in plain.items():
        start = len(table.inputs[target])  # of the rationale: EOS gave its place to the connective
        assert other[target][0][:start] == read[:start]
        changed += other[target][0][start:] != read[start:]
    assert changed > 6


def test_a_targets_loss_is_that_of_a_batch_composed_by_hand():
    table = random_table([1, 2])
    _, _, by_target = train_on(config(batch_size=3, input_length=14), table)
    questions = [table.inputs[question][:-1] for question in table.question]
    read = [
        [*[*question, 9, *rationale][:13], EOS]
        for question, rationale in zip(questions, table.rationales, strict=True)
    ]
    said = [[*label, EOS] for label in table.labels]
    used = padded([[1] * len(row) for row in said])
    batch = {
        "encoder_tokens": padded(read),
        "encoder_segments": padded([[1] * len(row) for row in read]),
        "decoder_inputs": padded([[0, *row[:-1]] for row in said]),
        "decoder_segments": used,
        "segment_source": np.ones((3, 1), np.int32),
    }
    with jax.enable_x64(True):
        logits = jax.jit(T5(MODEL).apply)({"params": random_params()}, batch)
        logprobs = np.asarray(jax.nn.log_softmax(logits))
    nll = -np.take_along_axis(logprobs, padded(said)[..., None], axis=-1)[..., 0]
    for target in range(3):
        expected = (nll * used)[target].sum()
        assert by_target[target] == pytest.approx(expected, rel=0, abs=1e-9)
