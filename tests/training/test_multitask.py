"""A student of two tasks, from its config to its evaluation, on a world of forty entities."""

import json

import pytest

from cotjax import config as configs
from cotjax.evaluation.run import evaluate_checkpoint
from cotjax.training.run import train
from cotjax.training.writers import read_scalars

STEPS = 400
FIELDS = {
    "task.options": "entities=40,sizes=5,train_questions=300,validation_questions=100,"
    "test_questions=60",
    "data.order": "multitask",
    "loss.alpha": 0.5,
    "model.d_model": 32,
    "model.d_kv": 8,
    "model.d_ff": 64,
    "model.num_layers": 1,
    "model.num_decoder_layers": 1,
    "model.dropout_rate": 0.0,
    "optimizer.learning_rate": 5e-3,
    "schedule.total_steps": STEPS,
    "schedule.warmup_steps": 20,
    "checkpoint.every": STEPS,
    "evaluation.every": STEPS,
    "evaluation.max_tokens": 4,
    "evaluation.batch_size": 100,
    "profile.log_every": STEPS // 4,
}


@pytest.fixture(scope="module")
def run(repository, tmp_path_factory):
    """A trained student's workdir, and how its run ended."""
    folder = tmp_path_factory.mktemp("multitask")
    words = [f"--config.{name}={value}" for name, value in FIELDS.items()]
    words.append(f"--config.data.cache={folder / 'cache'}")
    config = configs.load(repository / "configs" / "default.py", words)
    return folder / "run", train(config, folder / "run")


def test_both_tasks_are_learned(run):
    workdir, _ = run
    first, *_, last = [line for line in read_scalars(workdir) if "label_loss" in line]
    assert last["label_loss"] < 0.6 < first["label_loss"]
    assert last["rationale_loss"] < 1.5 < first["rationale_loss"]
    assert last["examples"] / (STEPS // 4) == pytest.approx(300 / 10)  # pairs, ten steps an epoch


def test_the_label_is_right_and_stands_alone(run):
    workdir, result = run
    assert result.metrics["validation/accuracy"] > 0.65  # always one answer: about a half
    lines = (workdir / "eval" / f"validation-{STEPS}.jsonl").read_text("utf-8").splitlines()
    predictions = [json.loads(line) for line in lines]
    assert {prediction["output"] for prediction in predictions} == {"first", "second"}
    assert {prediction["num_tokens"] for prediction in predictions} == {2}
    assert result.metrics["validation/choice_accuracy"] == result.metrics["validation/accuracy"]


def test_a_checkpoint_is_asked_as_in_the_loop(run):
    workdir, result = run
    summary, step, _ = evaluate_checkpoint(workdir, "latest", "validation")
    assert step == STEPS
    assert summary["accuracy"] == result.metrics["validation/accuracy"]
    assert summary["label_nll"] == pytest.approx(result.metrics["validation/label_nll"], rel=1e-3)
