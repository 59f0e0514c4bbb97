"""Real processes, of 2 GiB at most: one line, exit code 2, and nothing left behind."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.bad_input.refusing import SECONDS, write_folder
from tests.bad_input.test_hf_folders import CONFIG
from tests.conftest import REPOSITORY

LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# JAX and TensorFlow reserve far more addresses than they fill: what is resident is asked for. To
# import them, and torch for the tests, takes longer beside other tests than any bound worth naming.
WATCHED = """
import atexit, runpy, sys
def tell():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    with open(told, "w") as file:
        file.write(status["VmHWM"].split()[0])  # rusage's would begin with the parent's
atexit.register(tell)
told, *sys.argv = sys.argv[1:]
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

HEAVY_CASES = {
    "a student without a tokenizer": (
        "train.py",
        ["--config=configs/default.py", "--workdir=out", "--config.model.pretrained=model"],
        "model: no tokenizer could be loaded",
    ),
    "a workdir without a run": (
        "evaluate.py",
        ["--workdir=cut", "--checkpoint=best", "--split=test"],
        "cut/config.json",
    ),
    "texts that are none": (
        "predict.py",
        ["--model=model", "--input=bytes", "--output=out"],
        "bytes:1: not UTF-8",
    ),
    "a study that is none": ("study.py", ["--config=bytes", "--workdir=out"], "bytes"),
    "a GGUF file that is none": (
        SAMPLE,
        [
            TEACHER,
            "--output=out",
            "--config.task.name=last_letter",
            "--config.task.source=procedural",
            "--config.teacher.model=bytes.gguf",
        ],
        "bytes.gguf",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the scripts run: the repository's configs, and files that are damaged."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "configs").symlink_to(REPOSITORY / "configs")
    (folder / "bytes").write_bytes(b"\xff\xfe\0")
    (folder / "brackets").write_bytes(b"[" * 20_000_000)
    (folder / "bytes.gguf").write_bytes(b"\xff\xfe\0")
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model" / "model.safetensors").write_bytes(b"\xff" * 100)
    write_folder(folder / "cut", b'{"id": "q1", "quest')
    shards = [{"name": "../bytes", "records": 1, "sha256": "0"}]
    write_folder(folder / "lying", b"", shards=shards)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_line_and_exit_code_two(folder, name):
    started = time.monotonic()
    check_refused(folder, [LIMITED], *CASES[name])
    assert time.monotonic() - started < SECONDS * 2  # the machine may be busy with other tests


@pytest.mark.parametrize("name", HEAVY_CASES)
def test_a_mistake_in_what_a_student_reads_is_too(folder, name, tmp_path):
    check_refused(folder, [WATCHED, tmp_path / "kib"], *HEAVY_CASES[name], timeout=240)
    assert int((tmp_path / "kib").read_text()) < 2 * 2**20


def check_refused(folder, program, script, arguments, message, timeout=60):
    before = sorted(folder.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-B", "-c", *program, REPOSITORY / "scripts" / script, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        check=False,
        timeout=timeout,
    )
    (line,) = done.stderr.decode("utf-8", "replace").splitlines()
    assert (done.returncode, done.stdout) == (2, b""), line
    assert line.startswith("error: ")
    assert message in line
    assert sorted(folder.rglob("*")) == before
