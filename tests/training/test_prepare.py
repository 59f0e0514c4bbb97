"""What a config resolves to: one vocabulary for all orders, and the loss of each."""

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.records import Manifest, write_records
from cotjax.targets.orders import ORDERS
from cotjax.targets.segments import Kind
from cotjax.tasks import get_task
from cotjax.training.prepare import prepare
from cotjax.training.preview import preview
from cotjax.training.run import train


@pytest.fixture
def prepared(repository, tmp_path):
    def prepared(**overrides):
        words = [f"--config.{name}={value}" for name, value in overrides.items()]
        words.append(f"--config.data.cache={tmp_path}")
        return prepare(configs.load(repository / "configs" / "default.py", words), row_multiple=1)

    return prepared


def test_all_orders_share_a_vocabulary_that_knows_their_words(prepared):
    experiments = [prepared(**{"data.order": order}) for order in ORDERS]
    assert len({one.tokenizer.content_hash() for one in experiments}) == 1
    for one in experiments:
        unknown = {name: n for name, n in one.counts.items() if name.endswith("/unknown")}
        assert set(unknown.values()) == {0}
        (words,) = one.tokenizer.encode([" ".join(one.order.texts)])
        assert one.tokenizer.unknown not in words


def test_a_smaller_part_of_the_questions_is_in_a_larger_one(prepared):
    whole, half, eighth = (
        prepared(**{"data.fraction": fraction}) for fraction in (1.0, 0.5, 0.125)
    )
    hashes = [set(one.steps.table.id_hashes.tolist()) for one in (whole, half, eighth)]
    assert hashes[2] < hashes[1] < hashes[0]
    assert [len(one) for one in hashes[1:]] == [len(hashes[0]) // 2, len(hashes[0]) // 8]
    assert half.counts["dropped/training questions beyond data.fraction"] == len(hashes[0]) // 2
    assert half.splits["validation"] == whole.splits["validation"]
    assert len({one.tokenizer.content_hash() for one in (whole, half, eighth)}) == 1


def test_both_inputs_of_a_question_are_counted_and_cut(prepared):
    plain, both = (prepared(**{"data.order": order}) for order in ("label_only", "multitask"))
    questions = plain.counts["questions"]
    assert (both.counts["questions"], both.counts["targets"]) == (questions, questions)
    prefixes = sum(map(len, both.tokenizer.encode(["predict:", "explain:"])))
    expected = 2 * plain.counts["inputs/tokens"] + questions * prefixes
    assert both.counts["inputs/tokens"] == expected
    cut = prepared(**{"data.order": "multitask", "data.input_length": 6})
    lengths = np.sort(both.steps.table.inputs.lengths)
    assert cut.counts["inputs/cut"] == (lengths > 6).sum()
    assert cut.counts["inputs/count"] == len(lengths)
    assert cut.counts["inputs/tokens_cut"] == np.maximum(lengths - 6, 0).sum()


@pytest.mark.parametrize(
    ("fields", "label", "rationale"),
    [
        ({"data.order": "multitask"}, 0.5, 0.5),
        ({"data.order": "multitask", "loss.alpha": 0.75}, 0.75, 0.25),
        ({"loss.normalise": "kinds", "loss.rationale_weight": 3.0}, 1.0, 3.0),
    ],
)
def test_the_losses_weigh_what_the_config_says(prepared, fields, label, rationale):
    step = prepared(**fields).steps[0]
    weights = step.tokens * step.coefficients  # [replies, targets, kinds]
    of_label = weights[..., Kind.LABEL].sum()
    if len(weights) == 2:
        of_label += weights[0, :, Kind.EOS].sum()
    assert of_label == pytest.approx(label, rel=1e-5)
    assert weights.sum() == pytest.approx(label + rationale, rel=1e-5)


def test_what_several_rationales_weigh_comes_from_the_config(prepared):
    for fields, expected in (
        ({}, (False, "sum")),
        ({"data.question_weight": "mean"}, (False, "mean")),
        ({"data.selection.name": "one_per_epoch"}, (True, "sum")),
    ):
        config = prepared(**fields).steps.config
        assert (config.one_per_epoch, config.question_weight) == expected


@pytest.fixture
def levels(tmp_path):
    """Records whose every question has a rationale of level 1 and two of level 2."""
    records = []
    for record in get_task("comparison", "text").oracle_records("train"):
        (rationale,) = record.rationales
        its = [
            dataclasses.replace(rationale, sample=sample, tags={"level": 2 if sample else 1})
            for sample in range(3)
        ]
        records.append(dataclasses.replace(record, rationales=tuple(its)))
    write_records(tmp_path / "levels", Manifest("comparison", "train", "itself"), records)
    return tmp_path / "levels"


def test_epochs_of_a_mixture_draw_what_the_config_weighs(levels, repository, tmp_path):
    fields = {
        "data.records": levels,
        "data.selection.name": "mixture",
        "data.selection.mixture": "level=1:1,level=2:3",
        "data.cache": tmp_path,
    }
    words = [f"--config.{name}={value}" for name, value in fields.items()]
    config = configs.load(repository / "configs" / "default.py", words)
    experiment = prepare(config, row_multiple=1)
    steps, questions = experiment.steps, experiment.counts["questions"]
    assert (steps.targets_per_epoch, steps.table.num_targets) == (questions, 3 * questions)
    drawn = np.concatenate([steps.targets(step)[0] for step in range(steps.per_epoch)])
    assert sorted(steps.table.question[drawn]) == list(range(questions))
    first = (steps.table.samples[drawn] == 0).sum()
    assert abs(first - questions / 4) < 5 * (questions * 3 / 16) ** 0.5
    shown = Console(width=120, file=io.StringIO(), record=True)
    preview(config, 1, shown)
    lines = shown.export_text().splitlines()
    assert f"kept: {2 * questions:,} rationales of level=2" in lines
    assert f"kept: {round(questions * 3 / 4):,} targets of level=2 in a mean epoch" in lines
    assert f"kept: {questions:,} questions with 3 rationales" in lines


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"name": "digits", "unit": "tokens"}, None),  # every rationale holds four
        ({"name": "shuffle", "unit": "steps"}, "changes none of the 2000 rationales"),
        ({"name": "drop", "fraction": 0.0}, 2000),  # as the config says
        ({"name": "fill_repeat", "length": 7}, "changes none of the 2000 rationales"),
        ({"name": "swap_same_label"}, None),
    ],
)
def test_rationales_that_stay_as_they_are_are_counted(prepared, fields, same):
    overrides = {f"data.perturbation.{name}": value for name, value in fields.items()}
    if isinstance(same, str):
        with pytest.raises(InputError, match=same):
            prepared(**overrides)
    else:
        counts = prepared(**overrides).counts
        assert counts.get("kept/rationales that the perturbation leaves as they are") == same


def test_a_question_leaves_room_for_the_rationales_connective(prepared):
    plain, ours = (
        prepared(**{"data.order": order, "data.input_length": 6})
        for order in ("label_only", "rationale_input")
    )
    connective = len(ours.steps.config.connective)
    assert plain.counts["inputs/tokens_cut"] == 0
    assert ours.counts["inputs/tokens_cut"] == connective * ours.counts["questions"]
    assert ours.counts["rationales/tokens_cut"] == ours.counts["rationales/tokens"]
    assert ours.steps[0].read.max() == 6
    with pytest.raises(InputError, match="input_length=2 leaves no room for a question"):
        prepared(**{"data.order": "rationale_input", "data.input_length": 2})


@pytest.mark.parametrize(("attention", "needed"), [("pallas", "a TPU"), ("cudnn", "an NVIDIA GPU")])
def test_a_run_for_other_devices_is_planned_here_and_not_begun(
    attention, needed, prepared, repository, tmp_path
):
    changes = {"model.attention": attention, "model.dtype": "bfloat16"}
    assert prepared(**changes).model.attention == "xla"
    words = [f"--config.{name}={value}" for name, value in changes.items()]
    config = configs.load(repository / "configs" / "default.py", words)
    with pytest.raises(InputError, match=rf"model\.attention={attention} needs {needed}: use xla"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
