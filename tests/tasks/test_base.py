"""Tasks are made by name, and a wrong name is answered with the nearest right one."""

import pytest

from cotjax.config_rules import CHOICES, LABEL_FORMATS
from cotjax.errors import InputError
from cotjax.tasks import Procedural, Question, get_task, task_names
from cotjax.tasks.base import conclusion, label_formats

PROCEDURAL = ("coin_flip", "comparison", "last_letter", "shuffled_objects")


def test_every_task_is_registered():
    assert task_names() == [
        "anli",
        "aqua",
        "arc",
        "asdiv",
        "coin_flip",
        "commonsense_qa",
        "comparison",
        "date_understanding",
        "esnli",
        "gsm8k",
        "last_letter",
        "openbookqa",
        "quarel",
        "shuffled_objects",
        "strategyqa",
        "svamp",
    ]
    for name in task_names():
        task = get_task(name, label_formats(name)[0])
        assert task.name == name
        assert isinstance(task, Procedural) == (name in PROCEDURAL)
    assert get_task("comparison", "text", seed=3, entities=400).entities == 400


def test_configs_know_the_same_names():
    assert CHOICES["task.name"] == tuple(task_names())
    assert {name: label_formats(name) for name in task_names()} == LABEL_FORMATS
    assert set(CHOICES["task.label_format"]) == {
        f for name in LABEL_FORMATS for f in LABEL_FORMATS[name]
    }


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("comonsense_qa", "letter"), {}, "no task 'comonsense_qa'; did you mean 'commonsense_qa'"),
        (("poems", "letter"), {}, "no task 'poems'; known: anli, aqua, .* svamp"),
        (("comparison", "text"), {"sed": 1}, "no option 'sed'; did you mean 'seed'"),
        (("commonsense_qa", "text"), {"seed": 1}, "no option 'seed'; known: none"),
        (("comparison", "text"), {"label_format": "text"}, "no option 'label_format'"),
        (("commonsense_qa", "words"), {}, "no label_format 'words'; use letter or text or"),
        (("comparison", "letter"), {}, "no label_format 'letter'; use text"),
        (("gsm8k", "letter"), {}, "no label_format 'letter'; use number or equation"),
        (
            ("last_letter", "text"),
            {"words": "four"},
            "config.task.options: words='four' of task last_letter: expects int",
        ),
        (("last_letter", "text"), {"words": 2.0}, r"config.task.options: words=2.0 .* expects int"),
        (("coin_flip", "text"), {"flips": True}, "config.task.options: flips=True .* expects int"),
        (
            ("coin_flip", "text"),
            {"test_questions": -1},
            "config.task.options: task coin_flip: test_questions=-1 must not be negative",
        ),
        (("coin_flip", "text"), {"seed": -1}, "task coin_flip: seed=-1 must not be negative"),
    ],
)
def test_mistakes_are_named(arguments, options, message):
    with pytest.raises(InputError, match=message):
        get_task(*arguments, **options)


def test_equal_tasks_are_one_key():
    assert hash(get_task("comparison", "text")) == hash(get_task("comparison", "text"))
    assert get_task("comparison", "text") != get_task("comparison", "text", seed=1)


def test_normalised_question_ignores_case_and_space():
    task = get_task("commonsense_qa", "letter")
    one, other = (
        Question("q", text, ("a",), "a", "train") for text in ("Where  to?", " where\nTO?")
    )
    assert task.normalised_question(one) == task.normalised_question(other) == "where to?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is far. So the answer is (c).", "(c)."),
        ("The answer is 3. No, the answer is: 4", "4"),
        ("Therefore, the correct answer would be B.", "B."),
        ("answer: (B) yellow ball.", "(B) yellow ball."),
        ("Answer choice: C", "C"),
        ("It costs 5 --> 5", "5"),
        ("The answer is", ""),
        ("the answer isn't here", None),
        ("Their answers: many", None),
        ("", None),
    ],
)
def test_conclusion_is_what_follows_the_last_answer_phrase(text, expected):
    assert conclusion(text) == expected


@pytest.mark.parametrize("name", PROCEDURAL)
def test_a_procedural_task_settles_its_questions_by_its_seed(name):
    task = get_task(name, label_formats(name)[0], train_questions=200)
    splits = {split: task.oracle_records(split) for split in ("train", "validation", "test")}
    assert [len(records) for records in splits.values()] == [200, 300, 600]
    records = [record for split in splits.values() for record in split]
    assert len({record.question for record in records}) == len(records) == 1_100
    assert len({record.id for record in records}) == len(records)
    assert all([r.correct for r in record.rationales] == [True] for record in records)
    assert all(record.rationales[0].answer == record.label for record in records)
    again = get_task(name, label_formats(name)[0], train_questions=200)
    other = get_task(name, label_formats(name)[0], train_questions=200, seed=1)
    assert again.oracle_records("test") == splits["test"]
    assert other.oracle_records("test") != splits["test"]
    with pytest.raises(InputError, match="no split 'dev'; use train, validation, test"):
        task.oracle_records("dev")
