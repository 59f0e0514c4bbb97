"""Users' own questions: JSON lines, CSV and Parquet that are damaged, or strange and all right."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.errors import InputError
from cotjax.tasks import get_task
from cotjax.tasks.files import FORMATS, read_rows
from cotjax.tasks.rows import to_record
from cotjax.tasks.sources import load_questions
from tests.bad_input.refusing import attempt, refused

TASK = get_task("openbookqa", "letter")
ROW = {"question": "Hot?", "choices": ["ice", "fire"], "label": "ice"}
GOOD = json.dumps(ROW).encode() + b"\n"


def line(**changes) -> bytes:
    return json.dumps(ROW | changes).encode() + b"\n"


def csv(choices: str, label: str = "ice") -> bytes:
    quoted = choices.replace('"', '""')
    return f'question,choices,label\nHot?,"{quoted}",{label}\n'.encode()


def parquet(**columns) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


WHOLE = parquet(question=["Hot?"], choices=[["ice", "fire"]], label=["ice"])

BAD_FILES = {
    "a raw NUL": ("jsonl", GOOD + b'{"question": "a\0b"}\n', ":2: not JSON"),
    "gzip": ("jsonl", b"\x1f\x8b\x08" + bytes(20), ":1: not UTF-8 (byte 0x8b)"),
    "one long list": (
        "json",
        b"[" + GOOD.strip() + b"," + GOOD.strip() + b"]",
        "one JSON object a",
    ),
    "half a surrogate pair": ("jsonl", line(question="x").replace(b"x", b"\\ud800"), "surrogates"),
    "NaN as a label": ("jsonl", line(label=float("nan")), "NaN is not a JSON number"),
    "a field twice": (
        "jsonl",
        GOOD.replace(b'"label"', b'"label": "fire", "label"'),
        "stands twice",
    ),
    "an empty question": ("jsonl", line(question=" "), "field 'question' must hold text"),
    "a question of lists": ("jsonl", line(question=["Hot?"]), "field 'question' must hold text"),
    "choices of numbers": (
        "jsonl",
        line(choices=[1, 2]),
        "field 'choices' must be a list of texts",
    ),
    "choices in a text": ("jsonl", line(choices="ice"), "field 'choices' must be a list of texts"),
    "an empty choice": ("jsonl", line(choices=["", "ice"]), "one of its choices is empty"),
    "27 choices": (
        "jsonl",
        line(choices=[*map(str, range(26)), "ice"]),
        "27 choices, but only 26 letters",
    ),
    "a label of lists": ("jsonl", line(label=["ice"]), "field 'label' must hold a label"),
    "an id of lists": ("jsonl", line(id=[1]), "field 'id' must hold text"),
    "choices that are cut": ("csv", csv('["ice", "fi'), 'train.csv:2: \'["ice", "fi\' is no list'),
    "choices of half a surrogate pair": ("csv", csv('["ice", "\\ud800"]'), "train.csv:2: "),
    "choices nested without end": ("csv", csv("[" * 5_000), "train.csv:2: "),
    "choices of too many digits": ("csv", csv("[" + "9" * 5_000 + "]"), "train.csv:2: "),
    "a cell without end": ("csv", b'question,label\n"' + b"x" * 200_000, "train.csv:2: not CSV"),
    "an empty Parquet": ("parquet", parquet(question=pa.array([], pa.string())), "holds no rows"),
    "a Parquet without its end": ("parquet", WHOLE[:-8], "is not a whole Parquet file"),
    "a Parquet of numbers": (
        "parquet",
        parquet(question=[1.5], choices=[["a", "b"]], label=["a"]),
        "row 0: field 'question' must hold text, not 1.5",
    ),
    "a Parquet of bytes": (
        "parquet",
        parquet(question=[b"\xff"], choices=[["a", "b"]], label=["a"]),
        "row 0: field 'question' must hold text",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named(tmp_path, name):
    suffix, content, message = BAD_FILES[name]
    path = tmp_path / f"train.{suffix}"
    path.write_bytes(content)
    refused(lambda: load_questions(TASK, f"file:{path}", "train"), tmp_path, str(path), message)


def test_an_answer_of_too_many_digits_is_named(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(f"question,answer_index\nHot (A) ice (B) fire,{'9' * 5_000}\n")
    quarel = get_task("quarel", "letter")
    refused(lambda: load_questions(quarel, f"file:{path}", "train"), tmp_path, "'answer_index'")


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    for suffix in FORMATS:
        (tmp_path / f"train{suffix}").mkdir()
        path = tmp_path / f"train{suffix}"
        refused(lambda path=path: list(read_rows(path)), tmp_path, str(path))


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path, suffix):
    """Without its last line feed a file is whole; a cut CSV may end in a shorter cell."""
    whole = {"jsonl": GOOD, "csv": csv('["ice", "fire"]'), "parquet": WHOLE}[suffix]
    path = tmp_path / f"train.{suffix}"
    for length in range(0, len(whole) - 4, 5 if suffix == "parquet" else 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError) as caught:
            load_questions(TASK, f"file:{path}", "train")
        assert "\n" not in str(caught.value)


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_parquet_is_refused_or_read(tmp_path_factory, data):
    content = bytearray(WHOLE)
    for place in data.draw(st.lists(st.integers(0, len(WHOLE) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "train.parquet"
    path.write_bytes(content)
    rows, refusal = attempt(lambda: list(read_rows(path)))
    if rows is None:
        assert refusal.startswith(str(path))
    else:
        assert all(isinstance(row, dict) for _, row in rows)


UNUSUAL = {
    "right to left": "מה חם? \u202eabc",
    "combining marks": "e\u0301\u0335?",
    "an escaped NUL": "a\0b?",
    "separators": "a\u2028b\u2029c?",
    "emoji": "🔥 or 🧊?",
    "100,000 words": "hot " * 100_000,
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_text_is_read(tmp_path, name):
    text = UNUSUAL[name].strip()
    path = tmp_path / "train.jsonl"
    path.write_bytes(line(question=text, choices=[text, "b"], label=text))
    (question,) = load_questions(TASK, f"file:{path}", "train")
    assert (question.text, question.label) == (text, text)
    assert TASK.parse(TASK.format_label(question, text), question) == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
FIELDS = [
    "question", "choices", "label", "answer", "answerKey", "answer_index", "id", "facts", "premise",
    "hypothesis", "Body", "Question", "Equation", "Answer", "body", "formula", "options", "correct",
    "inputs", "targets", "multiple_choice_targets", "multiple_choice_scores", "question_stem",
]  # fmt: skip
TASKS = ["anli", "aqua", "arc", "asdiv", "coin_flip", "date_understanding", "gsm8k", "openbookqa",
         "quarel", "strategyqa", "svamp"]  # fmt: skip


@settings(max_examples=150)
@given(st.sampled_from(TASKS), st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8))
def test_any_row_is_a_record_or_an_input_error(task, row):
    record, refusal = attempt(lambda: to_record(task, row, number=0, split="train"))
    assert record or refusal
