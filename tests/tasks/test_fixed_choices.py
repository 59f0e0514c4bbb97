"""Yes or no, and entailment: choices that no input shows, read from sentences."""

import pytest

from cotjax.errors import InputError
from cotjax.tasks import Question, get_task


def ask(name: str) -> tuple:
    task = get_task(name, "text")
    return task, Question("q", "Could a\nllama fly?", task.choices, task.choices[0], "test")


@pytest.mark.parametrize("name", ["strategyqa", "coin_flip", "esnli", "anli"])
def test_the_input_is_the_question_alone(name):
    task, question = ask(name)
    assert task.format_input(question) == "Could a llama fly?"
    assert task.choice_labels(question) == list(task.choices)
    with pytest.raises(InputError, match="use text"):
        get_task(name, "letter")


@pytest.mark.parametrize("name", ["strategyqa", "coin_flip"])
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", "yes"),
        ("No.", "no"),
        ("True", "yes"),
        ("The answer is False.", "no"),
        ("Llamas have no wings. So the answer is yes.", "yes"),
        ("Yes, they jump. So the answer is no.", "no"),
        ("It is true that they jump. Thus, no, not really.", "no"),
        ("No. Llamas jump.", "no"),
        ("Yes, because there is no wind", "yes"),
        ("yes because the answer is no", "yes"),
        ("They jump --> no", "no"),
        ("nobody knows", None),
        ("The answer is unknown", None),
        ("(A)", None),
        ("", None),
    ],
)
def test_parse_yes_or_no(name, text, answer):
    task, question = ask(name)
    assert task.parse(text, question) == answer


@pytest.mark.parametrize("name", ["esnli", "anli"])
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("neutral", "neutral"),
        ("Contradiction.", "contradiction"),
        ("A dog is an animal. Answer: entailment", "entailment"),
        ("This is no entailment. So the answer is neutral.", "neutral"),
        ("It is neutral at first. It becomes a contradiction.", "contradiction"),
        ("contradiction because it is neutral", "contradiction"),
        ("The answer is (A) entailment", "entailment"),
        ("(A)", None),
        ("The answer is yes", None),
    ],
)
def test_parse_entailment(name, text, answer):
    task, question = ask(name)
    assert task.parse(text, question) == answer
