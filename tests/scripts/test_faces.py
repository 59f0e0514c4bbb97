"""Scripts: quick help, and one line for every mistake."""

import subprocess
import sys
import time

import pytest

from tests.conftest import REPOSITORY

SCRIPTS = sorted(path.name for path in (REPOSITORY / "scripts").glob("*.py"))
SLOW_IMPORTS = {"jax", "tensorflow", "transformers", "torch"}
HELP_SECONDS = 2  # 0.1 on an idle machine
TRIES = 5  # the machine may be busy: the quickest counts


def run(script: str, *arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    command = [sys.executable, *python, str(REPOSITORY / "scripts" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_quick(script):
    done = run(script, "--help", python=("-X", "importtime"))
    assert done.returncode == 0
    assert f"scripts/{script}" in done.stdout  # the command, from the docstring
    assert "Flags:" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "absl.flags" in imported
    assert not SLOW_IMPORTS & imported
    assert any(seconds_for_help(script) < HELP_SECONDS for _ in range(TRIES))


def seconds_for_help(script: str) -> float:
    start = time.monotonic()
    run(script, "--help")
    return time.monotonic() - start


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_face_is_thin(script):
    lines = (REPOSITORY / "scripts" / script).read_text("utf-8").splitlines()
    assert len(lines) < 60


DEFAULT = "--config=configs/default.py"


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("evaluate.py", [], "--workdir is required"),
        ("evaluate.py", ["--workdir=w", "--checkpoint=best"], "--split is required"),
        ("evaluate.py", ["--workdir=w", "--checkpoint=best", "--split=tset"], "--split=tset"),
        ("evaluate.py", ["--workdir=w", "--checkpoint=best", "--split=test"], "w/config.json"),
        ("predict.py", ["--input=i"], "--output is required"),
        ("predict.py", ["--input=i", "--output=o"], "either --workdir or --model"),
        ("predict.py", ["--input=i", "--output=o", "--max_tokens=0"], "--max_tokens=0"),
        ("export.py", ["--workdir=w", "--checkpoint=best"], "--output is required"),
        ("export.py", ["--workdir=w", "--checkpoint=best", "--output=cotjax"], "exists already"),
        ("preview.py", [], "--config is required"),
        ("preview.py", [DEFAULT, "--num=0"], "--num=0"),
        ("preview.py", [DEFAULT, "--config.data.ordre=x"], "did you mean 'data.order'"),
        ("preview.py", ["--config=none.py"], "none.py: no such file"),
        ("preview.py", [DEFAULT, "more"], "unexpected argument 'more'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(script, arguments, message, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    done = run(script, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
