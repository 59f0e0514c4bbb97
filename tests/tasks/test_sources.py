"""Questions come from records or a procedure; splits are kept apart by what they ask."""

import dataclasses
import shutil

import pytest

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, write_records
from cotjax.tasks import Question, get_task
from cotjax.tasks.sources import hold_out, load_questions, load_records, load_splits, overlap

TASK = get_task("commonsense_qa", "letter")


def make_record(number: int) -> Record:
    rationale = Rationale(sample=0, text="it is so", answer="zoo", correct=True)
    return Record(f"q{number}", f"Where is {number}?", ("zoo", "sea"), "zoo", (rationale,))


def make_questions(*texts: str) -> list[Question]:
    return [Question(str(n), text, ("a", "b"), "a", "train") for n, text in enumerate(texts)]


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
        (TASK, "procedural", "train", "commonsense_qa is not procedural; use source 'records:DIR'"),
        (TASK, "{}", "train", "no source .*; use 'procedural' or 'records:DIR'"),
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


def test_hold_out_depends_on_the_question_alone():
    questions = make_questions(*(f"Question {n}?" for n in range(2_000)))
    train, validation = hold_out(TASK, questions, 0.1)
    assert len(train) + len(validation) == 2_000
    assert 160 <= len(validation) <= 240  # three standard deviations around 200
    again = hold_out(TASK, questions[500:], 0.1)[1]
    assert again == [question for question in validation if int(question.id) >= 500]
    larger = hold_out(TASK, questions, 0.2)[1]
    assert {question.id for question in validation} < {question.id for question in larger}
    salted = hold_out(TASK, questions, 0.1, salt="another")[1]
    assert {question.id for question in salted} != {question.id for question in validation}
    # Golden: another hash would move questions between training and validation.
    assert [question.id for question in validation[:5]] == ["1", "13", "38", "44", "45"]


def test_hold_out_keeps_repeated_questions_together():
    questions = make_questions(*(f"Question {n}?" for n in range(100)))
    repeated = make_questions(*(f" question  {n}?" for n in range(100)))
    train, validation = hold_out(TASK, questions + repeated, 0.3)
    assert not {q.id for q in train} & {q.id for q in validation}


def test_hold_out_of_nothing_and_mistakes():
    questions = make_questions("one", "two")
    assert hold_out(TASK, questions, 0.0) == (questions, [])
    with pytest.raises(InputError, match=r"validation_fraction must be in \[0, 1\), not 1.0"):
        hold_out(TASK, questions, 1.0)
    with pytest.raises(InputError, match="of 2 questions leaves 2 to train on and 0 to validate"):
        hold_out(TASK, questions, 1e-9)


def test_overlap_counts_same_questions_with_same_choices():
    question = make_questions("Where to?")[0]
    reordered = dataclasses.replace(question, text=" where TO?", choices=("B", "a"))
    other = dataclasses.replace(question, choices=("a", "c"))
    assert overlap({"train": [question], "validation": [other], "test": [reordered, other]}) == {
        ("train", "validation"): 0,
        ("train", "test"): 1,
        ("validation", "test"): 1,
    }


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
