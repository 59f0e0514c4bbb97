"""A completion is cut where its answer begins, and nothing of the answer stays behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.errors import InputError
from cotjax.tasks import Question
from cotjax.teacher.answers import PHRASES, judge, judge_task, split_completion

QUESTION = Question("q", "Where?", ("bank", "beach", "bridge"), "beach", "train")


@pytest.mark.parametrize(
    ("completion", "parts"),
    [
        ("It is wet. So the answer is (b) beach.", ("It is wet.", "(b) beach.")),
        ("It is wet. The answer is B", ("It is wet.", "B")),
        ("It is wet. Therefore, the answer is B.", ("It is wet.", "B.")),
        ("It is wet. Thus the correct answer is\nB", ("It is wet.", "B")),
        ("It is wet, so the  answer\nis B", ("It is wet,", "B")),
        ("4 + 4 = 8. Therefore, the answer (arabic numerals) is 8", ("4 + 4 = 8.", "8")),
        ("Wet --> (B)", ("Wet", "(B)")),
        ("Two and two\n#### 4", ("Two and two", "4")),
        # The last phrase counts, and what stood before it is reasoning.
        ("The answer is wet. The answer is B", ("The answer is wet.", "B")),
        # A sentence that begins without the space before it, as in the granularity files.
        ("2. A: the arctic regionsThe answer is A", ("2. A: the arctic regions", "A")),
        ("It is alsothe answer is B", None),
        ("It is also the answer is B", ("It is also", "B")),
        ("The answer is B", ("", "B")),
        ("No option is right.", None),
        ("", None),
    ],
)
def test_the_rationale_ends_at_the_last_answer_phrase(completion, parts):
    assert split_completion(completion) == parts


words = st.text("ab c.,\n", max_size=20)


@given(words, st.sampled_from(PHRASES), words)
def test_what_was_joined_is_split_again(rationale, phrase, answer):
    parts = split_completion(f"{rationale} {phrase} {answer}")
    assert parts == (rationale.strip(), answer.strip())


def test_only_the_phrases_asked_for_cut():
    text = "The answer is wet. So the answer is B"
    assert split_completion(text, ["Answer:"]) is None
    assert split_completion(text, ["so the answer is"]) == ("The answer is wet.", "B")


@pytest.mark.parametrize(
    ("completion", "answer", "correct", "several", "problem"),
    [
        ("Wet. So the answer is (b) beach.", "beach", True, False, None),
        ("Wet. So the answer is either (a) bank or (b) beach.", "bank", False, True, None),
        ("Wet. The answer is none of these.", None, False, False, None),
        ("Wet.", None, False, False, "no answer phrase"),
        ("The answer is (b).", "beach", True, False, "empty rationale"),
    ],
)
def test_a_completion_is_judged(completion, answer, correct, several, problem):
    verdict = judge(completion, QUESTION, judge_task("commonsense_qa"))
    assert (verdict.answer, verdict.correct, verdict.several) == (answer, correct, several)
    assert verdict.problem == problem
    if not problem:
        rationale = verdict.to_rationale(sample=3, tags={"level": 1})
        assert (rationale.sample, rationale.text, rationale.tags) == (3, "Wet.", {"level": 1})


def test_no_such_task_is_named():
    with pytest.raises(InputError, match="no task 'svmp'; did you mean 'svamp'"):
        judge_task("svmp")
