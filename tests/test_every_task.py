"""Every task's own config: questions in the fields of its data set, rationales, a training step."""

import json

import jax
import pytest

from cotjax import config as configs
from cotjax.data.tokenizer import train_tokenizer
from cotjax.records import read_manifest
from cotjax.tasks import get_task, task_names
from cotjax.tasks.base import label_formats
from cotjax.tasks.sources import load_questions
from cotjax.teacher.importers import Request, import_rationales
from cotjax.training.run import train
from tests.tasks.published import PUBLISHED

COPIES = 12  # of the published rows, told apart by a number
TEXTS = ("question_stem", "premise", "Body", "body", "inputs", "question")
IDS = ("id", "qid", "uid", "ID", "idx")
PROCEDURAL = ("coin_flip",)  # whose config makes its own questions
WORDS = ["The answer is yes (A) because 1 + 2 = 3 ."]


@pytest.fixture(scope="module", autouse=True)
def _compile_quickly():
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """One for all tasks, so that they share what is compiled."""
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(WORDS, 64).save(folder)
    return folder


def write_questions(name, folder, splits):
    """Files of every split in the fields of the task's data set."""
    rows, records = PUBLISHED[name]
    row = next(row for row, record in zip(rows, records, strict=True) if record.label is not None)
    text = next(field for field in TEXTS if field in row)
    for split in splits:
        lines = []
        for number in range(COPIES):
            ids = {field: f"{split}-{number}" for field in IDS if field in row}
            lines.append(row | ids | {text: f"{split} {number} {row[text]}"})
        content = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{split}.jsonl").write_text(content, encoding="utf-8")
    return f"file:{folder}/{{split}}.jsonl"


def write_rationales(name, source, split, folder):
    """Records of a teacher that is always right."""
    task = get_task(name, label_formats(name)[0])
    completions = folder / "completions.jsonl"
    with completions.open("w", encoding="utf-8") as file:
        for question in load_questions(task, source, split):
            answer = task.format_label(question, question.label)
            text = f"1 + 2 = 3. So the answer is {answer}."
            file.write(json.dumps({"id": question.id, "completion": text}) + "\n")
    request = Request(name, split, completions, questions=source, teacher="nobody")
    import_rationales("completions", request, folder / "records")
    counts = read_manifest(folder / "records").counts
    assert counts["right"] == counts["rationales"] == COPIES
    return folder / "records"


def tiny(name, tokenizer, tmp_path):
    """The task's config with a tiny student, one step, and questions from files."""
    config = configs.load(f"configs/{name}.py")
    task, data = config.task, config.data
    splits = {task.train_split, task.validation_split, task.test_split} - {""}
    if name not in PROCEDURAL:
        task.source = write_questions(name, tmp_path, splits)
        task.validation_fraction = 0.3
        if data.rationales == "teacher":
            records = write_rationales(name, task.source, task.train_split, tmp_path)
            data.records = str(records)
            data.selection.tags = ""
    config.model.update(pretrained=None, tokenizer=str(tokenizer), d_model=16, d_ff=16, num_heads=1)
    config.model.update(num_layers=1, num_decoder_layers=1)
    data.update(batch_size=2, encoder_length=512, decoder_length=512, cache=str(tmp_path / "cache"))
    data.update(input_length=512, target_length=256)
    config.schedule.total_steps = config.checkpoint.every = config.evaluation.every = 1
    config.evaluation.update(max_questions=2, batch_size=2, max_tokens=2)
    configs.validate(config)
    return config


def test_every_published_task_is_here():
    assert {*PUBLISHED, *PROCEDURAL, "comparison"} == set(task_names())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*PUBLISHED, *PROCEDURAL}))
def test_a_training_step(name, tokenizer, tmp_path, repository, monkeypatch):
    monkeypatch.chdir(repository)
    result = train(tiny(name, tokenizer, tmp_path), tmp_path / "run")
    assert result.step == 1
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 1
    counts = json.loads((tmp_path / "run" / "model.json").read_text())["counts"]
    assert counts["rationales/tokens"] > 0
