"""What a job asks, and what it makes of the samples."""

import dataclasses
import json

import pytest

from cotjax.errors import InputError
from cotjax.records import Rationale, Record
from cotjax.teacher.prompt_tokens import make_prompts
from cotjax.teacher.prompts import make_prompter
from cotjax.teacher.questions import Judged, load_task_questions, read_questions
from cotjax.teacher.template import load_template
from tests.teacher.tiny import CQA, config, entry, questions, write_questions
from tests.teacher.tokenizers import byte_level


def judge(text, *, task=CQA, template="few_shot", label="bank", tags=None, **changes):
    """What a sample of one question comes to."""
    asked = questions(1, task)
    record = dataclasses.replace(asked.records[0], label=label)
    shown = load_template(template, shots=None if template in ("raw", "zero_shot") else 1)
    exemplars = None if task else "commonsense_qa"
    prompter = make_prompter(shown, byte_level(), False, exemplars, task)
    (prompt,) = make_prompts(prompter, [record]).prompts
    return asked.judge(record, prompt, entry("q0", 2, text, **changes), tags)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" A bank is safe. So the answer is (A) bank.", ("A bank is safe.", "bank", True)),
        ("It flows. So the answer is (B).", ("It flows.", "river", False)),
        (" A bank is safe. So the answer is mud.", ("A bank is safe.", None, False)),
        (" A bank is safe. ", ("A bank is safe.", None, False)),  # kept whole
        ("So the answer is (A).", (None, "bank", True)),
        ("So the answer is (B).", (None, "river", False)),
        (" \n", (None, None, False)),
    ],
)
def test_a_sample_is_cut_at_the_answer_and_judged(text, expected):
    found = judge(text)
    reason = found.rationale
    assert (reason and reason.text, found.answer, found.correct) == expected
    assert reason is None or (reason.answer, reason.correct) == expected[1:]


def test_what_the_sampler_knows_is_kept():
    details = {"logprob": -6.0, "num_tokens": 4, "finish_reason": "length"}
    assert judge("Safe.", tags={"level": 2}, **details).rationale == Rationale(
        2, "Safe.", None, False, -6.0, -1.5, 4, "length", tags={"level": 2}
    )


def test_without_a_gold_label_nothing_is_right_or_wrong():
    found = judge("Safe. So the answer is (A).", label=None)
    assert (found.answer, found.correct) == ("bank", None)


@pytest.mark.parametrize(
    ("template", "answers", "correct"),
    [("rationalise", {"bank"}, True), ("counterfactual", {"river", "pot 0"}, False)],
)
def test_a_label_in_the_prompt_is_the_answer(template, answers, correct):
    found = judge("Because it is so.", template=template)
    assert (found.rationale.text, found.correct) == ("Because it is so.", correct)
    assert found.answer in answers
    said_nothing = judge(" So the answer is (A).", template=template)
    assert said_nothing == Judged(None, None, False)


@pytest.mark.parametrize(
    ("conclusion", "answer", "correct"),
    [
        (" (A).", "bank", True),
        (" (B) river", "river", False),
        (" mud", None, False),
        ("", None, False),
    ],
)
def test_a_conclusion_is_judged_apart(conclusion, answer, correct):
    """The reasoning is kept as it is, whatever it says of answers."""
    text = "Is the answer is (B)?"
    found = judge(text, template="zero_shot", conclusion=conclusion)
    assert (found.rationale.text, found.answer, found.correct) == (text, answer, correct)


@pytest.mark.parametrize(("conclusion", "answer"), [(None, None), (" 42.\n", "42."), ("", None)])
def test_answers_to_questions_of_no_task_stand_as_they_are(conclusion, answer):
    found = judge("So the answer is 42.", task=None, template="raw", conclusion=conclusion)
    text = found.rationale.text
    assert (text, found.answer, found.correct) == ("So the answer is 42.", answer, None)


class TestFiles:
    """Questions of no task."""

    def write(self, folder, *lines):
        file = folder / "asked.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return file

    def test_what_a_file_holds(self, tmp_path):
        file = self.write(
            tmp_path,
            {"id": "a", "question": "Why?"},
            {"id": "b", "question": "Who?", "choices": ["I", "you"], "label": "you"},
        )
        found = read_questions(file)
        assert (found.task, found.split) == (None, "asked.jsonl")
        assert found.records == (
            Record("a", "Why?", (), None, ()),
            Record("b", "Who?", ("I", "you"), "you", ()),
        )
        assert len(read_questions(file, most=1).records) == 1

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ({"question": "Why?"}, r"asked\.jsonl:2: .*id"),
            ({"id": "b", "question": 3}, r"asked\.jsonl:2: .*question"),
            ({"id": "b", "question": "Why?", "rationale": "x"}, r"asked\.jsonl:2: .*rationale"),
            (
                {"id": "b", "question": "Why?", "choices": ["I"], "label": "you"},
                r"asked\.jsonl:2: label 'you' is not among",
            ),
        ],
    )
    def test_mistakes_name_the_line(self, tmp_path, line, message):
        with pytest.raises(InputError, match=message):
            read_questions(self.write(tmp_path, {"id": "a", "question": "Why?"}, line))

    def test_an_empty_file_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="has no questions"):
            read_questions(self.write(tmp_path))


def test_a_task_gives_its_questions_without_rationales(tmp_path):
    file = write_questions(tmp_path / "train.jsonl", questions(5))
    found = load_task_questions(
        config(tmp_path, task__source=f"file:{file}", task__max_questions=3)
    )
    assert (found.task.name, found.split) == ("commonsense_qa", "train")
    assert [(r.id, r.label, r.rationales) for r in found.records] == [
        ("q0", "bank", ()),
        ("q1", "pot 1", ()),
        ("q2", "bank", ()),
    ]


def test_the_hash_is_of_what_is_asked():
    asked = questions(3)
    assert asked.sha256 == questions(3).sha256
    others = [questions(2), questions(4)]
    for change in ({"question": "?"}, {"label": "river"}, {"choices": ("bank", "x")}, {"id": "z"}):
        first = dataclasses.replace(asked.records[0], **change)
        others.append(dataclasses.replace(asked, records=(first, *asked.records[1:])))
    human = dataclasses.replace(asked.records[0], human=None)  # is not shown to the teacher
    same = dataclasses.replace(asked, records=(human, *asked.records[1:]))
    assert len({asked.sha256, *(other.sha256 for other in others)}) == 7
    assert same.sha256 == asked.sha256
