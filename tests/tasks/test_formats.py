"""A label that is written is read as itself: in every task and format, wherever it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.tasks import Question, get_task, task_names
from cotjax.tasks.base import conclusion, label_formats
from cotjax.tasks.fixed_choices import FixedChoices
from cotjax.tasks.multiple_choice import MultipleChoice

PAIRS = [(name, label_format) for name in task_names() for label_format in label_formats(name)]
WORDS = (
    "some",
    "like",
    "it",
    "hot",
    "(or",
    "not)",
    "answer",
    "choice",
    "then",
    "Thus,",
    "is.",
)


def _tells_nothing(choice: str) -> bool:
    """A choice that holds an answer phrase or "because" cannot be told from what surrounds it."""
    return (
        bool(choice.strip()) and conclusion(choice) is None and "because" not in choice.casefold()
    )


CHOICES = st.lists(st.text(min_size=1, max_size=12).filter(_tells_nothing), min_size=1, max_size=26)
NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.integers(0, 10**6).map(lambda n: f"{n / 8:.3f}".rstrip("0").rstrip(".")),
)
EQUATIONS = st.builds(
    "( {}.0 {} {}.0 )".format, st.integers(1, 99), st.sampled_from("+-*/"), st.integers(1, 99)
)


@st.composite
def questions(draw, name: str, label_format: str) -> Question:
    cls = type(get_task(name, label_format))
    if issubclass(cls, FixedChoices):
        choices = cls.choices
    elif issubclass(cls, MultipleChoice):
        choices = tuple(draw(CHOICES))
    else:
        choices = ()
        labels = {
            "text": st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8),
            "number": st.one_of(NUMBERS, EQUATIONS),
            "equation": EQUATIONS,
        }[label_format]
    label = draw(st.sampled_from(choices) if choices else labels)
    return Question("q", "What?", choices, label, "test")


@pytest.mark.parametrize(("name", "label_format"), PAIRS)
@given(data=st.data())
def test_a_label_is_read_as_itself(name, label_format, data):
    task = get_task(name, label_format)
    question = data.draw(questions(name, label_format))
    label = task.format_label(question, question.label)
    rationale = " ".join(data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9)))
    assert "\n" not in label
    for text in (
        label,
        f"The answer is {label}",
        f"{rationale} So the answer is {label}",
        f"{rationale} --> {label}",
        f"{label} because {rationale}",
    ):
        answer = task.parse(text, question)
        assert task.is_right(answer, question), (text, answer)


@pytest.mark.parametrize(("name", "label_format"), PAIRS)
@given(data=st.data(), text=st.text(max_size=60))
def test_any_text_gives_an_answer_or_none(name, label_format, data, text):
    task = get_task(name, label_format)
    question = data.draw(questions(name, label_format))
    answer = task.parse(text, question)
    assert answer is None or answer.strip()
    assert answer is None or not question.choices or answer in question.choices
    assert task.is_right(answer, question) in (True, False)
