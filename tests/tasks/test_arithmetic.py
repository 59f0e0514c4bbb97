"""Word problems are answered by value: numbers, equations, and options that have one."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.errors import InputError
from cotjax.tasks import Question, get_task
from cotjax.tasks.multiple_choice import MultipleChoice

NUMBER, EQUATION = (get_task("svamp", label_format) for label_format in ("number", "equation"))
OPTIONS = ("5 days", "8 days", "10 days", "2:3", "None of these")


def problem(label: str) -> Question:
    return Question("q7", "Luke scored 84 points.\nHow many a round?", (), label, "test")


def option(choices: tuple[str, ...] = OPTIONS, label: str | None = None) -> Question:
    return Question("q8", "How long?", choices, label or choices[0], "test")


def test_input_is_the_question_in_one_line():
    assert NUMBER.format_input(problem("42")) == "Luke scored 84 points. How many a round?"
    assert NUMBER.choice_labels(problem("42")) == []


@pytest.mark.parametrize(
    ("label", "number", "equation"),
    [
        ("( 84.0 / 2.0 )", "42", "( 84.0 / 2.0 )"),
        ("( 4.0 - ( 3.0 - 4.0 ) )", "5", "( 4.0 - ( 3.0 - 4.0 ) )"),
        ("( 1.0 / 3.0 )", "0.333333", "( 1.0 / 3.0 )"),
        ("( 2.0 - 3.5 )", "-1.5", "( 2.0 - 3.5 )"),
        ("8 × 2", "16", "8 * 2"),
        ("7-2=5", "5", "7-2=5"),
        ("8.0", "8", "8.0"),  # one of SVAMP's thousand
        ("1,000", "1000", None),
        ("-72", "-72", None),
    ],
)
def test_label_formats(label, number, equation):
    question = problem(label)
    assert NUMBER.format_label(question, label) == number
    if equation is None:
        with pytest.raises(InputError, match=f"'q7': label '{label}' has no equation"):
            EQUATION.format_label(question, label)
    else:
        assert EQUATION.format_label(question, label) == equation


@pytest.mark.parametrize("label", ["many", "6 / 0", "2:3", ""])
def test_a_label_without_value_is_named(label):
    with pytest.raises(InputError, match=f"'q7': label '{label}' is no number or equation"):
        NUMBER.format_label(problem(label), label)
    with pytest.raises(InputError, match="'q7'"):
        NUMBER.is_right("5", problem(label))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # PaLM 540B, as Distilling Step-by-Step prompts it.
        ("84 / 2 = 42 points. The answer is (84 / 2).", "84 / 2"),
        ("So there are 272 * 4 = 1088 pieces. The answer is (16 * 17) * 4.", "(16 * 17) * 4"),
        ("The answer is ((8 action figures + 10 cabinets) * 4 shelves).", "(8 + 10) * 4"),
        ("16 is 10 - (-6). The answer is (10 - (-6)).", "10 - (-6)"),
        ("The answer is (53 + 17) and (14 - 10).", "53 + 17"),
        ("14 tickets left. So some - 12 = 14. The answer is (some - 12).", None),
        ("14 slices in total. So 7 * x = 14. The answer is (7x = 14).", None),
        ("322,775 dollars left. The answer is ((491 - 21", None),
        ("So Jake has 16 - 7 = 9 peaches.", "9"),
        ("26 * x = 37. x = 37 / 26. x = 1.423076923076923.", "1.423076923076923"),
        # GPT-4o, at several levels and in several formats.
        ("The answer is 2", "2"),
        ("so x = 1/16.The answer is 1/16.", "1 / 16"),
        ("The answer is 79 - (24 + 51) = 79 - 75 = 4", "4"),
        ("The answer is $17 + $17 = $34. The answer is 34", "34"),
        ("The answer is 15 inches.\nThe answer is: 15", "15"),
        ("24 - 8 = 16 pounds  The answer is <answer> 16", "16"),
        ("the soda bottles would last is 40. The answer is <answer>", None),
        ("4 * 60 = 240. Hence, the answer is not consistent with the given answer.", None),
        ("frog points grasshopper. The answer is revalidate data 41.", "41"),
        ("14 + 10 = 24 <The answer is 24>", "24"),
        ("2 + 3 = 5 apples now. The answers is 5.", "5"),
        (r"total: \( 9 + 5 = 14 \) Therefore, they have together now is 14 dollars.", "14"),
        ("the resultant flower beds provide the accurate flowers: Total is 220", "220"),
        # Solutions and students.
        ("Weng earns 12/60 = $<<12/60=0.2>>0.2 a minute.\n#### 10", "10"),
        ("each gets 3 of 12 --> 4 and 5 are left over", "4"),
        ("42", "42"),
        ("$42.", "42"),
        ("( 84.0 / 2.0 )", "84.0 / 2.0"),
        ("-3.5", "-3.5"),
        ("42 because 84 points in 2 rounds are 42 each, and 84 / 2", "42"),
        ("42 points because 2 rounds have 84", "42"),
        ("42 because it is hot - very", "42"),
        ("So the answer is - 3", "-3"),
        ("So the area is 12 cm^2.", "12"),
        ("( 84.0 / 2.0 ) because he has 2 rounds", "84.0 / 2.0"),
        ("84 points in 2 rounds. So 84 / 2 = 42 a round", "42"),  # begins with no label
        ("1. Each round has as many. 2. That is 42", "42"),
        ("", None),
        ("many", None),
        ("The answer is", None),
        ("5 / 0", None),
    ],
)
def test_parse(text, answer):
    assert NUMBER.parse(text, problem("42")) == answer
    assert EQUATION.parse(text, problem("42")) == answer


@pytest.mark.parametrize(
    ("answer", "label", "right"),
    [
        ("84 / 2", "( 84.0 / 2.0 )", True),
        ("42", "( 84.0 / 2.0 )", True),
        ("42.0000009", "42", True),
        ("42.000002", "42", False),
        ("0.333333", "( 1.0 / 3.0 )", True),
        ("0.33", "( 1.0 / 3.0 )", False),
        ("1,234", "1234", True),
        ("-42", "42", False),
        ("some", "42", False),
        (None, "42", False),
    ],
)
def test_answers_are_judged_by_their_value(answer, label, right):
    assert NUMBER.is_right(answer, problem(label)) is right


LABELS = st.recursive(
    st.decimals(-(10**6), 10**6, places=2).map("{:f}".format) | st.integers(0, 10**9).map(str),
    lambda parts: st.tuples(parts, st.sampled_from("+-*/"), parts).map(
        "( {0[0]} {0[1]} {0[2]} )".format
    ),
    max_leaves=4,
)


@given(LABELS)
def test_a_formatted_label_is_parsed_as_itself(label):
    for task in (NUMBER, EQUATION):
        try:
            formatted = task.format_label(problem(label), label)
        except InputError:  # it divides by zero, or is no equation
            continue
        for text in (
            formatted,
            f"{formatted} because 2 and 3.",
            f"2 and 3. So the answer is {formatted}",
        ):
            assert task.is_right(task.parse(text, problem(label)), problem(label))


@given(st.text(max_size=80))
def test_any_text_gives_an_answer_with_a_value_or_none(text):
    answer = NUMBER.parse(text, problem("1"))
    assert answer is None or NUMBER.is_right(answer, problem(answer))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("(B)", "8 days"),
        ("5 + 5 = 10, so the answer is (B)", "8 days"),  # a letter goes before a number
        ("The answer is B.", "8 days"),
        ("10 days", "10 days"),
        ("10", "10 days"),
        ("5 + 3 = 8 days", "8 days"),
        ("The answer is 5 + 3.", "8 days"),
        ("it takes 5 + 3 = 8 days. The answer is 10.0", "10 days"),
        ("5 workers need 10 days, so 8", "8 days"),
        ("The answer is 5.5", None),
        ("The answer is 7 days", None),
        ("The answer is 2:3", "2:3"),
        ("The answer is none of these.", "None of these"),
        ("I do not know", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("label_format", MultipleChoice.label_formats)
def test_options_are_chosen_by_letter_or_value(text, answer, label_format):
    assert get_task("aqua", label_format).parse(text, option()) == answer


@pytest.mark.parametrize(
    ("label_format", "text"),
    [
        ("letter_text", "(B) 8 days because answer is."),
        ("text", "8 days because the answer is clear"),
        ("letter", "(B) because the answer is clear"),
    ],
)
def test_a_label_before_because_counts_whatever_the_reason_says(label_format, text):
    assert get_task("aqua", label_format).parse(text, option()) == "8 days"


def test_of_options_of_one_value_the_written_one_counts():
    choices = ("0.5", "1/2", "50%")
    task = get_task("aqua", "text")
    assert task.parse("The answer is 1/2", option(choices)) == "1/2"
    assert task.parse("The answer is 2/4", option(choices)) == "0.5"
    assert task.parse("The answer is 50%", option(choices)) == "50%"


OPTION_TEXTS = st.one_of(
    st.integers(-99, 99).map(str),
    st.sampled_from(["$5", "25%", "1/2", "0.5", "2:3", "5 days", "Rs.500", "2√3", "A", "(a)", "x"]),
    st.text("ab12 .:/()%", min_size=1, max_size=8).filter(str.strip),
)


@given(st.lists(OPTION_TEXTS, min_size=1, max_size=5).map(tuple), st.data())
def test_a_formatted_option_is_parsed_as_itself(choices, data):
    label = data.draw(st.sampled_from(choices))
    question = option(choices, label)
    for label_format in MultipleChoice.label_formats:
        task = get_task("aqua", label_format)
        assert task.is_right(task.parse(task.format_label(question, label), question), question)


@pytest.mark.parametrize(
    ("split", "files", "outcomes"),
    [
        ("train", 2, {"right": 596, "wrong": 188, "unparsed": 16}),
        ("test", 1, {"right": 156, "wrong": 41, "unparsed": 3}),
    ],
)
def test_palm_on_svamp(shared, split, files, outcomes):
    """The release's own rule, for which `16 * 17` is all of `(16 * 17) * 4`, finds 586 and 148."""
    folder = shared / "data" / "dss" / "svamp"
    paths = [folder / "llm" / f"{split}_CoT_{number}.json" for number in range(files)]
    completions = [text for path in paths for text in json.loads(path.read_text("utf-8"))]
    lines = (folder / f"svamp_{split}.json").read_text("utf-8").splitlines()
    questions = [problem(json.loads(line)["label"]) for line in lines]
    found = Counter()
    for question, completion in zip(questions, completions, strict=True):
        answer = EQUATION.parse(completion.split("\n\nQ:")[0], question)
        right = EQUATION.is_right(answer, question)
        found["unparsed" if answer is None else "right" if right else "wrong"] += 1
    assert found == outcomes


def test_gpt4o_on_svamp(shared):
    """All it gets wrong by these counts was read through: it is wrong."""
    folder = shared / "data" / "granularity" / "svamp"
    gold = {row["instruction"]: row["output"] for row in _rows(folder / "answers.json")}
    rows = _rows(folder / "gpt4o_level6.json")
    questions = [problem(gold[row["instruction"]]) for row in rows]
    answers = [NUMBER.parse(row["output"], q) for row, q in zip(rows, questions, strict=True)]
    right = [NUMBER.is_right(*pair) for pair in zip(answers, questions, strict=True)]
    assert (len(rows), sum(right), answers.count(None)) == (699, 691, 1)


def _rows(path) -> list[dict[str, str]]:
    return json.loads(path.read_text("utf-8"))
