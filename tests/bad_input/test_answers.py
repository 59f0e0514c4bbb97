"""What a model may write, to every parser: an answer or none, soon, and never an error."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.tasks import Question, get_task
from cotjax.tasks.base import label_formats, task_names
from cotjax.teacher.answers import judge
from tests.bad_input.refusing import SECONDS
from tests.fuzz.targets import QUESTIONS, answers, expressions

PIECES = [
    "answer is", "-->", "####", "So the answer is", "(a)", "(b)", "bank", "pond.", "because", "not",
    "<<48/2=", ">>", "\\frac{", "}", "{", "(", ")", "2\n1/2", "½", "1,234.5", "%", "$", "**", "^",
    "1e999", "1/0", "--", "−", "×", "x", "√", "\\boxed{", "\\text{", "7x", "=", "cm²", "\0",
    "\u2028", "\u202e", "e\u0301", "٣", "Ⅷ", "'", '"', ".", ",", "\n", "\t", "yes", "no", "9" * 400,
]  # fmt: skip
WRITTEN = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=12)
JOINED = st.builds(lambda pieces, gap: gap.join(pieces), WRITTEN, st.sampled_from(["", " "]))


@settings(max_examples=400)
@given(st.integers(0, len(QUESTIONS) - 1), JOINED)
def test_any_text_has_an_answer_or_none(task, text):
    answers(bytes([task]) + text.encode("utf-8"))


@settings(max_examples=300)
@given(JOINED)
def test_any_text_has_a_value_or_none(text):
    expressions(text.encode("utf-8"))


EMPTY = ["", " ", "\n", "\0", "()", "-->", "####", "answer is", "(", "..."]


@pytest.mark.parametrize("name", task_names())
def test_text_without_an_answer_has_none(name):
    task = get_task(name, label_formats(name)[0])
    choices = getattr(task, "choices", ()) or ("bank", "pond")
    choices = () if name in ("gsm8k", "svamp", "asdiv", "last_letter") else choices
    question = Question("q", "Where?", choices, (*choices, "7")[0], "train")
    for text in EMPTY:
        assert task.parse(text, question) is None
        assert judge(text, question, task).answer is None


REPEATED = ["word ", "(a ", "1(", "-(", "a - ", "a\n", "\n", "<<1", "1e5 ", "because ",
            "answer is ", "1 + ", "2 1/2 ", "\\frac{", "9", "- ", "** ", "$", "e\u0301",
            "\u202e"]  # fmt: skip


@pytest.mark.parametrize("unit", REPEATED)
def test_a_student_that_repeats_itself_is_judged_soon(unit):
    """A thousand times: more than any budget of tokens that a student has."""
    started = time.monotonic()
    for task, choices, label in QUESTIONS:
        task.parse(unit * 1_000, Question("q", "How many?", choices, label, "train"))
    assert time.monotonic() - started < SECONDS
