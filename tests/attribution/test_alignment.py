"""Scores stay with their words through T5's sentencepiece pieces, files and a new run's targets."""

import json

import jax.numpy as jnp
import pytest
from transformers import AutoTokenizer

from cotjax import config as configs
from cotjax.attribution import explained
from cotjax.attribution.run import Request, score_records
from cotjax.attribution.scores import read_scores
from cotjax.evaluation.student import export_checkpoint
from cotjax.records import Manifest, Rationale, Record, write_records
from cotjax.tasks import get_task
from cotjax.training.prepare import prepare
from cotjax.training.run import train
from tests.evaluation.conftest import OVERRIDES
from tests.titler import TOKENIZER_CONFIG

TEXTS = (
    "1. Assess the\nentities: both weigh something.2. A: antidisestablishmentarianism, no!",
    "So   it's (first) -- not \t second; 3.5 > 2.25 kilograms...",
    "heavier",
    "naïve café thoughts: “quoted” re-weighing",
)


@pytest.fixture(scope="module")
def run(repository, tmp_path_factory):
    """A student with Flan-T5's tokenizer after one step, and the records that it was taught."""
    import traceforge_title_model

    folder = tmp_path_factory.mktemp("t5")
    source = f"{traceforge_title_model.span_dir()}/tokenizer.json"
    with open(source, encoding="utf-8") as file:
        tokenizer = json.load(file) | {"truncation": None, "padding": None}
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer/tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer/tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG))
    questions = get_task("comparison", "text").oracle_records("train")[: len(TEXTS)]
    records = [
        Record(one.id, one.question, one.choices, one.label, (Rationale(0, text, "first", True),))
        for one, text in zip(questions, TEXTS, strict=True)
    ]
    write_records(folder / "records", Manifest("comparison", "train", "oracle"), records)
    train(config_of(repository, folder, {"data.order": "rationale_first"}), folder / "workdir")
    return folder, records


def config_of(repository, folder, changes):
    common = {
        "data.records": folder / "records",
        "data.cache": folder / "cache",
        "model.tokenizer": folder / "tokenizer",
        "model.d_model": 16,
        "data.target_length": 64,
        "evaluation.max_questions": 4,
        "schedule.total_steps": 1,
        "schedule.warmup_steps": 0,
    }
    fields = OVERRIDES | common | changes
    words = [f"--config.{name}={value}" for name, value in fields.items()]
    return configs.load(repository / "configs" / "default.py", words)


def test_a_words_score_is_that_of_its_pieces(run, repository, tmp_path, monkeypatch):
    """The score of a piece is its id, so each word's is the sum that transformers tells alone."""

    def ids(student, params, batch):
        return {"scores": student.by_word(batch["decoder_inputs"].astype(jnp.float32), batch)}

    folder, records = run
    monkeypatch.setitem(explained.METHODS, "attention", ids)
    request = Request(
        folder / "records", tmp_path / "s", "attention", folder / "workdir", "latest", batch_size=3
    )
    score_records(request)
    export_checkpoint(folder / "workdir", "latest", tmp_path / "exported")
    reference = AutoTokenizer.from_pretrained(tmp_path / "exported")
    scores = read_scores(tmp_path / "s", folder / "records")
    lines = {line.id: line.scores for line in scores.lines.values()}
    for record in records:
        words = record.rationales[0].text.split()
        expected = [sum(reference(word, add_special_tokens=False).input_ids) for word in words]
        assert list(lines[record.id]) == pytest.approx(expected, rel=1e-5), words

    choice = {"data.words.name": "key_words", "data.words.k": 2, "data.scores": tmp_path / "s"}
    experiment = prepare(config_of(repository, folder, choice), row_multiple=1)
    for target, record in enumerate(records):
        words, scored = record.rationales[0].text.split(), lines[record.id]
        best = sorted(range(len(words)), key=lambda word: -scored[word])[:2]
        kept = experiment.tokenizer.decode(experiment.steps.table.rationales[target])
        assert kept.split() == [words[word] for word in sorted(best)]
