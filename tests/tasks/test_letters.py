"""Last letters: the question, its rationale, and how teachers and students spell the answer."""

import collections
import json
import re

import pytest

from cotjax.errors import InputError
from cotjax.tasks import Question, get_task
from cotjax.tasks.names import NAMES, listed
from cotjax.tasks.sources import to_question

TASK = get_task("last_letter", "text")
QUESTION = Question("q", "Take the last letters ...", (), "yajo", "test")


def solve(question: str) -> str:
    (name,) = re.findall('"(.*)"', question)
    return re.sub(r"\w*(\w)(?:\W|$)", r"\1", name).lower()


def test_names_are_different_words():
    assert len({name.casefold() for name in NAMES}) == len(NAMES)
    assert all(name.isalpha() and name[0].isupper() and name[1:] for name in NAMES)
    assert [listed("A"), listed("AB"), listed("ABC")] == ["A", "A and B", "A, B, and C"]


def test_a_record():
    record = get_task("last_letter", "text", words=2).oracle_records("train")[0]
    assert record.question == (
        'Take the last letters of each words in "Amy Aisha" and concatenate them.'
    )
    assert (record.label, record.choices) == ("ya", ())
    assert record.rationales[0].text == (
        'The last letter of "Amy" is "y". The last letter of "Aisha" is "a".'
        ' Concatenating them is "ya".'
    )


@pytest.mark.parametrize("words", [1, 2, 4, 8])
def test_labels_and_rationales_are_right(words):
    task = get_task("last_letter", "text", words=words, train_questions=100, test_questions=9)
    for record in task.oracle_records("train") + task.oracle_records("test"):
        question = to_question(record, "train")
        text = record.rationales[0].text
        assert record.label == solve(record.question)
        assert len(record.label) == words
        assert re.findall(r'letter of "\w*(\w)" is "(\w)"', text) == [(x, x) for x in record.label]
        for said in (text, f"{text} So the answer is {record.label}", record.label):
            assert task.is_right(task.parse(said, question), question)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # GPT-3.5's own words.
        ('So, the final answer is "yajo".', "yajo"),
        ('So the final answer is "y-a-j-o"', "yajo"),
        ("1. Penny - y\n2. Aisha - a\n\nPutting them all together, we get: yajo", "yajo"),
        ("Concatenating them: oae y", "oaey"),
        ('Now, let\'s concatenate them: "n" + "e" + "h" = nehl', "nehl"),
        ('The letters of the words in "Amy Jo Li Bo" is "yoio".', "yoio"),
        ('We get "lley" as the final concatenated string.', "lley"),
        ('The result is "eyae" from "Joyce Leroy Alyssa Maggie"', "eyae"),
        ("Ted - d\n\nStep 2: Concatenate the last letters\n\nyead", "yead"),
        ("The answer is yajo.\n\nDone!", "yajo"),
        ("we get: eneo\n\nLet me know if you need further assistance!", "eneo"),
        # Students.
        ("yajo", "yajo"),
        ("YAJO.", "YAJO"),
        ("is", "is"),
        ("The answer is is", "is"),
        ('The last letter of "Amy" is "y" --> yajo', "yajo"),
        ("yajo because the last letter is y and the answer is not yajx", "yajo"),
        ("The answer is yajo because of this", "yajo"),
        ("Whitney gives yajo", "yajo"),
        ("María", "María"),
        ("123", None),
        ("The answer is", None),
        ("", None),
    ],
)
def test_parse(text, answer):
    assert TASK.parse(text, QUESTION) == answer


def test_case_does_not_matter():
    assert TASK.is_right("YAJO", QUESTION)
    assert not TASK.is_right("yajoo", QUESTION)
    assert not TASK.is_right(None, QUESTION)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words": 0}, f"words=0 must lie between 1 and {len(NAMES)}"),
        ({"words": 500}, f"words=500 must lie between 1 and {len(NAMES)}"),
        (
            {"words": 1, "train_questions": 400},
            r"1300 questions \(400 \+ 300 \+ 600\), but only"
            f" {len(NAMES)} ways to put 1 of {len(NAMES)} names in order",
        ),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        get_task("last_letter", "text", **options)


def test_every_question_there_is_can_be_asked():
    sizes = {"train_questions": len(NAMES) - 20, "validation_questions": 10, "test_questions": 10}
    task = get_task("last_letter", "text", words=1, **sizes)
    records = [record for split in task.splits for record in task.oracle_records(split)]
    assert {re.findall('"(.*)"', record.question)[0] for record in records} == {*NAMES}


# The real files. Where the labels differ from the letters, a name of two words counts once
# ("Maria Elena"); the released rationales that are read as wrong are (ynhf for ynhe), or write
# a zero for an o.
def read(shared, split: str) -> list[dict]:
    path = shared / "data" / "multi_sample" / f"last_letter_concatenation_{split}.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("split", "questions", "double"), [("train", 350, 0), ("test", 150, 6)])
def test_real_labels_are_the_last_letters(shared, split, questions, double):
    labels = {row["input"]: row["answer"].lower() for row in read(shared, split)}
    wrong = [text for text, label in labels.items() if solve(text) != label]
    assert (len(labels), len(wrong)) == (questions, double)
    assert all(len(solve(text)) == 5 for text in wrong)


def test_real_rationales_are_read(shared):
    outcomes = collections.Counter()
    for row in read(shared, "train"):
        question = Question("q", row["input"], (), row["answer"], "train")
        outcomes[TASK.is_right(TASK.parse(row["chain"], question), question)] += 1
    assert outcomes == {True: 1_046, False: 4}


def test_real_answers_are_judged_as_in_the_release(shared):
    """All but four, which spell the right letters apart (`h-e-e-o`)."""
    differ = []
    for row in read(shared, "test"):
        question = Question("q", row["input"], (), row["answer"], "test")
        if (
            TASK.is_right(TASK.parse(row["completion"], question), question)
            != (row["initial_correct"])
        ):
            differ.append(row["completion"].strip(' ".'))
    assert differ == ["h-e-e-o", "r-a-a-a", "n-a-e-y", "l-a-h-y"]
