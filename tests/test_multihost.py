"""Two processes with four devices each do as one process with eight does, and stop together."""

import dataclasses
import json
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from cotjax.evaluation.student import load_student
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
# Of all questions; into files of the workdir.
EVALUATE = """
from pathlib import Path
from cotjax.evaluation.run import evaluate_checkpoint

evaluate_checkpoint(Path(workdir), "latest", "validation")
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
# The same amid the evaluation of the sixth step, which is made to last too.
ASKED = """
import os, signal, time
from cotjax.training.evaluations import Evaluations

ask, waits = Evaluations.ask, []

def ask_slowly(self, params, step, between):
    def between_slowly():
        waits.append(None)
        if len(waits) == 1 and jax.process_index() == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
        between()

    return ask(self, params, step, between_slowly if step == 6 else between)

Evaluations.ask = ask_slowly
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
DEVICES = 8  # of all processes together
STEPS = 12
FIELDS = {
    "model.d_model": 16,
    "model.d_ff": 16,
    "model.num_layers": 1,
    "model.num_decoder_layers": 1,
    "model.dropout_rate": 0.0,
    "data.batch_size": 16,
    "mesh.fsdp": DEVICES,  # so that each host has a part of the parameters
    "schedule.warmup_steps": 1,
    "schedule.total_steps": STEPS,
    "checkpoint.every": STEPS // 2,
    "evaluation.every": STEPS,
    "evaluation.batch_size": 16,
    "evaluation.max_questions": 40,  # so that slots are filled anew
    "evaluation.max_tokens": 4,
    "profile.log_every": 1,
}


@dataclasses.dataclass(frozen=True)
class Run:
    """What is left of a run: the losses in its workdir, and what each of its processes knows."""

    workdir: Path = dataclasses.field(compare=False)
    losses: list[float]
    metrics: list[list[tuple[str, float]]]

    def params(self) -> Mapping[tuple[str, ...], np.ndarray]:
        """The last parameters, read by the devices of this process."""
        student, step = load_student(self.workdir, "latest")
        assert step == STEPS
        return flatten_dict(jax.device_get(student.params))

    def predictions(self) -> list[dict[str, Any]]:
        """What the student of the last checkpoint says to all questions."""
        return read_lines(self.workdir / "eval" / f"validation-{STEPS}.jsonl")


def read_lines(file):
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def train_on(repository, tmp_path_factory):
    """Trains in a workdir on the devices of some processes."""
    cache = tmp_path_factory.mktemp("cache")
    caches = {"data.cache": cache / "tokens", "compilation_cache_dir": cache / "compiled"}
    words = [f"--config.{k}={v}" for k, v in (FIELDS | caches).items()]
    config_file = str(repository / "configs" / "default.py")

    def train_on(processes, workdir, program=TRAIN, codes=()):
        metrics = run_processes(
            processes,
            program,
            config_file,
            str(workdir),
            *words,
            codes=codes,
            devices=DEVICES // processes,
        )
        lines = read_lines(workdir / "metrics.jsonl")
        losses = [line["loss"] for line in lines if "loss" in line]
        return Run(workdir, losses, metrics)

    return train_on


@pytest.fixture(scope="module")
def two_hosts(train_on, tmp_path_factory):
    """An uninterrupted run of two processes."""
    return train_on(2, tmp_path_factory.mktemp("two"), UNEQUAL + TRAIN + EVALUATE)


@pytest.fixture(scope="module")
def one_host(train_on, tmp_path_factory):
    """The same of one process."""
    return train_on(1, tmp_path_factory.mktemp("one"), TRAIN + EVALUATE)


def check_trained_alike(one, other):
    """Losses, metrics and parameters differ by no more than the order of float32 sums explains."""
    assert len(one.losses) == STEPS
    assert one.losses == pytest.approx(other.losses, rel=0, abs=1e-5)
    for (name, value), (_, expected) in zip(one.metrics[0], other.metrics[0], strict=True):
        assert value == pytest.approx(expected, abs=1e-4), name
    expected = other.params()
    for name, value in one.params().items():
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-5, err_msg=str(name))


def test_two_hosts_train_as_one(two_hosts, one_host):
    check_trained_alike(two_hosts, one_host)
    assert two_hosts.metrics[0] == two_hosts.metrics[1]  # both know of all questions


def test_two_hosts_predict_as_one(two_hosts, one_host):
    for one, other in zip(two_hosts.predictions(), one_host.predictions(), strict=True):
        for name, value in other.items():
            near = name.endswith(("logprob", "logprobs"))
            assert one[name] == (pytest.approx(value, abs=1e-4) if near else value), name


def test_two_hosts_stop_together_when_one_is_terminated(train_on, two_hosts, tmp_path):
    """What they saved goes on, on two hosts as if nothing had been, and on one alone."""
    begun = train_on(2, tmp_path / "2", TERMINATED + TRAIN, codes=[(128 + signal.SIGTERM,)] * 2)
    steps = len(begun.losses)
    assert 3 <= steps < STEPS
    saved = f"SIGTERM: saved step {steps}; run the same command to go on"
    assert (begun.workdir / "log.txt").read_text("utf-8").splitlines()[-1] == saved
    moved = shutil.copytree(begun.workdir, tmp_path / "1")
    assert train_on(2, begun.workdir) == two_hosts
    check_trained_alike(train_on(1, moved), two_hosts)
    for workdir in (begun.workdir, moved):
        assert f"resumed after step {steps}" in (workdir / "log.txt").read_text("utf-8")


def test_two_hosts_stop_together_amid_an_evaluation(train_on, two_hosts, tmp_path):
    """It is made up for, and what comes after it is as if nothing had been."""
    begun = train_on(2, tmp_path, ASKED + TRAIN, codes=[(128 + signal.SIGTERM,)] * 2)
    assert len(begun.losses) == 6
    saved = "SIGTERM: saved step 6, amid its evaluation; run the same command to go on"
    assert (tmp_path / "log.txt").read_text("utf-8").splitlines()[-1] == saved
    assert train_on(2, tmp_path) == two_hosts
    assert evaluated(tmp_path) == evaluated(two_hosts.workdir)


def evaluated(workdir):
    """What the lines of evaluations say."""
    return [line for line in read_lines(workdir / "metrics.jsonl") if "loss" not in line]


def test_two_hosts_end_together_when_one_is_killed(train_on, two_hosts, tmp_path, capfd):
    """The other one says so, in one line and at once; started again, both end as two_hosts did."""
    codes = [(ALONE,), (-signal.SIGKILL,)]
    begun = train_on(2, tmp_path, KILLED + TRAIN, codes=codes)
    assert len(begun.losses) >= 7
    (line,) = (line for line in capfd.readouterr().err.splitlines() if line.startswith("error: "))
    assert line.startswith("error: another process of the group is gone (")
    assert train_on(2, tmp_path) == two_hosts
    assert "resumed after step 6" in (tmp_path / "log.txt").read_text("utf-8")
