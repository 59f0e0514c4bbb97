"""Distilling Step-by-Step: two tasks told apart by a prefix of the input, in one batch."""

import dataclasses

import jax
import numpy as np
import pytest

from cotjax.data.examples import Examples, Target
from cotjax.data.pipeline import batches
from cotjax.data.ragged import Ragged
from cotjax.data.steps import Steps
from cotjax.data.tokenizer import train_tokenizer
from cotjax.data.tokens import TokenTable, tokenize
from cotjax.models.t5 import T5
from cotjax.targets.keys import stable_hash
from cotjax.targets.orders import make_order
from tests.data.small import EOS, EXPLAIN, PREDICT, random_table, small_table, step_config
from tests.data.test_equivalence import MODEL, assert_alike, random_params, train_on

L, R, E = 1, 3, 5  # LABEL, RATIONALE, EOS


def multitask(alpha: float = 0.5, perturbation: str = "none", **fields):
    """What a config with this alpha resolves to."""
    weights = {"label_weight": alpha, "rationale_weight": 1 - alpha, "normalise": "tasks"}
    return step_config("multitask", perturbation, **(weights | fields))


def only_batch(config, table=None):
    steps = Steps(table or small_table("multitask"), config)
    return next(batches(steps, EOS, 0, 1))[1]


def test_a_padded_batch_is_as_drawn():
    batch = only_batch(multitask(alpha=0.25, packing=False))
    first_kind = batch["decoder_kinds"][:, 0]
    order = np.lexsort((first_kind, batch["segment_target"][:, 0]))  # whatever the draw
    expected = {
        "encoder_tokens": [
            [50, 20, 21, 1, 0, 0, 0, 0],
            [51, 20, 21, 1, 0, 0, 0, 0],
            [50, 20, 21, 1, 0, 0, 0, 0],
            [51, 20, 21, 1, 0, 0, 0, 0],
            [50, 22, 1, 0, 0, 0, 0, 0],
            [51, 22, 1, 0, 0, 0, 0, 0],
        ],
        "decoder_targets": [
            [5, 1, 0, 0, 0, 0, 0, 0],
            [30, 31, 32, 1, 0, 0, 0, 0],
            [5, 1, 0, 0, 0, 0, 0, 0],
            [33, 34, 1, 0, 0, 0, 0, 0],
            [6, 7, 1, 0, 0, 0, 0, 0],
            [40, 41, 42, 43, 1, 0, 0, 0],
        ],
        "decoder_inputs": [
            [0, 5, 0, 0, 0, 0, 0, 0],
            [0, 30, 31, 32, 0, 0, 0, 0],
            [0, 5, 0, 0, 0, 0, 0, 0],
            [0, 33, 34, 0, 0, 0, 0, 0],
            [0, 6, 7, 0, 0, 0, 0, 0],
            [0, 40, 41, 42, 43, 0, 0, 0],
        ],
        "decoder_kinds": [
            [L, E, 0, 0, 0, 0, 0, 0],
            [R, R, R, E, 0, 0, 0, 0],
            [L, E, 0, 0, 0, 0, 0, 0],
            [R, R, E, 0, 0, 0, 0, 0],
            [L, L, E, 0, 0, 0, 0, 0],
            [R, R, R, R, E, 0, 0, 0],
        ],
        "segment_source": [[1]] * 6,
        "segment_target": [[0], [0], [1], [1], [2], [2]],
    }
    for name, rows in expected.items():
        np.testing.assert_array_equal(batch[name][order], rows, err_msg=name)
    used = np.array(expected["decoder_targets"]) > 0
    weights = np.array([0.25 / 7, 0.75 / 12] * 3)[:, None] * used  # 7 and 12 tokens, EOS included
    np.testing.assert_allclose(batch["loss_weights"][order], weights, rtol=1e-6)


def test_packed_tasks_read_encoder_segments_of_their_own():
    """The two rationales of a question share its two encoder passes."""
    batch = only_batch(multitask(targets_per_question=2, encoder_length=16, decoder_length=24))
    assert batch["encoder_tokens"].shape == (1, 16)
    assert batch["encoder_segments"][0].max() == 4
    read = []
    for column in np.flatnonzero(batch["segment_target"][0] >= 0):
        said = batch["decoder_segments"][0] == column + 1
        seen = batch["encoder_segments"][0] == batch["segment_source"][0, column]
        read.append(
            (
                int(batch["segment_target"][0, column]),
                batch["encoder_tokens"][0][seen].tolist(),
                batch["decoder_targets"][0][said].tolist(),
            )
        )
    assert sorted(read) == [
        (0, [PREDICT, 20, 21, 1], [5, 1]),
        (0, [EXPLAIN, 20, 21, 1], [30, 31, 32, 1]),
        (1, [PREDICT, 20, 21, 1], [5, 1]),
        (1, [EXPLAIN, 20, 21, 1], [33, 34, 1]),
        (2, [PREDICT, 22, 1], [6, 7, 1]),
        (2, [EXPLAIN, 22, 1], [40, 41, 42, 43, 1]),
    ]


def test_a_step_counts_pairs_and_asks_what_the_other_orders_ask():
    table = random_table([1, 3, 2] * 5, order="multitask")
    ours = Steps(table, multitask(batch_size=7))
    plain = Steps(random_table([1, 3, 2] * 5), step_config("label_only", batch_size=7))
    assert ours.per_epoch == plain.per_epoch
    for step in range(2 * ours.per_epoch):
        np.testing.assert_array_equal(ours.targets(step)[0], plain.targets(step)[0])
        np.testing.assert_array_equal(
            ours[step].inputs, [2 * plain[step].inputs[0], 2 * plain[step].inputs[0] + 1]
        )


def test_a_rationale_may_be_as_long_as_a_target_and_its_label_too():
    steps = Steps(small_table("multitask"), multitask(target_length=4))
    assert steps.count_cut() == (1, 1)  # 40 41 42 and EOS
    assert Steps(small_table(), step_config("label_first", target_length=4)).count_cut() == (3, 7)


@pytest.mark.parametrize("perturbation", ["shuffle", "mask", "swap"])
def test_perturbations_leave_the_label_task_alone(perturbation):
    table = random_table([1] * 12, order="multitask")
    fields = {"batch_size": 12, "target_length": 32, "packing": False}
    plain = only_batch(multitask(**fields), table)
    other = only_batch(multitask(perturbation=perturbation, **fields), table)

    def said(batch, kind):
        rows = batch["decoder_kinds"][:, 0] == kind
        target = batch["segment_target"][rows, 0]
        return dict(zip(target.tolist(), batch["decoder_targets"][rows].tolist(), strict=True))

    assert said(plain, L) == said(other, L)
    assert said(plain, R) != said(other, R)


def two_pass_loss(params, table, alpha):
    """Alpha * mean of label tokens + (1 - alpha) * mean of rationale tokens: a pass for each."""
    losses = []
    for task, texts in enumerate((table.labels, table.rationales)):
        said = [[*texts[target], EOS] for target in range(table.num_targets)]
        read = [table.inputs[2 * question + task] for question in table.question]
        targets, inputs = padded(said), padded([[0, *row[:-1]] for row in said])
        used = padded([[1] * len(row) for row in said])
        batch = {
            "encoder_tokens": padded(read),
            "encoder_segments": padded([[1] * len(row) for row in read]),
            "decoder_inputs": inputs,
            "decoder_segments": used,
            "segment_source": np.ones((len(said), 1), np.int32),
        }
        logprobs = jax.nn.log_softmax(T5(MODEL).apply({"params": params}, batch))
        of_target = jax.numpy.take_along_axis(logprobs, targets[..., None], axis=-1)[..., 0]
        losses.append(-(of_target * used).sum() / used.sum())
    return alpha * losses[0] + (1 - alpha) * losses[1]


def padded(rows):
    filled = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for row, values in zip(filled, rows, strict=True):
        row[: len(values)] = values
    return filled


def powers_of_two() -> TokenTable:
    """Four pairs of 16 label and 32 rationale tokens with EOS: their float32 weights are exact."""
    generator = np.random.default_rng(1)

    def texts(*lengths):
        return Ragged.from_lists([generator.integers(10, 50, length) for length in lengths])

    questions = [[*generator.integers(10, 50, length), EOS] for length in (3, 6, 2, 9)]
    rationales = texts(5, 9, 3, 11)
    return TokenTable(
        inputs=Ragged.from_lists([[task, *q] for q in questions for task in (PREDICT, EXPLAIN)]),
        labels=texts(1, 2, 4, 5),
        rationales=rationales,
        key_words=Ragged.from_lists([[]] * 4),
        label_words=Ragged.from_lists([[]] * 4),
        keywords=Ragged.from_lists([[]] * 4),
        begins=np.zeros(28, np.uint8),
        reference=np.zeros(4, np.int32),
        question=np.arange(4, dtype=np.int32),
        samples=np.zeros(4, np.int32),
        id_hashes=np.array([stable_hash(name) for name in "abcd"], np.uint64),
    )


@pytest.mark.parametrize(("alpha", "packing"), [(0.5, True), (0.25, False)])
def test_one_pass_is_two_passes_with_losses_normalised_apart(alpha, packing):
    table = powers_of_two()
    config = multitask(alpha, batch_size=4, packing=packing)
    loss, gradients, _ = train_on(config, table)
    with jax.enable_x64(True):
        expected = jax.jit(jax.value_and_grad(lambda params: two_pass_loss(params, table, alpha)))
        value, expected_gradients = jax.device_get(expected(random_params()))
    assert_alike((loss, gradients, {}), (float(value), expected_gradients, {}))


def test_alpha_one_is_label_only_asked_with_the_same_prefix():
    table = random_table([1] * 6, order="multitask")
    asked = Ragged.from_lists([table.inputs[2 * question] for question in range(6)])
    alone = dataclasses.replace(table, inputs=asked)
    config = multitask(alpha=1.0, batch_size=6, target_length=24)
    label_only = step_config("label_only", batch_size=6, target_length=24)
    ours, theirs = train_on(config, table), train_on(label_only, alone)
    assert_alike((*ours[:2], {}), (*theirs[:2], {}))


def test_alpha_zero_trains_the_rationale_alone():
    batch = only_batch(multitask(alpha=0.0, packing=False))
    of_label = batch["decoder_kinds"][:, 0] == L
    assert (batch["loss_weights"][of_label] == 0).all()
    assert batch["loss_weights"].sum() == pytest.approx(1.0)


TEXTS = ["heavier ? ent12 or ent145", "ent12 is size3 while ent145 is size7", "first"]


def test_both_tasks_are_tokenised_as_a_user_would_write_them(tmp_path):
    order = make_order("multitask")
    tokenizer = train_tokenizer([*TEXTS, *order.texts], 200)
    examples = Examples(("q",), (TEXTS[0],), (Target(0, 0, "first", TEXTS[1]),), {})
    table = tokenize(examples, tokenizer, order, tmp_path)
    expected = tokenizer.encode([f"predict: {TEXTS[0]}", f"explain: {TEXTS[0]}"])
    assert [row.tolist() for row in table.inputs] == [[*ids, EOS] for ids in expected]
    assert (table.num_questions, table.num_targets) == (1, 1)
    assert tokenizer.unknown not in table.inputs.values
    again = tokenize(examples, tokenizer, order, tmp_path)
    np.testing.assert_array_equal(again.inputs.values, table.inputs.values)
    one_task = tokenize(examples, tokenizer, make_order("label_only"), tmp_path)
    assert len(one_task.inputs) == 1  # not what the cache holds for two
    tokenize(examples, tokenizer, make_order("label_first"), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2  # orders without a prefix share their arrays
