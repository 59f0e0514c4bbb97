"""Two processes with two devices each train as one process does."""

import json

import pytest

from tests.processes import run_processes

pytestmark = pytest.mark.slow

TRAIN = """
import json, sys
from cotjax import config as configs
from cotjax.training.loop import train

config_file, workdir, *words = sys.argv[1:]
config = configs.load(config_file, words)
result = train(config, workdir)
print()
print(json.dumps(sorted(result.metrics.items())))
"""
FIELDS = {
    "model.d_model": 16,
    "model.d_ff": 16,
    "model.num_layers": 1,
    "model.num_decoder_layers": 1,
    "model.dropout_rate": 0.0,
    "data.batch_size": 16,
    "mesh.fsdp": 2,
    "schedule.warmup_steps": 1,
    "schedule.total_steps": 4,
    "checkpoint.every": 2,
    "evaluation.every": 4,
    "evaluation.max_questions": 12,
    "evaluation.max_tokens": 4,
    "profile.log_every": 1,
}


def test_two_hosts_equal_one(repository, tmp_path):
    words = [f"--config.{name}={value}" for name, value in FIELDS.items()]
    config_file = str(repository / "configs" / "default.py")

    def train_on(processes):
        workdir = tmp_path / str(processes)
        cache = f"--config.data.cache={tmp_path / 'cache'}"
        metrics = run_processes(processes, TRAIN, config_file, str(workdir), *words, cache)
        lines = (workdir / "metrics.jsonl").read_text().splitlines()
        losses = [line["loss"] for line in map(json.loads, lines) if "loss" in line]
        return losses, metrics

    (losses, metrics), (alone, (reference,)) = train_on(2), train_on(1)
    assert len(losses) == 4
    assert losses == pytest.approx(alone, abs=1e-5)
    assert metrics[0] == metrics[1]  # both hosts know the evaluation of all questions
    for (name, value), (_, expected) in zip(metrics[0], reference, strict=True):
        assert value == pytest.approx(expected, abs=1e-4), name
