"""Questions come from records or a procedure; splits are kept apart by what they ask."""

import dataclasses
import json
import shutil

import pytest

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, write_records
from cotjax.tasks import Question, get_task, sources
from cotjax.tasks.sources import load_questions, load_records, load_splits, shared_records
from tests.tasks.published import PUBLISHED

TASK = get_task("commonsense_qa", "letter")


def make_record(number: int) -> Record:
    rationale = Rationale(sample=0, text="it is so", answer="zoo", correct=True)
    return Record(f"q{number}", f"Where is {number}?", ("zoo", "sea"), "zoo", (rationale,))


@pytest.fixture
def folder(tmp_path):
    for split, numbers in (("train", range(4)), ("test", range(4, 6))):
        manifest = Manifest("commonsense_qa", split, "teacher")
        write_records(tmp_path / split, manifest, map(make_record, numbers))
    return tmp_path


def test_records_are_a_source_of_questions(folder):
    questions = load_questions(TASK, f"records:{folder}", "test")
    assert questions == [
        Question(f"q{n}", f"Where is {n}?", ("zoo", "sea"), "zoo", "test") for n in (4, 5)
    ]
    assert load_questions(TASK, f"records:{folder / 'test'}", "test") == questions
    assert load_records(TASK, f"records:{folder}", "train") == [make_record(n) for n in range(4)]


def test_a_folder_is_read_once_where_records_are_shared(folder, monkeypatch):
    read, reads = sources.read_records, []
    monkeypatch.setattr(sources, "read_records", lambda *a: reads.append(a) or read(*a))
    task, source = get_task("commonsense_qa", "text"), f"records:{folder}"
    with shared_records():
        first = load_records(task, source, "train")
        first.pop()  # a caller's list is its own
        again = load_records(task, source, "train")
        assert (len(reads), len(again)) == (1, len(first) + 1)
        load_records(task, source, "train", allow_incomplete=True)
        assert len(reads) == 2
    load_records(task, source, "train")
    load_records(task, source, "train")
    assert len(reads) == 4


def test_a_procedural_task_gives_the_same_two_things():
    task = get_task("comparison", "text")
    records = load_records(task, "procedural", "validation")
    questions = load_questions(task, "procedural", "validation")
    assert [question.id for question in questions] == [record.id for record in records]
    assert {question.split for question in questions} == {"validation"}


@pytest.mark.parametrize(
    ("task", "source", "split", "message"),
    [
        (TASK, "records:{}", "dev", r"has no records of split 'dev' \(dev/manifest.json\)"),
        (TASK, "records:{}/train", "test", "train: holds split 'train', not 'test'"),
        (
            get_task("comparison", "text"),
            "records:{}",
            "test",
            "test: holds task 'commonsense_qa', not 'comparison'",
        ),
        (get_task("coin_flip", "text"), "procedural", "dev", "use train, validation, test$"),
        (TASK, "procedural", "train", "commonsense_qa is not procedural; use source records:DIR"),
        (TASK, "{}", "train", "no source .*; use procedural, records:DIR, hub, .*, file:PATH"),
        (TASK, "records:", "train", "no source 'records:'"),
        (TASK, "file:", "train", "no source 'file:'"),
        (TASK, "hubs:a/b", "train", "no source 'hubs:a/b'"),
    ],
)
def test_a_wrong_source_is_named(folder, task, source, split, message):
    with pytest.raises(InputError, match=message):
        load_questions(task, source.format(folder), split)


def test_questions_need_labels(tmp_path):
    record = dataclasses.replace(make_record(0), label=None)
    write_records(tmp_path / "train", Manifest("commonsense_qa", "train", "t"), [record])
    with pytest.raises(InputError, match="record 'q0' of split 'train' has no label"):
        load_questions(TASK, f"records:{tmp_path}", "train")


def test_a_damaged_test_split_is_told_and_not_left_out(repository, tmp_path):
    """Only a split that isn't there may be missing."""
    task = get_task("comparison", "text")
    for split in ("train", "validation", "test"):
        write_records(
            tmp_path / split,
            Manifest(task="comparison", split=split, teacher="oracle"),
            task.oracle_records(split),
        )
    config = configs.load(
        repository / "configs" / "default.py",
        [f"--config.task.source=records:{tmp_path}"],
    )
    assert {name: len(split) for name, split in load_splits(task, config).items()} == {
        "train": 2000,
        "validation": 300,
        "test": 600,
    }
    (shard,) = (tmp_path / "test").glob("records-*.jsonl")
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(InputError, match="checksum"):
        load_splits(task, config)
    shutil.rmtree(tmp_path / "test")
    assert "test" not in load_splits(task, config)
    config.evaluation.splits = ("validation", "test")
    with pytest.raises(InputError, match="has no records of split 'test'"):
        load_splits(task, config)


def test_problems_without_an_equation_have_no_label_as_an_equation(tmp_path):
    rows, _ = PUBLISHED["asdiv"]  # 7+2=9, x=1200, and one without a number
    (tmp_path / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for label_format, labels in (("number", ["7+2", "1200"]), ("equation", ["7+2"])):
        task = get_task("asdiv", label_format)
        assert len(load_records(task, f"file:{tmp_path}", "train")) == 3
        found = load_questions(task, f"file:{tmp_path}", "train")
        assert [question.label for question in found] == labels
    (tmp_path / "train.jsonl").write_text(json.dumps(rows[1]))
    with pytest.raises(InputError, match=r"none of the 1 rows .* label in label_format 'equation'"):
        load_questions(task, f"file:{tmp_path}", "train")


def test_rows_without_a_label_are_counted(repository, tmp_path):
    """A published data set may have some; its records keep them, its questions don't."""
    rows = [f'{{"question": "{n} + 1?", "label": {n + 1}}}\n' for n in range(20)]
    unlabelled = '{"question": "What then?", "label": null}\n'
    (tmp_path / "train.jsonl").write_text("".join(rows) + 3 * unlabelled)
    (tmp_path / "test.jsonl").write_text(rows[0] + unlabelled)
    task = get_task("gsm8k", "number")
    assert len(load_records(task, f"file:{tmp_path}", "train")) == 23
    words = {"name": "gsm8k", "label_format": "number", "source": f"file:{tmp_path}"}
    words |= {"validation_split": "", "validation_fraction": 0.3}
    config = configs.load(
        repository / "configs" / "default.py",
        [f"--config.task.{name}={word}" for name, word in words.items()],
    )
    splits = load_splits(task, config)
    assert len(splits["train"]) + len(splits["validation"]) == 20
    assert splits.unlabelled == {"train": 3, "test": 1}
    (tmp_path / "test.jsonl").write_text(unlabelled)
    with pytest.raises(InputError, match="none of the 1 rows of split 'test' of gsm8k has a label"):
        load_splits(task, config)
