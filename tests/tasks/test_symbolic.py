"""Comparison: sizes never stand in a question, and no pair of entities is asked about twice."""

import collections
import re

import pytest

from cotjax.errors import InputError
from cotjax.tasks import get_task
from cotjax.tasks.sources import to_question

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def task():
    return get_task("comparison", "text")


@pytest.fixture(scope="module")
def splits(task):
    return {split: task.oracle_records(split) for split in SPLITS}


def entities(record) -> tuple[str, ...]:
    return tuple(re.findall(r"ent\d+", record.question))


def test_a_record(splits):
    record = splits["train"][0]
    one, other = entities(record)
    rationale = record.rationales[0]
    sizes = [int(size) for size in re.findall(r"size(\d)", rationale.text)]
    assert record.question == f"heavier ? {one} or {other}"
    assert rationale.text == f"{one} is size{sizes[0]} while {other} is size{sizes[1]}"
    assert [rationale.text.split()[word] for word in rationale.key_words] == [
        f"size{size}" for size in sizes
    ]
    assert record.label == rationale.answer == ("first" if sizes[0] > sizes[1] else "second")
    assert rationale.correct


def test_counts_and_balance(splits):
    assert {name: len(records) for name, records in splits.items()} == {
        "train": 2_000,
        "validation": 300,
        "test": 600,
    }
    for records in splits.values():
        labels = collections.Counter(record.label for record in records)
        assert max(labels.values()) / labels.total() < 0.55
        assert len({record.id for record in records}) == len(records)


def test_no_pair_occurs_twice_in_either_order(splits):
    pairs = [frozenset(entities(record)) for records in splits.values() for record in records]
    assert len(set(pairs)) == len(pairs) == 2_900
    assert all(len(pair) == 2 for pair in pairs)


def test_every_entity_is_trained_on_and_sizes_are_one_world(splits):
    sizes = collections.defaultdict(set)
    for records in splits.values():
        for record in records:
            for entity, size in re.findall(r"(ent\d+) is size(\d)", record.rationales[0].text):
                sizes[entity].add(int(size))
    trained = {entity for record in splits["train"] for entity in entities(record)}
    assert len(trained) == 200 == len(sizes)
    assert all(len(of_one) == 1 for of_one in sizes.values())
    per_size = collections.Counter(size for of_one in sizes.values() for size in of_one)
    assert per_size == dict.fromkeys(range(10), 20)


def test_the_seed_settles_everything(task, splits):
    again = get_task("comparison", "text")
    other = get_task("comparison", "text", seed=1)
    assert again.oracle_records("test") == splits["test"]
    assert other.oracle_records("test") != splits["test"]
    # Golden: a change here makes all published numbers of the quick start another task's.
    assert [record.question for record in splits["train"][:2]] == [
        "heavier ? ent122 or ent19",
        "heavier ? ent144 or ent86",
    ]


def test_few_questions_still_name_every_entity():
    task = get_task("comparison", "text", train_questions=160)
    named = {entity for record in task.oracle_records("train") for entity in entities(record)}
    assert len(named) == 200


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("first", "first"),
        ("second", "second"),
        ("Second.", "second"),
        ("ent1 is size2 while ent3 is size4 So the answer is second", "second"),
        ("first because ent1 is size4 while ent3 is size2", "first"),
        ("ent1 is size2", None),
        ("(A)", None),
        ("", None),
    ],
)
def test_parse(task, splits, text, answer):
    question = to_question(splits["test"][0], "test")
    assert task.parse(text, question) == answer


def test_formats(task, splits):
    question = to_question(splits["test"][0], "test")
    assert task.format_input(question) == question.text
    assert task.format_label(question, question.label) == question.label
    assert task.choice_labels(question) == ["first", "second"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entities": 205}, "205 entities do not divide into 10 sizes"),
        ({"sizes": 1}, "200 entities do not divide into 1 sizes"),
        (
            {"test_questions": 16_000},
            r"18300 questions \(2000 \+ 300 \+ 16000\), but only 18000 pairs",
        ),
        ({"train_questions": 50}, "train_questions=50 cannot name all 200 entities; it takes"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        get_task("comparison", "text", **options).oracle_records("train")
