"""What a sampling job reads: a file of questions, and the journal that a kill has left."""

import json

import pytest

from cotjax.teacher.journal import Journal
from cotjax.teacher.questions import read_questions
from tests.bad_input.refusing import refused

QUESTION = {"id": "q1", "question": "Hot?", "choices": ["ice", "fire"], "label": "fire"}


def lines(*values) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


BAD_QUESTIONS = {
    "nothing": (b"", "has no questions"),
    "blank lines": (b"\n \n", "has no questions"),
    "not UTF-8": (b'{"id": "\xff"}', ":1: not UTF-8"),
    "cut": (lines(QUESTION)[:-9], ":1: not JSON"),
    "no id": (lines({"question": "Hot?"}), ":1: id is missing"),
    "an id twice": (lines(QUESTION, QUESTION), ":2: id 'q1' is already at "),
    "an id of numbers": (lines(QUESTION | {"id": 1}), ":1: id must be text"),
    "an empty question": (lines(QUESTION | {"question": " \n"}), ":1: question is empty"),
    "a question of lists": (lines(QUESTION | {"question": []}), ":1: question must be text"),
    "a label that is no choice": (lines(QUESTION | {"label": "sea"}), ":1: label 'sea' is not"),
    "an unknown field": (lines(QUESTION | {"lable": "ice"}), "did you mean 'label'?"),
}


@pytest.mark.parametrize("name", BAD_QUESTIONS)
def test_a_bad_file_of_questions_is_named(tmp_path, name):
    content, message = BAD_QUESTIONS[name]
    path = tmp_path / "questions.jsonl"
    path.write_bytes(content)
    refused(lambda: read_questions(path), tmp_path, str(path), message)


ENTRY = {
    "id": "q1", "sample": 0, "text": "Fire burns.", "logprob": -1.5, "num_tokens": 3,
    "finish_reason": "stop",
}  # fmt: skip
BAD_ENTRIES = {
    "NULs, as a crash leaves them": b"\0" * 512 + b"\n",
    "not UTF-8": b"\xff\n",
    "half a line within": lines(ENTRY)[:20] + b"\n",
    "a list": b"[]\n",
    "no id": lines({name: ENTRY[name] for name in ENTRY if name != "id"}),
    "an unknown field": lines(ENTRY | {"txt": "x"}),
    "a sample of text": lines(ENTRY | {"sample": "0"}),
    "NaN": lines(ENTRY | {"logprob": float("nan")}),
    "no tokens at all": lines(ENTRY | {"num_tokens": 0}),
    "fewer tokens than none": lines(ENTRY | {"num_tokens": -3}),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_bad_line_of_a_journal_is_named(tmp_path, name):
    path = tmp_path / "journal-00000.jsonl"
    path.write_bytes(lines(ENTRY) + BAD_ENTRIES[name])
    refused(lambda: Journal(tmp_path, 0), tmp_path, f"{path}:2: ")


def test_a_journal_cut_anywhere_keeps_its_whole_lines(tmp_path):
    whole = lines(ENTRY, ENTRY | {"sample": 1})
    first = len(lines(ENTRY))
    path = tmp_path / "journal-00000.jsonl"
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        found = Journal(tmp_path, 0).entries
        assert len(found) == (length >= first) + (length == len(whole))
