"""People's explanations as rationales: of records, of a source of its own, of a release."""

import json

import pytest

from cotjax import config as configs
from cotjax.data.examples import training_examples
from cotjax.data.rationales import people_as_teachers
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, write_records
from cotjax.tasks import get_task
from cotjax.tasks.base import configured_task
from cotjax.tasks.rows import to_record
from cotjax.tasks.sources import load_questions, to_question

TEACHERS = (Rationale(0, "PaLM says so", "park", False, tags={"level": 1}),)
BOTH = {"abstractive": "Money is kept\nthere.", "extractive": "keep money"}


def record(name, human, label="bank"):
    text = f"Where is the money of {name}?"
    return Record(name, text, ("park", "bank"), label, TEACHERS, human)


def test_every_explanation_takes_the_place_of_the_teachers_rationales():
    explained = people_as_teachers(record("a", BOTH))
    assert explained.rationales == (
        Rationale(0, "Money is kept\nthere.", "bank", True, tags={"human": "abstractive"}),
        Rationale(1, "keep money", "bank", True, tags={"human": "extractive"}),
    )
    assert (explained.id, explained.label, explained.human) == ("a", "bank", BOTH)


def test_without_a_gold_label_nobody_knows_what_is_right():
    (rationale, _) = people_as_teachers(record("a", BOTH, label=None)).rationales
    assert (rationale.answer, rationale.correct) == (None, None)


def test_a_question_that_nobody_explained_has_no_rationale():
    assert people_as_teachers(record("a", None)).rationales == ()


def test_a_solution_of_gsm8k():
    """Its calculator's marks and the answer are no part of the reasoning."""
    answer = "Half of 48 is 48/2=<<48/2=24>>24 clips.\nIn all 48+24=<<48+24=72>>72.\n#### 72"
    row = to_record("gsm8k", {"question": "How many clips?", "answer": answer}, 0, "train")
    (rationale,) = people_as_teachers(row).rationales
    assert rationale == Rationale(
        sample=0,
        text="Half of 48 is 48/2=24 clips.\nIn all 48+24=72.",
        answer="72",
        correct=True,
        tags={"human": "solution"},
    )
    task = get_task("gsm8k", "number")
    assert task.is_right(rationale.answer, to_question(row, "train"))


@pytest.fixture
def configured(repository, tmp_path):
    """The examples of a config that asks people, on records of CommonsenseQA."""

    def examples(records, **fields):
        write_records(tmp_path / "train", Manifest("commonsense_qa", "train", "T"), records)
        fields = {
            "task.name": "commonsense_qa",
            "task.source": f"records:{tmp_path}",
            "data.rationales": "human",
            "data.order": "multitask",
        } | fields
        words = [f"--config.{name}={value}" for name, value in fields.items()]
        config = configs.load(repository / "configs" / "default.py", words)
        questions = [to_question(record, "train") for record in records]
        return training_examples(configured_task(config), config, questions)

    return examples


def said(examples):
    return [(target.question, target.sample, target.rationale) for target in examples.targets]


RECORDS = [record("a", BOTH), record("b", None), record("c", {"extractive": "money of c"})]


def test_targets_say_what_people_said(configured):
    examples = configured(RECORDS)
    assert examples.ids == ("a", "c")
    assert said(examples) == [
        (0, 0, "Money is kept\nthere."),
        (0, 1, "keep money"),
        (1, 0, "money of c"),
    ]
    assert {target.label for target in examples.targets} == {"bank"}
    assert examples.dropped == {"questions without a usable rationale": 1}


def test_one_kind_of_explanation_alone(configured):
    examples = configured(RECORDS, **{"data.selection.tags": "human=abstractive"})
    assert said(examples) == [(0, 0, "Money is kept\nthere.")]
    assert examples.dropped == {
        "rationales with other tags": 2,
        "questions without a usable rationale": 2,
    }


def test_the_teachers_tags_are_not_those_of_people(configured):
    with pytest.raises(InputError, match="there are human=abstractive, human=extractive"):
        configured(RECORDS, **{"data.selection.tags": "level=1"})


def test_all_of_them_are_right_and_the_label_is_gold(configured):
    fields = {"data.selection.answers": "right", "data.label_source": "teacher"}
    assert said(configured(RECORDS, **fields)) == said(configured(RECORDS))


def test_a_named_folder_may_hold_the_explanations(configured, tmp_path):
    examples = configured(RECORDS, **{"data.records": tmp_path})
    assert len(examples.targets) == 3


def test_a_source_that_nobody_explained_is_refused(configured):
    with pytest.raises(InputError, match=r"config\.data\.records is unset and .*'multitask' needs"):
        configured([record("a", None)])


def test_people_explained_all_of_commonsense_qa(shared, repository):
    """The release of Distilling Step-by-Step has both kinds of explanations for every question."""
    path = shared / "data" / "dss" / "cqa" / "cqa_test.json"
    words = [
        "--config.task.name=commonsense_qa",
        f"--config.task.source=file:{path.parent}/cqa_{{split}}.json",
        "--config.task.train_split=test",  # an eighth of train's lines
        "--config.task.test_split=train",
        "--config.data.rationales=human",
        "--config.data.order=multitask",
    ]
    config = configs.load(repository / "configs" / "default.py", words)
    task = configured_task(config)
    questions = load_questions(task, config.task.source, "test")
    examples = training_examples(task, config, questions)
    assert (len(examples.ids), examples.dropped) == (1_221, {})
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [target.rationale for target in examples.targets] == [
        " ".join(row[f"{kind}_explanation"].split())
        for row in rows
        for kind in ("abstractive", "extractive")
    ]
