"""Choices are formatted in one line, and read back from what teachers and students write."""

import collections
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.errors import InputError
from cotjax.tasks import Question, get_task
from cotjax.tasks.multiple_choice import MultipleChoice

BEAVER = ("british columbia", "body of water", "wooded area", "pay debts", "zoo")
FISH = ("aquarium", "lake", "sea", "ocean", "pond")
DUPLICATES = ("bus depot", "beach", "train station", "bridge", "bridge")
NESTED = ("bank", "bank account", "a", "banker", "safe")

CHOICES = st.lists(st.text(min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=26).map(
    tuple
)


def make_question(choices: tuple[str, ...], label: str | None = None) -> Question:
    return Question("q", "Where to?", choices, label or choices[0], "test")


def test_input_is_one_line_of_lettered_choices():
    task = get_task("commonsense_qa", "letter")
    question = Question("q", "Where\nto \t go?", ("go  home ", "(sea)"), "(sea)", "train")
    assert task.format_input(question) == ("question: Where to go? choices: (A) go home (B) (sea)")


@pytest.mark.parametrize(
    ("label_format", "labels"),
    [
        ("letter", ["(A)", "(B)", "(C)"]),
        ("text", ["bank", "ice cream", "bank"]),
        ("letter_text", ["(A) bank", "(B) ice cream", "(C) bank"]),
    ],
)
def test_label_formats(label_format, labels):
    task = get_task("commonsense_qa", label_format)
    question = make_question(("bank", "ice cream ", "bank"))
    assert task.choice_labels(question) == labels
    assert task.format_label(question, "ice cream ") == labels[1]


@pytest.mark.parametrize(
    ("choices", "text", "answer"),
    [
        # PaLM's own words after "So the answer is".
        (BEAVER, " (c) wooded area.", "wooded area"),
        (BEAVER, "So the answer is (c) wooded area.", "wooded area"),
        (FISH, " either (a) aquarium or (e) pond.", "aquarium"),
        (FISH, " one of these four.", None),
        (("tree", "jar", "shop", "feild", "forest"), " (d) field.", "feild"),
        (
            ("monkey", "zoo", "x", "y", "french government"),
            "French government",
            "french government",
        ),
        (("trivial", "slight", "minor", "petty", "unimportant"), " (d) unimportant.", "petty"),
        (DUPLICATES, " (e) bridge.", "bridge"),
        # Students: letters of both cases, texts, both, with and without a rationale around.
        (BEAVER, "(B)", "body of water"),
        (BEAVER, "(B) body of water", "body of water"),
        (BEAVER, "B", "body of water"),
        (BEAVER, "b.", "body of water"),
        (BEAVER, "zoo", "zoo"),
        (BEAVER, "Zoo.", "zoo"),
        (BEAVER, "They live in (a) forests. So the answer is (C)", "wooded area"),
        (BEAVER, "The answer is not (a). So the answer is: (c)", "wooded area"),
        (BEAVER, "(C) because (a) is far away and the answer is (b)", "wooded area"),
        (BEAVER, "Beavers cut trees. The answer is wooded area.", "wooded area"),
        (BEAVER, "the answer is D", "pay debts"),
        (BEAVER, "(f) something else, or (e)", "zoo"),
        # Bare letters: GPT-4o's own words.
        (BEAVER, "They need wood.The answer is C", "wooded area"),
        (BEAVER, "Thus, the correct answer is C: woods.", "wooded area"),
        (BEAVER, "The answer is C. A and B are too wet.", "wooded area"),
        (BEAVER, "Therefore, the answer is <C: wooded area>", "wooded area"),
        (BEAVER, "The answer is therefore C", "wooded area"),
        (BEAVER, "The most logical answer would be option c.", "wooded area"),
        (BEAVER, "So the correct answer is **(C) wooded area**.", "wooded area"),
        (BEAVER, "The answer is a place such as the zoo", "zoo"),
        (BEAVER, "The answer is a 'wooded area', (c)", "wooded area"),
        (BEAVER, "The answer is none of the above", None),
        (BEAVER, "The answer is <answer>", None),
        (BEAVER, "The answer is NOT D", None),
        (BEAVER, "The answer is not (a) but (b).", "body of water"),
        (BEAVER, "The answer is not the zoo", None),
        (BEAVER, "Not a zoo, but a wooded area", "wooded area"),
        (BEAVER, r"The final answer is $\boxed{\text{C}}$.", "wooded area"),
        # Other phrases.
        (BEAVER, "answer: (B) body of water.", "body of water"),
        (BEAVER, "not (a), (b) or (c) --> (E)", "zoo"),
        (BEAVER, "not (a) --> zoo, or (b)", "zoo"),
        (BEAVER, "The answer is (a) --> D", "pay debts"),
        # Without a phrase, the last sentence or line that says anything.
        (BEAVER, "(Some say (a).) Others, (b). So it is (c) or (d). Clear?", "wooded area"),
        (BEAVER, "Not in a zoo\nbut in a wooded area\nat home", "wooded area"),
        (BEAVER, "Therefore, beavers live in the (C) wooded area.", "wooded area"),
        # The label first.
        (BEAVER, "zoo because the answer is not (a)", "zoo"),
        (BEAVER, "Zoo, because they like it. (a) is far", "zoo"),
        (BEAVER, "D because (a) is far", "pay debts"),
        (BEAVER, "(D) at first. In the end it is (a)", "pay debts"),
        (BEAVER, "(D) at first.\nSo the answer is (a)", "british columbia"),
        (BEAVER, "A beaver dives. So the answer is (b)", "body of water"),
        # Numbers, and full stops of their own.
        (("5", "15", "1.5"), "the answer is 15", "15"),
        (("5", "15", "1.5"), "the answer is 1.5.", "1.5"),
        (("5", "15", "1.5"), "the answer is 105", None),
        (("It rains.", "It snows."), "The answer is it snows", "It snows."),
        # Texts that begin other texts, and a text that is a letter.
        (NESTED, "bank account", "bank account"),
        (NESTED, "bank account.", "bank account"),
        (NESTED, "bank, of course", "bank"),
        (NESTED, "banking", None),
        (NESTED, "A", "a"),
        # Nothing to read.
        (BEAVER, "", None),
        (BEAVER, "the answer is", None),
        (BEAVER, "I do not know", None),
        (BEAVER, "zoology", None),
        (BEAVER, "(f)", None),
    ],
)
@pytest.mark.parametrize("label_format", MultipleChoice.label_formats)
def test_parse(choices, text, answer, label_format):
    task = get_task("commonsense_qa", label_format)
    assert task.parse(text, make_question(choices)) == answer


@given(CHOICES, st.data(), st.sampled_from(MultipleChoice.label_formats))
def test_a_formatted_label_is_parsed_as_itself(choices, data, label_format):
    label = data.draw(st.sampled_from(choices))
    task = get_task("commonsense_qa", label_format)
    question = make_question(choices, label)
    formatted = task.format_label(question, label)
    assert "\n" not in formatted
    assert task.is_right(task.parse(formatted, question), question)


@given(CHOICES, st.text(max_size=60), st.sampled_from(MultipleChoice.label_formats))
def test_any_text_gives_a_choice_or_nothing(choices, text, label_format):
    answer = get_task("commonsense_qa", label_format).parse(text, make_question(choices))
    assert answer is None or answer in choices


def test_answers_are_judged_by_their_text():
    task = get_task("commonsense_qa", "letter")
    question = make_question(DUPLICATES, "bridge")
    assert task.is_right(task.parse("(D)", question), question)
    assert task.is_right(task.parse("(E)", question), question)
    assert not task.is_right(task.parse("(A)", question), question)
    assert not task.is_right(None, question)


@pytest.mark.parametrize(("label_format", "answer"), [("letter", "bank"), ("text", "(b)")])
def test_what_is_a_letter_and_a_text_is_read_in_the_tasks_own_format(label_format, answer):
    question = make_question(("(b)", "bank"))
    assert get_task("commonsense_qa", label_format).parse("(B)", question) == answer


def test_mistakes_are_named():
    task = get_task("commonsense_qa", "letter")
    many = make_question(tuple(map(str, range(27))))
    with pytest.raises(InputError, match="'q': 27 choices, but only 26 letters"):
        task.format_label(many, "3")
    with pytest.raises(InputError, match="'q': 'moon' is not among its choices"):
        task.format_label(make_question(BEAVER), "moon")
    with pytest.raises(InputError, match="'q': 27 choices, but only 26 letters"):
        task.format_input(many)
    with pytest.raises(InputError, match="'q': label 'moon' is not among its choices"):
        make_question(BEAVER, "moon")
    with pytest.raises(InputError, match="'q': one of its choices is empty"):
        make_question(("zoo", " "))


# The real files. What the parser finds and the release's pattern ("The answer is D") doesn't was
# read one by one: they say "the answer is therefore A" or name the choice by its text alone.
REAL = {"gpt4o_level1": (4_937, 3), "gpt4o_level6": (4_939, 0), "gpt4o_without_gold": (4_651, 38)}


@pytest.mark.parametrize("name", REAL)
def test_real_answers_by_bare_letters(shared, name):
    """Right and unparsed of 4,955 rationales; the release counts 4,621 right without gold."""
    folder = shared / "data" / "granularity" / "openbookqa"
    labels = {
        row["instruction"]: row["output"].strip()
        for row in json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    }
    task = get_task("openbookqa", "letter")
    outcomes = collections.Counter()
    for row in json.loads((folder / f"{name}.json").read_text(encoding="utf-8")):
        stem, listed = row["instruction"].split("Answer choices:", 1)
        choices = tuple(re.split(r",? [A-D]: ", listed)[1:])
        label = choices["ABCD".index(labels[row["instruction"]])]
        question = Question("q", stem, choices, label, "train")
        answer = task.parse(row["output"], question)
        outcomes["right" if task.is_right(answer, question) else answer and "wrong"] += 1
    assert (outcomes["right"], outcomes[None]) == REAL[name]
    assert 0 <= outcomes.total() - 4_955 <= 1
