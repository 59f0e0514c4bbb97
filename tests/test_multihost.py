"""Two processes with two devices each train as one process does, and stop together."""

import json
import signal

import pytest

from cotjax.lost import ALONE
from tests.processes import run_processes

pytestmark = pytest.mark.slow

TRAIN = """
import json, sys
from cotjax import config as configs
from cotjax.lost import leaving_when_alone
from cotjax.training.run import train

config_file, workdir, *words = sys.argv[1:]
config = configs.load(config_file, words)
with leaving_when_alone():
    result = train(config, workdir)
print()
print(json.dumps(sorted(result.metrics.items())))
"""
# One host is slower than the other: what the first makes in the workdir must not mislead it.
UNEQUAL = """
import time
from cotjax.training import run

prepare = run.prepare

def prepare_late(*arguments):
    experiment = prepare(*arguments)
    time.sleep(3 * jax.process_index())
    return experiment

run.prepare = prepare_late
"""
# The second process gets SIGTERM in its third step. JAX looks for it once a second, so steps last.
TERMINATED = """
import os, signal, time
from cotjax.training.step_log import StepLog

add, taken = StepLog.add, []

def add_slowly(self, work, metrics):
    add(self, work, metrics)
    taken.append(work)
    if len(taken) == 3 and jax.process_index() == 1:
        os.kill(os.getpid(), signal.SIGTERM)
    if len(taken) >= 3:
        time.sleep(0.5)

StepLog.add = add_slowly
"""
# The second process is killed in its eighth step, when the checkpoint of the sixth is whole.
KILLED = """
import os, signal, sys, time
from pathlib import Path
from cotjax.training.step_log import StepLog

add, taken = StepLog.add, []

def add_and_die(self, work, metrics):
    add(self, work, metrics)
    taken.append(work)
    if len(taken) == 8 and jax.process_index() == 1:
        while not (Path(sys.argv[2]) / "checkpoints" / "6").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)

StepLog.add = add_and_die
"""
STEPS = 12
FIELDS = {
    "model.d_model": 16,
    "model.d_ff": 16,
    "model.num_layers": 1,
    "model.num_decoder_layers": 1,
    "model.dropout_rate": 0.0,
    "data.batch_size": 16,
    "mesh.fsdp": 2,
    "schedule.warmup_steps": 1,
    "schedule.total_steps": STEPS,
    "checkpoint.every": STEPS // 2,
    "evaluation.every": STEPS,
    "evaluation.max_questions": 12,
    "evaluation.max_tokens": 4,
    "profile.log_every": 1,
}


@pytest.fixture(scope="module")
def train_on(repository, tmp_path_factory):
    """Trains on some processes; returns the losses in the workdir and what each process knows."""
    cache = tmp_path_factory.mktemp("cache")
    words = [f"--config.{k}={v}" for k, v in (FIELDS | {"data.cache": cache}).items()]
    config_file = str(repository / "configs" / "default.py")

    def train_on(processes, workdir, program=TRAIN, codes=()):
        metrics = run_processes(processes, program, config_file, str(workdir), *words, codes=codes)
        lines = (workdir / "metrics.jsonl").read_text().splitlines()
        losses = [line["loss"] for line in map(json.loads, lines) if "loss" in line]
        return losses, metrics

    return train_on


@pytest.fixture(scope="module")
def two_hosts(train_on, tmp_path_factory):
    """An uninterrupted run of two processes."""
    return train_on(2, tmp_path_factory.mktemp("two"), UNEQUAL + TRAIN)


def test_two_hosts_equal_one(train_on, two_hosts, tmp_path):
    (losses, metrics), (alone, (reference,)) = two_hosts, train_on(1, tmp_path)
    assert len(losses) == STEPS
    assert losses == pytest.approx(alone, rel=0, abs=1e-5)
    assert metrics[0] == metrics[1]  # both hosts know the evaluation of all questions
    for (name, value), (_, expected) in zip(metrics[0], reference, strict=True):
        assert value == pytest.approx(expected, abs=1e-4), name


def test_two_hosts_stop_together_when_one_is_terminated(train_on, two_hosts, tmp_path):
    begun, _ = train_on(2, tmp_path, TERMINATED + TRAIN, codes=[(128 + signal.SIGTERM,)] * 2)
    assert 3 <= len(begun) < STEPS
    saved = f"SIGTERM: saved step {len(begun)}; run the same command to go on"
    assert (tmp_path / "log.txt").read_text("utf-8").splitlines()[-1] == saved
    losses, metrics = train_on(2, tmp_path)
    assert f"resumed after step {len(begun)}" in (tmp_path / "log.txt").read_text("utf-8")
    assert (losses, metrics) == two_hosts


def test_two_hosts_end_together_when_one_is_killed(train_on, two_hosts, tmp_path, capfd):
    """The other one says so, in one line and at once; started again, both end as two_hosts did.

    Now and then Gloo waits for the dead; then JAX aborts the other one after its 100 seconds.
    """
    codes = [(ALONE, -signal.SIGABRT), (-signal.SIGKILL,)]
    begun, _ = train_on(2, tmp_path, KILLED + TRAIN, codes=codes)
    assert len(begun) >= 7
    told = capfd.readouterr().err
    if "JAX distributed service detected fatal errors" not in told:
        (line,) = (line for line in told.splitlines() if line.startswith("error: "))
        assert line.startswith("error: another process of the group is gone (")
    assert train_on(2, tmp_path) == two_hosts
    assert "resumed after step 6" in (tmp_path / "log.txt").read_text("utf-8")
