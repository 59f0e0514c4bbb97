"""A run that is killed outright, as by a machine that goes away, ends as if it had not been."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from cotjax.training.writers import read_scalars

pytestmark = pytest.mark.slow
# One device, and little time to compile programs that run for milliseconds.
QUICK = {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
FIELDS = {
    "model.d_model": 16,
    "model.d_kv": 4,
    "model.d_ff": 16,
    "model.num_layers": 1,
    "model.num_decoder_layers": 1,
    "data.batch_size": 512,  # four steps an epoch: ten steps cross two ends of epochs
    "data.perturbation.name": "shuffle",
    "schedule.total_steps": 10,
    "schedule.warmup_steps": 2,
    "checkpoint.every": 3,
    "evaluation.every": 100,
    "evaluation.max_questions": 8,
    "evaluation.max_tokens": 4,
    "profile.log_every": 1,
}


@pytest.fixture(scope="module")
def start(repository, tmp_path_factory):
    """Starts scripts/train.py with a workdir, which is silent but for errors."""
    cache = tmp_path_factory.mktemp("cache")

    def start(workdir):
        fields = FIELDS | {"data.cache": cache}
        command = [
            sys.executable,
            str(repository / "scripts" / "train.py"),
            f"--config={repository / 'configs' / 'default.py'}",
            f"--workdir={workdir}",
            *(f"--config.{name}={value}" for name, value in fields.items()),
        ]
        environment = os.environ | QUICK
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    return start


def trained(workdir):
    """What the training lines say, without times."""
    names = ("step", "loss", "grad_norm", "label_loss", "rationale_loss")
    return [tuple(line[name] for name in names) for line in read_scalars(workdir) if "loss" in line]


def steps_done(workdir):
    """The newest whole checkpoint and the last whole line of metrics, 0 where there is none."""
    saved = [int(path.name) for path in workdir.glob("checkpoints/*") if path.name.isdigit()]
    lines = (workdir / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    logged = [json.loads(line)["step"] for line in lines if line.endswith(b"\n")]
    return max(saved, default=0), max(logged, default=0)


def kill_after_a_checkpoint(process, workdir):
    """Kills a run some steps after its first checkpoint; returns the checkpoint's step."""
    while process.poll() is None:
        if (workdir / "metrics.jsonl").exists():
            saved, logged = steps_done(workdir)
            if 0 < saved < logged:
                process.kill()
                process.wait()
                return saved
        time.sleep(0.005)
    raise AssertionError(f"the run ended by itself, with {process.returncode}")


def test_a_killed_run_ends_as_one_that_was_not(start, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    uninterrupted = start(whole)  # at the same time: most of it is starting
    run = start(killed)
    saved = kill_after_a_checkpoint(run, killed)
    assert run.returncode == -signal.SIGKILL
    assert uninterrupted.wait(timeout=120) == 0
    assert len(trained(killed)) < 10

    assert start(killed).wait(timeout=120) == 0
    log = (killed / "log.txt").read_text("utf-8").splitlines()
    resumed = [int(line.rpartition(" ")[2]) for line in log if line.startswith("resumed after")]
    assert len(resumed) == 1
    assert saved <= resumed[0] < 10  # one that was being saved may have become whole
    assert [line[0] for line in trained(killed)] == list(range(1, 11))
    assert trained(killed) == trained(whole)  # bit for bit
