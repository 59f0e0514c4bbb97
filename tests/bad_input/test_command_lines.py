"""Real processes, of 2 GiB at most: one line, exit code 2, and nothing left behind."""

import os
import subprocess
import sys
import time

import pytest

from tests.bad_input.refusing import SECONDS, write_folder
from tests.conftest import REPOSITORY

LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
DESCRIBE, IMPORT, SAMPLE = "describe_records.py", "import_rationales.py", "sample_teacher.py"
IMPORTED = ["--task=openbookqa", "--split=train", "--output=out", "--teacher=T"]
TEACHER = "--config=configs/teachers/default.py"
NOT_UTF_8 = os.fsdecode(b"\xff")

CASES = {
    "a flag without end": (DESCRIBE, ["--" + "x" * 50_000], "a flag is too long to be one"),
    "a flag of bytes": (DESCRIBE, [f"--records={NOT_UTF_8}"], "not UTF-8"),
    "a file of flags that is none": (DESCRIBE, ["--flagfile=bytes"], "utf-8"),
    "a folder that is none": (DESCRIBE, ["--records=nowhere"], "nowhere: is not a folder of"),
    "records that are cut": (DESCRIBE, ["--records=cut"], "records-00000-00000.jsonl:1: not JSON"),
    "a manifest that leads elsewhere": (DESCRIBE, ["--records=lying"], "is no name of a file"),
    "a form that is none": (IMPORT, ["--format=dsss", "--input=bytes", *IMPORTED], "no --format="),
    "a file of bytes": (
        IMPORT,
        ["--format=multi_sample", "--input=bytes", *IMPORTED],
        "bytes:1: not UTF-8",
    ),
    "a file of a billion brackets": (
        IMPORT,
        ["--format=multi_sample", "--input=brackets", *IMPORTED],
        "brackets:1: not valid JSON",
    ),
    "a config that is none": (SAMPLE, ["--config=bytes", "--output=out"], "bytes"),
    "a field that is none": (
        SAMPLE,
        [TEACHER, "--output=out", "--config.sampling.max_token=5"],
        "did you mean 'sampling.max_tokens'",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the scripts run: the repository's configs, and files that are damaged."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "configs").symlink_to(REPOSITORY / "configs")
    (folder / "bytes").write_bytes(b"\xff\xfe\0")
    (folder / "brackets").write_bytes(b"[" * 20_000_000)
    write_folder(folder / "cut", b'{"id": "q1", "quest')
    shards = [{"name": "../bytes", "records": 1, "sha256": "0"}]
    write_folder(folder / "lying", b"", shards=shards)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_line_and_exit_code_two(folder, name):
    script, arguments, message = CASES[name]
    before, started = sorted(folder.rglob("*")), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-B", "-c", LIMITED, REPOSITORY / "scripts" / script, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    (line,) = done.stderr.decode("utf-8", "replace").splitlines()
    assert (done.returncode, done.stdout) == (2, b""), line
    assert line.startswith("error: ")
    assert message in line
    assert time.monotonic() - started < SECONDS * 2  # the machine may be busy with other tests
    assert sorted(folder.rglob("*")) == before
