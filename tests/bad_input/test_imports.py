"""Rationales from elsewhere: what is wrong ends an import, or is set aside and told of."""

import functools
import json

import pytest

from cotjax.records import Manifest, Rationale, Record, read_records, write_records
from cotjax.teacher.importers import import_rationales
from cotjax.teacher.importers.bad_rows import FILE, SKIPPED, BadRows
from cotjax.teacher.importers.request import Request
from cotjax.teacher.importers.salvage import DAMAGED
from tests.bad_input.refusing import edit_json, refused
from tests.teacher.imports import write_json, write_lines

QUESTIONS = [
    {"id": f"q{number}", "question": f"Hot {number}?", "choices": ["ice", "fire"], "label": "fire"}
    for number in range(3)
]
SAID = "Fire burns. So the answer is (b) fire."


@pytest.fixture
def request_of(tmp_path):
    """Makes a request to import a file, with three questions to join."""
    questions = write_lines(tmp_path / "questions.jsonl", QUESTIONS)

    def make(source, format="completions", skip=False, **changes):
        named = {"questions": f"file:{questions}", "teacher": "T"}
        if format in ("instruction", "multi_sample", "records"):
            named = {"teacher": "T"} if format == "multi_sample" else {}
        request = Request("openbookqa", "train", source, **named | changes, bad_rows=BadRows(skip))
        return lambda: import_rationales(format, request, tmp_path / "records")

    return make


def chat(content=SAID, **choice):
    choice = {"message": {"content": content}, "finish_reason": "stop"} | choice
    return {"custom_id": "q0", "response": {"status_code": 200, "body": {"choices": [choice]}}}


BAD_LINES = {
    "no object": ("completions", [1], ":1: the value must be an object"),
    "no completion": ("completions", [{"id": "q0"}], "must have either 'completion' or"),
    "both": ("completions", [{"id": "q0", "question": "x", "completion": SAID}], "either 'id' or"),
    "an unknown field": ("completions", [{"id": "q0", "completon": SAID}], "did you mean 'complet"),
    "a completion of numbers": (
        "completions",
        [{"id": "q0", "completion": 5}],
        "must be an object",
    ),
    "completions of nothing": ("completions", [{"id": "q0", "completions": [None]}], "an object"),
    "a log-probability of text": (
        "completions",
        [{"id": "q0", "completion": {"text": SAID, "logprob": "-1"}}],
        "logprob must be a number",
    ),
    "half a surrogate pair": (
        "completions",
        [b'{"id": "q0", "completion": "\\ud800"}'],
        "surrogate",
    ),
    "cut": (
        "completions",
        [{"id": "q0", "completion": SAID}, b'{"id": "q1", "comp'],
        ":2: not JSON",
    ),
    "no lines": ("completions", [b""], "has no completions"),
    "a batch of lists": ("openai_batch", [[]], ":1: the value must be an object"),
    "a batch without ids": ("openai_batch", [{"response": {}}], "custom_id is missing"),
    "no body": ("openai_batch", [{"custom_id": "q0", "response": {}}], "response.body"),
    "a body of text": ("openai_batch", [{"custom_id": "q0", "response": {"body": "x"}}], "body"),
    "choices of numbers": (
        "openai_batch",
        [{"custom_id": "q0", "response": {"body": {"choices": [5]}}}],
        ":1: choice 0: the value must be an object",
    ),
    "content of lists": ("openai_batch", [chat([1])], "message.content must be text"),
    "token log-probabilities of text": (
        "openai_batch",
        [chat(logprobs={"token_logprobs": ["-1"]})],
        "logprobs must hold numbers",
    ),
    "log-probabilities that are one number": (
        "openai_batch",
        [chat(logprobs={"content": 5, "token_logprobs": 5})],
        "logprobs must hold numbers",
    ),
    "log-probabilities beyond a double": (
        "openai_batch",
        [chat(logprobs={"token_logprobs": [-(10**400)]})],
        "logprobs must hold numbers",
    ),
    "an error nested without end": (
        "openai_batch",
        [b'{"custom_id": "q0", "error": ' + b"[" * 400 + b"]" * 400 + b"}"],
        "nested more than 100 deep",
    ),
    "no explanation": ("cos_e", [{"id": "q0"}], ":1: explanation is missing"),
    "an explanation of other kinds": (
        "cos_e",
        [{"id": "q0", "explanation": {"a": "b"}}],
        "must have",
    ),
    "explanations of numbers": (
        "cos_e",
        [{"id": "q0", "explanation": {"open-ended": 1, "selected": ""}}],
        "explanation.open-ended must be text",
    ),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_named_and_nothing_is_written(tmp_path, request_of, name):
    format_, lines, message = BAD_LINES[name]
    source = write_lines(tmp_path / "said.jsonl", lines)
    refused(request_of(source, format_), tmp_path, str(source), message)


BAD_LISTS = {
    "an object": ("multi_sample", {}, "must be a list"),
    "nothing": ("multi_sample", [], "has no rows"),
    "rows of text": ("multi_sample", ["x"], "row 1: the value must be an object"),
    "no answer": ("multi_sample", [{"input": "x"}], "row 1: answer is missing"),
    "an answer that is no choice": (
        "multi_sample",
        [{"input": "Hot? Answer choices: (A) ice, (B) fire", "answer": "C"}],
        "row 1: the label 'C' is not among",
    ),
    "a chain of lists": (
        "multi_sample",
        [{"input": "Hot? Answer choices: (A) ice, (B) fire", "answer": "B", "chain": [1]}],
        "row 1: chain must be text",
    ),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_a_bad_list_is_named_and_nothing_is_written(tmp_path, request_of, name):
    format_, value, message = BAD_LISTS[name]
    source = write_json(tmp_path / "rows.json", value)
    refused(request_of(source, format_), tmp_path, str(source), message)


def test_a_count_of_tokens_that_is_none_is_left_out(tmp_path, request_of):
    line = chat()
    line["response"]["body"]["usage"] = {"completion_tokens": "many"}
    request_of(write_lines(tmp_path / "said.jsonl", [line]), "openai_batch")()
    (rationale,) = read_records(tmp_path / "records")[1][0].rationales
    assert rationale.num_tokens is None


@pytest.mark.parametrize(
    "unit", ["word ", "(a ", "1(", "-(", "a - ", "\n", "<<1", "1e5 ", "because "]
)
def test_100_000_tokens_are_judged_in_seconds(tmp_path, request_of, unit):
    """Before the answer phrase and after it."""
    lines = [{"id": "q0", "completion": f"{unit * 100_000}. {SAID} {unit * 100_000}"}]
    source = write_lines(tmp_path / "said.jsonl", lines)
    request_of(source)()
    (rationale,) = read_records(tmp_path / "records")[1][0].rationales
    assert rationale.text.startswith(unit.strip())


MIXED = [
    {"id": "q0", "completion": SAID},
    {"id": "q1", "completon": SAID},
    b"\xff",
    b'{"id": "q1", "compl',
    {"id": "q1", "completion": SAID},
]


def test_bad_rows_are_skipped_counted_and_kept_in_a_file(tmp_path, request_of):
    source = write_lines(tmp_path / "said.jsonl", MIXED)
    report = request_of(source, skip=True)()
    manifest, records = read_records(tmp_path / "records")
    assert [len(record.rationales) for record in records] == [1, 1, 0]
    assert manifest.counts["rows"] == 2
    assert manifest.counts[SKIPPED] == 3
    skipped = [json.loads(line) for line in (tmp_path / "records" / FILE).read_text().splitlines()]
    assert [one["where"] for one in skipped] == [f"{source}:{number}" for number in (2, 3, 4)]
    assert skipped[0]["row"] == MIXED[1]
    assert "did you mean" in skipped[0]["problem"]
    assert sum("skipped" in remark for remark in report.remarks) == 3
    request_of(source, skip=True)()  # writing the same again changes nothing


def test_by_default_the_first_bad_row_ends_it(tmp_path, request_of):
    source = write_lines(tmp_path / "said.jsonl", MIXED)
    refused(request_of(source), tmp_path, f"{source}:2: completon is not a known field")


def test_without_bad_rows_no_file_is_left(tmp_path, request_of):
    source = write_lines(tmp_path / "said.jsonl", MIXED[:1])
    request_of(source, skip=True)()
    assert not (tmp_path / "records" / FILE).exists()


@pytest.mark.parametrize("format_", ["openai_batch", "cos_e", "multi_sample"])
def test_every_form_skips(tmp_path, request_of, format_):
    good = {
        "openai_batch": chat(),
        "cos_e": {"id": "q0", "explanation": {"open-ended": "it burns", "selected": ""}},
        "multi_sample": {
            "input": "Hot? Answer choices: (A) ice, (B) fire", "answer": "B", "chain": SAID,
        },
    }[format_]  # fmt: skip
    write = write_json if format_ == "multi_sample" else write_lines
    source = write(tmp_path / "said.json", [good, {"bad": 1}, good | {"bad": [chat()]}])
    request_of(source, format_, skip=True)()
    manifest, records = read_records(tmp_path / "records")
    assert manifest.counts[SKIPPED] == (1 if format_ == "openai_batch" else 2)
    assert records[0].rationales or records[0].human


def test_pairs_by_position_can_not_be_skipped(tmp_path):
    request = Request("svamp", "train", tmp_path, bad_rows=BadRows(skip=True))
    read = functools.partial(import_rationales, "dss", request, tmp_path / "records")
    refused(read, tmp_path, "--skip_bad_records: questions and completions of dss pair by position")


@pytest.fixture
def damaged(tmp_path):
    """A folder of three files: one whole, one with a cut line, one that is gone."""
    records = [
        Record(f"q{n}", "Hot?", ("ice", "fire"), "fire", (Rationale(0, "It burns.", "fire", True),))
        for n in range(6)
    ]
    folder = tmp_path / "damaged"
    write_records(folder, Manifest("openbookqa", "train", "T", seed=3), records, shard_size=2)
    _, second, third = sorted(folder.glob("*.jsonl"))
    second.write_bytes(second.read_bytes()[:-20])
    third.unlink()
    return folder


def test_what_is_whole_of_a_damaged_folder_is_salvaged(tmp_path, request_of, damaged):
    request_of(damaged, "records", skip=True)()
    manifest, records = read_records(tmp_path / "records")
    assert [record.id for record in records] == ["q0", "q1", "q2"]
    assert (manifest.seed, manifest.teacher, manifest.counts["rationales"]) == (3, "T", 3)
    assert (manifest.counts[DAMAGED], manifest.counts[SKIPPED]) == (1, 2)
    told = (tmp_path / "records" / FILE).read_text()
    assert "not JSON" in told
    assert "is missing, with 2 records" in told


def test_a_damaged_folder_is_refused_by_default(tmp_path, request_of, damaged):
    refused(request_of(damaged, "records"), tmp_path, "does not match its checksum")


def test_a_folder_that_is_not_finished_is_taken_only_where_that_is_asked_for(
    tmp_path, request_of, damaged
):
    edit_json(damaged / "manifest.json", complete=False, shards=[])
    refused(request_of(damaged, "records"), tmp_path, "is incomplete; --skip_bad_records takes")


def test_lines_that_are_gone_are_told(tmp_path, request_of, damaged):
    second = sorted(damaged.glob("*.jsonl"))[1]
    second.write_bytes(second.read_bytes().split(b"\n")[0] + b"\n")
    request_of(damaged, "records", skip=True)()
    assert "holds 1 lines, manifest.json says 2" in (tmp_path / "records" / FILE).read_text()
