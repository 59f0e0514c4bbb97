"""Runs in processes of their own, which end in seconds unless something ends them before."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from cotjax.training.writers import read_scalars

REPOSITORY = Path(__file__).resolve().parents[2]
# One device, and little time to compile programs that run for milliseconds.
QUICK = {
    "JAX_PLATFORMS": "cpu",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
}
STEPS = 12
FIELDS = {
    "model.d_model": 16,
    "model.d_kv": 4,
    "model.d_ff": 16,
    "model.num_layers": 1,
    "model.num_decoder_layers": 1,
    "data.batch_size": 512,  # four steps an epoch: twelve steps cross two ends of epochs
    "data.perturbation.name": "shuffle",
    "schedule.total_steps": STEPS,
    "schedule.warmup_steps": 2,
    "checkpoint.every": 3,
    "evaluation.every": 6,
    "evaluation.max_questions": 8,
    "evaluation.max_tokens": 4,
    "profile.log_every": 1,
}


def command(workdir: Path, cache: Path) -> list[str]:
    """Trains in `workdir`; the run's tokens are kept in `cache`."""
    return [
        sys.executable,
        str(REPOSITORY / "scripts" / "train.py"),
        f"--config={REPOSITORY / 'configs' / 'default.py'}",
        f"--workdir={workdir}",
        f"--config.data.cache={cache}",
        *(f"--config.{name}={value}" for name, value in FIELDS.items()),
    ]


def start(workdir: Path, cache: Path, **options) -> subprocess.Popen:
    """Starts a run; what it says on the error stream can be read from it."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(cache / "compiled")}
    environment = os.environ | QUICK | compiled
    return subprocess.Popen(command(workdir, cache), env=environment, **pipes | options)


def finish(workdir: Path, cache: Path, seconds: float = 180) -> str:
    """Runs to the end; returns what it said on the error stream."""
    process = start(workdir, cache)
    _, errors = process.communicate(timeout=seconds)
    assert process.returncode == 0, errors
    return errors


def wait_for(process: subprocess.Popen, moment, seconds: float = 180) -> None:
    """Returns when `moment()` is true or the process is over."""
    end = time.monotonic() + seconds
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            if moment():
                return
        assert time.monotonic() < end, "the moment never came"
        time.sleep(0.003)


def trained(workdir: Path) -> list[tuple[float, ...]]:
    """What the training lines say, without times."""
    names = ("step", "loss", "grad_norm", "label_loss", "rationale_loss")
    return [tuple(line[name] for name in names) for line in read_scalars(workdir) if "loss" in line]


def evaluated(workdir: Path) -> list[tuple[float, float]]:
    """Steps and accuracies of the evaluations."""
    name = "validation/accuracy"
    return [(line["step"], line[name]) for line in read_scalars(workdir) if name in line]


def check_same(workdir: Path, whole: Path) -> None:
    """Final parameters, optimizer state and logged losses are those of `whole`, bit for bit."""
    assert [line[0] for line in trained(workdir)] == list(range(1, STEPS + 1))
    assert trained(workdir) == trained(whole)
    assert evaluated(workdir) == evaluated(whole)
    for item in ("params", "optimizer"):
        found, expected = (_arrays(folder, item) for folder in (workdir, whole))
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def _arrays(workdir: Path, item: str):
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(workdir / "checkpoints" / str(STEPS) / item)
