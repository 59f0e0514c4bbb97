"""The sampling script as its user starts it: mistakes, kills, several hosts, what comes next."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from unittest import mock

import jax
import pytest

from cotjax import config as configs
from cotjax.records import read_records
from cotjax.teacher.questions import load_task_questions, read_questions
from cotjax.teacher.sample import sample_questions
from cotjax.training.run import train
from cotjax.training.writers import read_scalars
from tests.conftest import REPOSITORY
from tests.processes import run_processes
from tests.teacher.tiny import (
    SMOLLM2,
    Watcher,
    config,
    make_teacher,
    questions,
    words,
    write_questions,
)

COUNT = 40
KILLS = 2
FIELDS = {
    "samples": 4,
    "questions_per_shard": 4,
    "prompt__template": "raw",
    "prompt__shots": None,
    "sampling__slots": 3,
    "sampling__steps": 2,
}
pytestmark = pytest.mark.usefixtures("quick_to_compile")
QUICK = {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


def start(*arguments):
    """The script, started with a config."""
    script = str(REPOSITORY / "scripts" / "sample_teacher.py")
    command = [sys.executable, script, f"--config={SMOLLM2}", *arguments]
    return subprocess.Popen(
        command, env=os.environ | QUICK, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of --output=DIR, --print_prompt and --export_requests=FILE"),
        (["--output=o", "--print_prompt"], "give one of --output=DIR"),
        (["--output=o", "--config.samples=0"], "config.samples=0 must be 1 or more"),
        (["--output=o", "--config.sampling.max_token=8"], "did you mean 'sampling.max_tokens'"),
        (["--output=o", "--config.teacher.model="], "config.teacher.model must name"),
        (["--outptu=o"], "outptu"),
    ],
)
def test_a_mistake_is_told_in_the_first_second(arguments, message, tmp_path):
    begun = time.monotonic()
    process = start(*arguments)
    out, err = process.communicate()
    assert (process.returncode, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert time.monotonic() - begun < 5  # 0.3 seconds on an idle machine


def lines_of(folder):
    """Whole lines of the journal, by question and sample."""
    journal = folder / "journal-00000.jsonl"
    content = journal.read_bytes() if journal.exists() else b""
    return [json.loads(line) for line in content.splitlines(keepends=True) if line.endswith(b"\n")]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_kills_change_nothing(teacher, tmp_path):
    """SIGKILL at random moments, torn last lines, and the same records to the byte."""
    asked = write_questions(tmp_path / "asked.jsonl", questions(COUNT))
    flags = [f"--questions={asked}", *words(teacher, **FIELDS)]
    with mock.patch.object(jax, "local_devices", return_value=jax.devices()[:1]):
        job = config(teacher, **FIELDS)
        sample_questions(job, read_questions(asked), tmp_path / "whole", Watcher())
    draw, folder, kills, process = random.Random(0), tmp_path / "killed", 0, None
    while process is None or process.returncode != 0:
        process, before = start(f"--output={folder}", *flags), len(lines_of(folder))
        wanted = before + draw.randrange(1, 60)
        while process.poll() is None and kills < KILLS:
            time.sleep(0.005)
            if len(lines_of(folder)) >= wanted:
                time.sleep(draw.uniform(0, 0.02))
                process.kill()
                process.wait()
        process.wait()
        assert process.returncode in (0, -signal.SIGKILL), process.stderr.read()
        names = [(line["id"], line["sample"]) for line in lines_of(folder)]
        assert len(names) == len(set(names)), "a sample is written twice"
        if process.returncode:
            kills += 1
            with (folder / "journal-00000.jsonl").open("ab") as journal:
                journal.write(b'{"id": "q7", "sample": 0, "text": "caf\xc3')
            manifest, records = read_records(folder, allow_incomplete=True)
            assert not manifest.complete
            assert len(records) % 4 == 0  # whole shards
    assert kills == KILLS
    assert files(folder) == files(tmp_path / "whole")
    assert "the folder" in process.stdout.read()
    records = read_records(folder)[1]
    assert [record.id for record in records] == [f"q{n}" for n in range(COUNT)]


HOSTS = """
import json, sys
from pathlib import Path
from cotjax import config as configs
from cotjax.group import initialize_distributed, wait_for_all
initialize_distributed()
from cotjax.teacher.sample import sample_questions
from tests.teacher.tiny import Watcher, questions

config_file, folder, count, *words = sys.argv[1:]
config = configs.load(config_file, words, configs.TEACHER)
seen = []
for most in (5, None):  # stopped once, by all processes
    watcher = Watcher(most)
    try:
        sample_questions(config, questions(int(count)), Path(folder), watcher)
    except KeyboardInterrupt:
        pass
    seen += [(entry.id, entry.sample) for entry in watcher.entries]
    wait_for_all("stopped")  # the folder is free again
print()
print(json.dumps(seen))
"""


@pytest.mark.slow
def test_two_hosts_write_one_folder(teacher, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    fields = FIELDS | {"prompt__template": "few_shot", "prompt__shots": 1, "sampling__slots": 4}
    flags = words(teacher, **fields)
    one = config(teacher, mesh__fsdp=2, mesh__data=4, **(fields | {"sampling__slots": 8}))
    alone = Watcher()
    sample_questions(one, questions(13), tmp_path / "one", alone)
    both = run_processes(2, HOSTS, SMOLLM2, str(tmp_path / "two"), "13", *flags)
    seen = sorted((entry.id, entry.sample) for entry in alone.entries)
    assert seen == sorted(map(tuple, both[0] + both[1]))
    assert [len(part) for part in both] == [7 * 4, 6 * 4]
    manifest, records = read_records(tmp_path / "two")
    assert [shard.name for shard in manifest.shards] == [
        f"records-0000{process}-0000{number}.jsonl" for process in (0, 1) for number in (0, 1)
    ]
    single, expected = read_records(tmp_path / "one")
    assert manifest.counts == single.counts
    by_id = {record.id: record for record in records}
    assert [texts(by_id[record.id]) for record in expected] == [texts(one) for one in expected]
    assert not list((tmp_path / "two").glob("journal*"))


def texts(record):
    """All of a record but for log-probabilities, which slots beside it may round."""
    return [
        (one.sample, one.text, one.answer, one.num_tokens, one.finish_reason)
        for one in record.rationales
    ]


@pytest.mark.slow
def test_records_train_a_student(teacher, tmp_path):
    """From questions to samples to records to steps."""
    fields = {"task__name": "comparison", "task__source": "procedural", "task__max_questions": 24}
    asked = load_task_questions(config(teacher, prompt__shots=0, **fields))
    job = config(teacher, prompt__shots=0, mesh__data=1, mesh__fsdp=8, sampling__slots=8, **fields)
    sample_questions(job, asked, tmp_path / "records", Watcher())
    student = {
        "data.records": tmp_path / "records",
        "data.cache": tmp_path / "cache",
        "data.batch_size": 8,
        "model.d_model": 16,
        "model.d_kv": 4,
        "model.d_ff": 16,
        "model.num_layers": 1,
        "model.num_decoder_layers": 1,
        "schedule.total_steps": 3,
        "schedule.warmup_steps": 0,
        "evaluation.max_questions": 8,
        "evaluation.max_tokens": 4,
        "profile.log_every": 1,
    }
    flags = [f"--config.{name}={value}" for name, value in student.items()]
    train(configs.load(REPOSITORY / "configs" / "default.py", flags), str(tmp_path / "run"))
    losses = [line["rationale_loss"] for line in read_scalars(tmp_path / "run") if "loss" in line]
    assert len(losses) == 3
    assert all(math.isfinite(loss) and loss > 0 for loss in losses)
