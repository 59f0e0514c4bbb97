"""What the fields of published data sets mean, and how a row that can't be read is told."""

import hypothesis
import pytest
from hypothesis import strategies

from cotjax.config_rules import CHOICES
from cotjax.errors import InputError
from cotjax.tasks import get_task, task_names
from cotjax.tasks.rows import FIXED_CHOICES, OPEN, READERS, to_record
from cotjax.tasks.sources import to_question
from tests.tasks.published import PUBLISHED, record

CHOOSING = sorted(set(READERS) - set(OPEN) - set(FIXED_CHOICES))


def test_every_task_but_the_made_up_one_is_published():
    assert set(READERS) == set(PUBLISHED) == set(CHOICES["task.name"]) - {"comparison"}


@pytest.mark.parametrize("task_name", PUBLISHED)
def test_rows_of_the_published_fields(task_name):
    rows, records = PUBLISHED[task_name]
    assert [to_record(task_name, row, n, "train") for n, row in enumerate(rows)] == records


def test_lettered_choices_may_be_a_list_of_objects():
    choices = [{"label": "A", "text": "ice"}, {"label": "B", "text": "fog"}]
    row = {"id": "1", "question": "Which melts?", "choices": choices, "answerKey": "A"}
    assert to_record("arc", row, 0, "test") == record("1", "Which melts?", ("ice", "fog"), "ice")


def test_common_sense_with_peoples_explanations():
    """CoS-E joins them to the questions; the fields are those of TFDS's cos_e."""
    row = {
        "id": "075e",
        "question": "Where is a bank?",
        "choices": ["river", "town"],
        "answer": "town",
        "abstractive_explanation": "Banks are in towns.",
        "extractive_explanation": "",
    }
    expected = record(
        "075e",
        "Where is a bank?",
        ("river", "town"),
        "town",
        {"abstractive": "Banks are in towns."},
    )
    assert to_record("commonsense_qa", row, 0, "train") == expected


@pytest.mark.parametrize(
    ("task_name", "row", "expected"),
    [
        (
            "openbookqa",
            {"question": "Hot?", "choices": ["ice", "fire"], "label": "fire", "id": 7},
            record("7", "Hot?", ("ice", "fire"), "fire"),
        ),
        ("gsm8k", {"question": "1 + 1?", "label": 2}, record("dev-4", "1 + 1?", (), "2")),
        ("gsm8k", {"question": "Half?", "label": 0.5}, record("dev-4", "Half?", (), "0.5")),
        ("svamp", {"question": "12?", "label": 12.0}, record("dev-4", "12?", (), "12")),
        (
            "asdiv",
            {"question": "-3?", "label": "-3", "choices": None},
            record("dev-4", "-3?", (), "-3"),
        ),
        (
            "strategyqa",
            {"question": "So?", "label": True, "choices": ["no", "yes"]},
            record("dev-4", "So?", ("yes", "no"), "yes"),
        ),
        (
            "coin_flip",
            {"question": "Heads?", "label": "No"},
            record("dev-4", "Heads?", ("yes", "no"), "no"),
        ),
        (
            "comparison",
            {"question": "heavier ? a or b", "label": "first", "choices": ["first", "second"]},
            record("dev-4", "heavier ? a or b", ("first", "second"), "first"),
        ),
        ("last_letter", {"question": "Amy?", "label": None}, record("dev-4", "Amy?", (), None)),
    ],
)
def test_rows_of_anyone(task_name, row, expected):
    assert to_record(task_name, row, 4, "dev") == expected


QUESTION = {"question": "Hot?", "choices": ["ice", "fire"]}


@pytest.mark.parametrize(
    ("task_name", "row", "message"),
    [
        (
            "arc",
            QUESTION | {"answerKey": "A"},
            r"'choices' must hold choices, not \['ice'",
        ),
        ("gsm8k", {"question": "1?"}, "'answer' is missing; the row has 'question' .*and 'label'"),
        ("gsm8k", {}, "field 'question' is missing; the row has no field|'answer' is missing"),
        ("gsm8k", {"question": "1?", "answer": "2"}, "'answer' must end in '#### ' and a number"),
        ("comparison", {"question": "1?"}, "field 'label' is missing"),
        ("openbookqa", QUESTION | {"label": "Fire"}, "label 'Fire' is not among the choices"),
        ("openbookqa", {"question": "Hot?", "label": "a"}, "'choices' is missing or empty; task"),
        ("openbookqa", QUESTION | {"label": "ice", "choices": "ice"}, "must be a list of texts"),
        ("gsm8k", QUESTION | {"label": "2"}, "but task gsm8k has no choices"),
        ("strategyqa", QUESTION | {"label": "yes"}, "task strategyqa has the choices yes, no"),
        ("esnli", {"question": "premise: a", "label": "maybe"}, "label 'maybe' is not among"),
        ("gsm8k", {"question": " ", "label": "2"}, "'question' must hold text, not ' '"),
        ("gsm8k", {"question": ["a"], "label": "2"}, r"'question' must hold text, not \['a'\]"),
        ("gsm8k", {"question": "a", "label": [2]}, r"'label' must hold a label, not \[2\]"),
        ("gsm8k", {"question": "a", "label": 2, "id": 1.5}, "'id' must hold text, not 1.5"),
        ("quarel", {"question": "A or B?", "answer_index": 0}, r"must hold '\(A\) ... \(B\) ...'"),
        ("quarel", {"question": "? (A) a (B) b", "answer_index": 2}, "must be 0 or 1, not 2"),
        ("quarel", {"question": "? (A) a (B) b", "answer_index": "B"}, "must be a whole number"),
        (
            "aqua",
            {"question": "a", "options": ["A)1", "B)2"], "correct": "C"},
            r"field 'correct' is 'C', but 'options' has \['A', 'B'\]",
        ),
        (
            "arc",
            {
                "question": "a",
                "choices": {"text": ["a", "b"], "label": ["A", "B"]},
                "answerKey": "E",
            },
            r"field 'answerKey' is 'E', but 'choices' has \['A', 'B'\]",
        ),
    ],
)
def test_a_row_that_cannot_be_read_names_the_field(task_name, row, message):
    with pytest.raises(InputError, match=message) as told:
        to_record(task_name, row, 0, "train")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("task_name", "row"),
    [
        ("esnli", {"premise": "a", "hypothesis": "b", "label": -1}),
        ("esnli", {"premise": "a", "hypothesis": "b", "label": "-"}),
        ("gsm8k", {"question": "a", "label": " "}),
        ("anli", {"premise": "a", "hypothesis": "b", "label": None}),
        ("quarel", {"question": "a (A) b (B) c", "answer_index": -1}),
        (
            "commonsense_qa",
            {"question": "a", "choices": {"label": ["A"], "text": ["b"]}, "answerKey": ""},
        ),
        ("shuffled_objects", PUBLISHED["shuffled_objects"][0][0] | {"multiple_choice_scores": []}),
    ],
)
def test_what_data_sets_write_where_they_have_no_label(task_name, row):
    assert to_record(task_name, row, 0, "test").label is None


def test_a_number_may_be_minus_one():
    assert to_record("gsm8k", {"question": "1 - 2?", "label": "-1"}, 0, "test").label == "-1"


TEXTS = strategies.text(
    strategies.sampled_from("ab (A)(B)#:\n\t\r\x0b\u2028\u00a0?1-"), min_size=1
).filter(str.strip)


@pytest.mark.parametrize("task_name", sorted(set(task_names()) - {"comparison"}))
@hypothesis.given(texts=strategies.lists(TEXTS, min_size=3, max_size=6, unique=True))
@hypothesis.settings(max_examples=40, deadline=None)
def test_inputs_have_no_line_breaks(task_name, texts):
    """The property of the one formatter: whatever a row holds, a student reads one line."""
    question, *choices = (text.strip() for text in texts)
    label = choices[0] if task_name in CHOOSING else FIXED_CHOICES.get(task_name, ("12",))[0]
    row = {"question": question, "label": label}
    if task_name in CHOOSING:
        row["choices"] = choices
    numbers = task_name in ("asdiv", "gsm8k", "svamp")
    task = get_task(task_name, "number" if numbers else "text")
    asked = to_question(to_record(task_name, row, 0, "train"), "train")
    written = task.format_input(asked)
    assert written == " ".join(written.split()) != ""
