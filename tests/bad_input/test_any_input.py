"""Whatever stands in place of a part of an input, it is read or refused in one line."""

import copy
import functools
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.data.tokenizer import train_tokenizer
from cotjax.models.hub import load_fast_tokenizer
from cotjax.models.safetensors_files import SafetensorsFiles
from cotjax.records import read_records
from cotjax.teacher.importers import import_rationales
from cotjax.teacher.importers.request import Request
from cotjax.teacher.journal import Entry, Journal
from cotjax.teacher.questions import read_questions
from tests.bad_input.refusing import attempt
from tests.bad_input.test_imports import QUESTIONS, SAID, chat
from tests.bad_input.test_records import JSON_VALUES
from tests.bad_input.test_sampling_files import ENTRY, QUESTION
from tests.teacher.imports import write_json, write_lines


def places(value, path=()):
    """Where something stands in a JSON value: the keys that lead there."""
    if path:
        yield path
    inner = dict(enumerate(value)) if isinstance(value, list) else value
    for key, one in inner.items() if isinstance(inner, dict) else ():
        yield from places(one, (*path, key))


@st.composite
def damaged(draw, value):
    """A JSON value with another one in up to two of its places."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        *path, last = draw(st.sampled_from(list(places(value))))
        parent = functools.reduce(lambda one, key: one[key], path, value)
        parent[last] = draw(JSON_VALUES)
        if isinstance(parent, dict) and draw(st.booleans()):
            parent[draw(st.text(max_size=8))] = parent.pop(last)
    return value


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("any")


@settings(max_examples=150)
@given(damaged([QUESTION, QUESTION | {"id": "q2"}]))
def test_any_question_is_read_or_named(place, lines):
    path = write_lines(place / "questions.jsonl", lines)
    read, refusal = attempt(lambda: read_questions(path))
    if read is None:
        assert refusal.startswith(f"{path}:")
    else:
        assert [one.question for one in read.records] == [line["question"] for line in lines]


@settings(max_examples=150)
@given(damaged([ENTRY, ENTRY | {"sample": 1}]))
def test_any_line_of_a_journal_is_read_or_named(lines):
    with tempfile.TemporaryDirectory() as folder:
        path = write_lines(Path(folder) / "journal-00000.jsonl", lines)
        journal, refusal = attempt(lambda: Journal(Path(folder), 0))
        assert refusal is None or refusal.startswith(f"{path}:")
        assert journal is None or journal.entries


ENTRIES = st.builds(
    Entry,
    id=st.text(min_size=1),
    sample=st.integers(0, 99),
    text=st.text(),
    logprob=st.floats(allow_nan=False, allow_infinity=False, max_value=0),
    num_tokens=st.integers(1, 999),
    finish_reason=st.sampled_from(["stop", "length"]),
    conclusion=st.none() | st.text(),
)


@settings(max_examples=100)
@given(st.lists(ENTRIES, max_size=4, unique_by=lambda entry: (entry.id, entry.sample)))
def test_any_sample_comes_back_from_a_journal(entries):
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), 0)
        for entry in entries:
            journal.add(entry)
        journal.close()
        assert list(Journal(Path(folder), 0).entries.values()) == entries


CHOSEN = {"input": "Hot 1? Answer choices: (A) ice, (B) fire", "answer": "B", "chain": SAID}
IMPORTED = {
    "completions": {"id": "q0", "completion": {"text": SAID, "logprob": -1.0, "num_tokens": 9}},
    "openai_batch": chat(logprobs={"content": [{"token": "a", "logprob": -0.5}]}),
    "cos_e": {"id": "q0", "explanation": {"open-ended": "it burns", "selected": "Hot"}},
    "multi_sample": CHOSEN,
}


@pytest.mark.parametrize("name", IMPORTED)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_row_is_imported_or_named(place, name, data):
    """What is imported can be read; where a row is refused nothing is written."""
    rows = data.draw(damaged([IMPORTED[name], IMPORTED[name]]))
    questions = write_lines(place / "questions" / "train.jsonl", QUESTIONS)
    write = write_json if name == "multi_sample" else write_lines
    source = write(place / "said.json", rows)
    named = {} if name == "multi_sample" else {"questions": f"file:{questions}"}
    request = Request("openbookqa", "train", source, teacher="T", **named)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "records"
        report, refusal = attempt(lambda: import_rationales(name, request, output))
        if report is None:
            assert str(source) in refusal
            assert not output.exists()
        else:
            read_records(output)


INDEX = {"metadata": {"total_size": 8}, "weight_map": {"a": "x.safetensors", "b": "y.safetensors"}}
NAMES = st.sampled_from(["../x.safetensors", "/x.safetensors", "x.bin", ".", "", "a/\0", "y" * 999])


@settings(max_examples=150)
@given(damaged(INDEX), NAMES | st.text(max_size=8))
def test_any_index_leads_to_files_of_its_folder_or_is_named(index, name):
    if isinstance(index.get("weight_map"), dict):
        index["weight_map"]["c"] = name
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        path = write_json(folder / "model.safetensors.index.json", index)
        _, refusal = attempt(lambda: SafetensorsFiles(folder))
        assert refusal.startswith(str(folder))  # there is no file of weights
        assert path.name in refusal or "safetensors" in refusal


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """What the folder of a small tokenizer holds, by name."""
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(["the man went to the bank"] * 3, 60).save(folder)
    return {path.name: json.loads(path.read_text("utf-8")) for path in folder.iterdir()}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_tokenizer_file_is_read_or_named(tokenizer, data):
    name = data.draw(st.sampled_from(sorted(tokenizer)))
    changed = tokenizer | {name: data.draw(damaged(tokenizer[name]))}
    with tempfile.TemporaryDirectory() as folder:
        for file, value in changed.items():
            write_json(Path(folder) / file, value)
        loaded, refusal = attempt(lambda: load_fast_tokenizer(Path(folder)))
        if loaded is None:
            assert refusal.startswith(folder)
        else:
            loaded.decode(loaded("the man went to the bank")["input_ids"])
