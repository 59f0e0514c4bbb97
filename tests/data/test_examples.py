"""Which rationales become targets, and what is counted when they don't."""

import dataclasses

import pytest

from cotjax import config as configs
from cotjax.data.examples import make_examples, training_examples
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, write_records
from cotjax.targets.selection import Selection
from cotjax.tasks import get_task
from cotjax.tasks.sources import to_question

TASK = get_task("commonsense_qa", "letter")


def record(name, *answers, label="bank"):
    rationales = tuple(
        Rationale(sample, f"reason {sample}\nof {name}", answer, answer == label)
        for sample, answer in enumerate(answers)
    )
    return Record(name, f"where is {name}?", ("park", "bank"), label, rationales)


RECORDS = [record("a", "bank", "park"), record("b"), record("c", None, "bank")]


def said(examples):
    return [(t.question, t.sample, t.label, t.rationale) for t in examples.targets]


def test_every_rationale_is_a_target_with_the_gold_label():
    examples = make_examples(TASK, RECORDS)
    assert examples.ids == ("a", "c")
    assert said(examples) == [
        (0, 0, "(B)", "reason 0 of a"),
        (0, 1, "(B)", "reason 1 of a"),
        (1, 0, "(B)", "reason 0 of c"),
        (1, 1, "(B)", "reason 1 of c"),
    ]
    assert examples.dropped == {"questions without a usable rationale": 1}


def test_the_teachers_label_needs_a_parsed_answer():
    examples = make_examples(TASK, RECORDS, label_source="teacher")
    assert [label for _, _, label, _ in said(examples)] == ["(B)", "(A)", "(B)"]
    assert examples.dropped["rationales without a parsed answer"] == 1


def test_correct_rationales_alone():
    examples = make_examples(TASK, RECORDS, selection=Selection("all", correct_only=True))
    assert [sample for _, sample, _, _ in said(examples)] == [0, 1]
    assert examples.dropped["rationales with a wrong or unparsed answer"] == 2


def test_the_first_rationale_that_qualifies():
    assert [
        s for _, s, _, _ in said(make_examples(TASK, RECORDS, selection=Selection("first")))
    ] == [
        0,
        0,
    ]


def test_rationales_after_the_first_are_counted():
    examples = make_examples(TASK, RECORDS, selection=Selection("first"))
    assert examples.dropped["rationales after the first"] == 2


def test_only_the_asked_questions():
    questions = {"c": to_question(RECORDS[2], "train")}
    unlabelled = dataclasses.replace(record("d", "bank"), label=None)
    examples = make_examples(TASK, [*RECORDS, unlabelled], questions=questions)
    assert examples.ids == ("c",)
    assert examples.dropped == {
        "records of other questions": 2,
        "records without a gold label": 1,
    }


def test_an_id_that_means_two_questions_is_refused():
    other = dataclasses.replace(to_question(RECORDS[0], "train"), text="who is a?")
    with pytest.raises(InputError, match=r"asks 'where is a\?' under the id 'a'"):
        make_examples(TASK, RECORDS, questions={"a": other})


def test_nothing_left_is_told_with_the_reasons():
    with pytest.raises(InputError, match=r"no target to train on \(1 questions without a"):
        make_examples(TASK, [record("b")])


def tagged(name, *levels, **of_question):
    rationales = tuple(
        Rationale(sample, f"reason {sample}", "bank", True, tags={"level": level})
        for sample, level in enumerate(levels)
    )
    choices = ("park", "bank")
    return Record(name, f"where is {name}?", choices, "bank", rationales, tags=of_question or None)


def test_tagged_rationales_alone():
    records = [tagged("a", 1, 2, "2"), tagged("b", 1)]
    examples = make_examples(TASK, records, selection=Selection(tags={"level": 2}))
    assert [(question, sample) for question, sample, *_ in said(examples)] == [(0, 1), (0, 2)]
    assert examples.dropped == {
        "rationales with other tags": 2,
        "questions without a usable rationale": 1,
    }


def test_a_tag_of_the_question_is_its_rationales_tag():
    records = [tagged("a", 1, format="plain"), tagged("b", 1, format="symbolic")]
    selection = Selection(tags={"level": 1, "format": "plain"})
    assert make_examples(TASK, records, selection=selection).ids == ("a",)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"level": 9}, "tags='level=9': no rationale is tagged so; there are format=x, level=1, "),
        ({"levl": 1}, "tags='levl=1': no rationale is tagged so; there are"),
        ({"level": 2, "format": "x"}, "tags='level=2,format=x': no rationale"),
    ],
)
def test_tags_that_no_rationale_has_are_refused_with_those_there_are(tags, message):
    records = [tagged("a", 1, format="x"), tagged("b", 2)]
    with pytest.raises(InputError, match=message):
        make_examples(TASK, records, selection=Selection(tags=tags))


def test_tags_of_records_without_any():
    with pytest.raises(InputError, match="there are no tags"):
        make_examples(TASK, RECORDS, selection=Selection(tags={"level": 1}))


def test_questions_that_need_no_rationale_are_a_target_each():
    records = [record("a"), record("b")]
    examples = make_examples(TASK, records, needs_rationale=False)
    assert said(examples) == [(0, 0, "(B)", ""), (1, 0, "(B)", "")]
    assert examples.dropped == {}


@pytest.fixture
def configured(repository, tmp_path):
    """The examples of a config on records of CommonsenseQA, with or without rationales."""

    def examples(records, **fields):
        write_records(tmp_path / "train", Manifest("commonsense_qa", "train", "T"), records)
        fields = {
            "task.name": "commonsense_qa",
            "task.label_format": "letter",
            "task.source": f"records:{tmp_path}",
        } | fields
        words = [f"--config.{name}={value}" for name, value in fields.items()]
        config = configs.load(repository / "configs" / "default.py", words)
        questions = [to_question(record, "train") for record in records]
        return training_examples(TASK, config, questions)

    return examples


BARE = [record("a"), record("b")]


def test_a_source_without_rationales_trains_the_label_alone(configured):
    examples = configured(BARE, **{"data.order": "label_only"})
    assert said(examples) == [(0, 0, "(B)", ""), (1, 0, "(B)", "")]


def test_where_some_have_a_rationale_the_others_are_dropped_whatever_the_order(configured):
    for order in ("label_only", "multitask"):
        examples = configured([*RECORDS], **{"data.order": order})
        assert examples.ids == ("a", "c")
        assert examples.dropped == {"questions without a usable rationale": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"data.order": "multitask"},
        {"data.order": "label_first"},
        {"data.order": "label_only", "data.label_source": "teacher"},
        {"data.order": "label_only", "data.selection.tags": "level=1"},
        {"data.order": "label_only", "data.selection.correct_only": True},
    ],
)
def test_what_needs_rationales_is_refused_where_there_are_none(configured, fields):
    name, value = list(fields.items())[-1]
    with pytest.raises(InputError, match=r"config\.data\.records is unset and") as error:
        configured(BARE, **fields)
    assert f"config.{name}={value!r} needs some" in str(error.value)


def test_records_that_are_named_and_have_none_are_refused(configured, tmp_path):
    with pytest.raises(InputError, match=r"leaves no target to train on \(2 questions without a"):
        configured(BARE, **{"data.order": "label_only", "data.records": tmp_path})
