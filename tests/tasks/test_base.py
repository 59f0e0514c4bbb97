"""Tasks are made by name, and a wrong name is answered with the nearest right one."""

import pytest

from cotjax.errors import InputError
from cotjax.tasks import Question, get_task, task_names


def test_every_task_is_registered():
    assert task_names() == ["commonsense_qa", "comparison"]
    assert get_task("commonsense_qa", "letter").name == "commonsense_qa"
    assert get_task("comparison", "text", seed=3, entities=400).entities == 400


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("comonsense_qa", "letter"), {}, "no task 'comonsense_qa'; did you mean 'commonsense_qa'"),
        (("sums", "letter"), {}, "no task 'sums'; known: commonsense_qa, comparison"),
        (("comparison", "text"), {"sed": 1}, "no option 'sed'; did you mean 'seed'"),
        (("commonsense_qa", "text"), {"seed": 1}, "no option 'seed'; known: none"),
        (("commonsense_qa", "words"), {}, "no label_format 'words'; use letter or text or"),
        (("comparison", "letter"), {}, "no label_format 'letter'; use text"),
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
