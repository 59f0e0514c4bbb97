"""What every script shares: a mistake, a full disk or Ctrl-C is one line and an exit code."""

import errno
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

SCRIPT = '''"""Does one thing."""
from absl import flags
from cotjax import cli

flags.DEFINE_string("workdir", None, "a folder")


def main():
    {body}


cli.run(main)
'''


@pytest.fixture
def run(tmp_path):
    """Runs a script whose `main` is one line."""

    def run_(body: str, *arguments: str) -> subprocess.CompletedProcess:
        file = tmp_path / "script.py"
        file.write_text(SCRIPT.format(body=body), "utf-8")
        command = [sys.executable, str(file), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)

    return run_


@pytest.mark.parametrize("flag", ["-h", "--help", "-help", "--helpshort", "--helpfull"])
def test_help(run, flag):
    done = run("raise AssertionError", flag)
    assert done.returncode == 0
    assert done.stdout == "Does one thing.\n\nFlags:\n  --workdir: a folder\n"


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        ("open('setup.py/x', 'w')", 2, "error: setup.py/x: Not a directory"),
        (f"raise OSError({errno.ENOSPC}, 'No space left on device')", 2, "No space left on device"),
        ("raise KeyboardInterrupt", 130, "interrupted"),
        ("raise cli.InputError('two\\nlines')", 2, "error: two lines"),
        ("raise cli.NotFiniteError('lost')", 3, "error: lost"),
    ],
)
def test_what_stops_a_script_is_one_line(run, body, code, line):
    done = run(body)
    assert done.returncode == code
    (said,) = done.stderr.splitlines()
    assert line in said


def test_a_bug_keeps_its_traceback(run):
    done = run("raise ZeroDivisionError")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_reader_that_goes_away_is_no_mistake(run):
    assert run("raise BrokenPipeError").returncode == 0


def test_help_to_a_reader_that_goes_away_says_nothing(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(SCRIPT.format(body="pass").replace("one thing", "one thing" * 99_999), "utf-8")
    with subprocess.Popen(
        [sys.executable, str(file), "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
    ) as script:
        script.stdout.close()
        assert (script.stderr.read(), script.wait()) == (b"", 0)


def test_libraries_are_quiet(run):
    done = run("import transformers")
    assert (done.returncode, done.stderr) == (0, "")
