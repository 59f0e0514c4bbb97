"""Real rationales, real weights, every script: what the README tells a newcomer to type."""

import json
import os
import subprocess
import sys

import pytest

from cotjax.records import Manifest, read_records, write_records
from cotjax.tasks import get_task
from cotjax.tasks.sources import to_question

pytestmark = pytest.mark.slow
NUM_QUESTIONS = 16


@pytest.fixture(scope="module")
def run_script(repository):
    """Runs a script as a user does, on one CPU device, and returns what it printed."""

    def run(name, *arguments):
        command = [sys.executable, str(repository / "scripts" / name), *arguments]
        environment = os.environ | {"JAX_PLATFORMS": "cpu"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def records(shared, run_script, tmp_path_factory):
    """The imported train split, and a few questions of the test split."""
    folder = tmp_path_factory.mktemp("records")
    for split in ("train", "test"):
        printed = run_script(
            "import_rationales.py",
            "--format=dss",
            "--task=commonsense_qa",
            f"--split={split}",
            f"--input={shared / 'data' / 'dss' / 'cqa'}",
            f"--output={folder / split}",
        )
        assert {"train": "9,741", "test": "1,221"}[split] in printed
    few = read_records(folder / "test")[1][:NUM_QUESTIONS]
    manifest = Manifest(task="commonsense_qa", split="test", teacher="PaLM-540B")
    write_records(folder / "few", manifest, few)
    return folder


@pytest.fixture(scope="module")
def workdir(repository, run_script, records, titler_folder, tmp_path_factory):
    """A run of two steps."""
    workdir = tmp_path_factory.mktemp("run")
    fields = {
        "task.source": f"records:{records}",
        "model.pretrained": titler_folder,
        "data.cache": workdir / "cache",
        "data.batch_size": 4,
        "schedule.total_steps": 2,
        "evaluation.max_questions": 4,
        "evaluation.max_tokens": 8,
    }
    run_script(
        "train.py",
        f"--config={repository / 'configs' / 'commonsense_qa.py'}",
        f"--workdir={workdir}",
        *(f"--config.{name}={value}" for name, value in fields.items()),
    )
    return workdir


def test_the_run_tells_what_it_did(workdir):
    log = (workdir / "log.txt").read_text()
    assert "step 0 validation:" in log
    assert "step 2 validation:" in log
    assert "overlap: 0 questions of test stand in train" in log
    assert "rationales/unknown=" in log


def test_evaluation_reads_the_imported_questions(workdir, records, run_script):
    printed = run_script(
        "evaluate.py",
        f"--workdir={workdir}",
        "--checkpoint=best",
        "--split=test",
        f"--questions={records / 'few'}",
    )
    assert "accuracy" in printed
    summary = json.loads((workdir / "eval" / "test-few-2.json").read_text())
    assert summary["num_questions"] == NUM_QUESTIONS
    lines = (workdir / "eval" / "test-few-2.jsonl").read_text().splitlines()
    outcomes = [json.loads(line)["outcome"] for line in lines]
    assert len(outcomes) == NUM_QUESTIONS
    assert outcomes.count("right") == summary["right"]


def test_an_export_answers_in_transformers_as_the_checkpoint_does(
    workdir, records, run_script, tmp_path
):
    import torch
    from transformers import AutoTokenizer, T5ForConditionalGeneration

    task = get_task("commonsense_qa", "letter")
    questions = [to_question(record, "test") for record in read_records(records / "few")[1]]
    texts = [task.format_input(question) for question in questions]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    run_script(
        "predict.py",
        f"--workdir={workdir}",
        f"--input={tmp_path / 'in.jsonl'}",
        f"--output={tmp_path / 'out.jsonl'}",
        "--max_tokens=12",
    )
    run_script(
        "export.py", f"--workdir={workdir}", "--checkpoint=best", f"--output={tmp_path / 'hf'}"
    )
    model = T5ForConditionalGeneration.from_pretrained(tmp_path / "hf").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hf")
    predictions = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["text"] for line in predictions] == texts
    for line in predictions:
        inputs = tokenizer(line["text"], return_tensors="pt")
        with torch.no_grad():
            generated = model.generate(**inputs, max_new_tokens=12, do_sample=False)
        assert tokenizer.decode(generated[0], skip_special_tokens=True) == line["output"]
