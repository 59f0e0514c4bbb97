"""Questions in people's own files: JSON lines, Parquet and CSV."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotjax.errors import InputError
from cotjax.tasks import get_task
from cotjax.tasks.sources import load_questions, load_records
from cotjax.tasks.splits import MissingSplitError
from tests.tasks.published import record

TASK = get_task("openbookqa", "letter")
ROWS = [
    {"id": "a", "question": "What is hot?", "choices": ["ice", "fire, or lava"], "label": "ice"},
    {"id": None, "question": "Line\nbreak: é?", "choices": ["no", 'a "quote"'], "label": "no"},
]
RECORDS = [
    record("a", "What is hot?", ("ice", "fire, or lava"), "ice"),
    record("train-1", "Line\nbreak: é?", ("no", 'a "quote"'), "no"),
]


def write_json_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))


def write_parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)


def write_csv(path, rows):
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"choices": json.dumps(row["choices"])} for row in rows)


WRITERS = {
    ".jsonl": write_json_lines,
    ".json": write_json_lines,
    ".parquet": write_parquet,
    ".csv": write_csv,
}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("place", ["mine{}", "", "{{split}}{}"])
def test_every_format_in_every_place(tmp_path, monkeypatch, suffix, place):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    name = f"mine{suffix}" if place == "mine{}" else f"train{suffix}"
    WRITERS[suffix](Path("data", name), ROWS)
    source = f"file:data/{place.format(suffix)}".rstrip("/")
    assert load_records(TASK, source, "train") == RECORDS
    with pytest.raises(MissingSplitError, match="split 'test'"):
        load_records(TASK, source, "test")


def test_one_file_is_the_split_of_its_name(tmp_path):
    write_json_lines(tmp_path / "test.jsonl", ROWS)
    questions = load_questions(TASK, f"file:{tmp_path}/test.jsonl", "test")
    assert [question.id for question in questions] == ["a", "test-1"]
    with pytest.raises(
        MissingSplitError, match="is one file, taken for split 'test'; for split 't"
    ):
        load_questions(TASK, f"file:{tmp_path}/test.jsonl", "train")


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_rows_may_have_the_fields_of_the_tasks_data_set(tmp_path, suffix):
    row = {
        "question_stem": "What is hot?",
        "choices": {"text": ["ice", "fire"], "label": ["A", "B"]},
        "answerKey": "B",
    }
    WRITERS[suffix](tmp_path / f"train{suffix}", [row])
    expected = [record("train-0", "What is hot?", ("ice", "fire"), "fire")]
    assert load_records(TASK, f"file:{tmp_path}", "train") == expected


def test_a_csv_of_numbers_is_read_as_text(tmp_path):
    (tmp_path / "train.csv").write_text("question,label,note\n1 + 1?,2,\n'[' or '('?,1.50,x\n")
    questions = load_questions(get_task("gsm8k", "number"), f"file:{tmp_path}", "train")
    assert [(q.text, q.label) for q in questions] == [("1 + 1?", "2"), ("'[' or '('?", "1.50")]


@pytest.mark.parametrize(
    ("label_format", "row", "message"),
    [
        (
            "number",
            '{"question": "1?", "label": "twelve"}',
            "train-1.: label 'twelve' is no number",
        ),
        ("equation", '{"question": "1?", "label": "1/0"}', "train-1.: label '1/0' is no number or"),
    ],
)
def test_a_label_that_has_no_value_is_told_where_it_stands(tmp_path, label_format, row, message):
    (tmp_path / "train.jsonl").write_text('{"question": "2 - 1?", "label": "2 - 1"}\n' + row)
    with pytest.raises(InputError, match=f"train.jsonl:2: question .{message}"):
        load_questions(get_task("svamp", label_format), f"file:{tmp_path}", "train")


GOOD = '{"question": "Hot?", "choices": ["ice", "fire"], "label": "ice"}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.jsonl", "", r"train.jsonl: holds no rows"),
        ("train.jsonl", "\n \n", r"train.jsonl: holds no rows"),
        ("train.csv", "question,label\n", "train.csv: holds no rows"),
        ("train.csv", "", "train.csv: holds no rows"),
        ("train.jsonl", GOOD + "{", "train.jsonl:2: not JSON .* cut short"),
        ("train.json", f"[{GOOD}]", "train.json:1: not JSON|must be an object; write one JSON"),
        ("train.json", "[1]", "train.json:1: must be an object; write one JSON object a line"),
        ("train.jsonl", GOOD.encode() + b'{"question": "\xe9"}', "train.jsonl:2: not UTF-8"),
        ("train.csv", b"question,label\n\xe9t\xe9,1\n", r"train.csv: not UTF-8 \(byte 0xe9\)"),
        ("train.parquet", b"PAR1", "train.parquet: is not a whole Parquet file"),
        ("train.parquet", "", "train.parquet: is not a whole Parquet file"),
        (
            "train.jsonl",
            GOOD + '{"question": "Hot?", "choices": ["ice", "fire"], "label": "Ice"}',
            "train.jsonl:2: the label 'Ice' is not among the choices",
        ),
        (
            "train.jsonl",
            '{"id": "a", "question": "Hot?", "choices": ["b"], "label": "b"}\n' * 2,
            "train.jsonl:2: id 'a' is already at .*train.jsonl:1",
        ),
        ("train.jsonl", '{"label": "b"}', "train.jsonl:1: field 'choices' is missing"),
        ("train.jsonl", '{"question": 1.5, "label": "b"}', "'question' must hold text, not 1.5"),
        ("train.csv", "question,choices,label\nHot?,ice|fire,ice\n", "train.csv:2: 'ice|fire' is"),
        ("train.csv", "question,label\na,b,c\n", "train.csv:2: must have 2 cells"),
        ("train.csv", "question,choices,label\na,b\n", "train.csv:2: must have 3 cells"),
        ("train.csv", 'question,label\n"a,b\n', "train.csv:2: not CSV"),
        ("train.csv", "question,question\na,b\n", "train.csv:1: column 'question' occurs twice"),
        (
            "train.jsonl",
            '{"question": "Hot?", "choices": ["ice", "fire"], "label": null}',
            "none of the 1 rows of split 'train' of openbookqa has a label",
        ),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError, match=message) as told:
        load_questions(TASK, f"file:{tmp_path}", "train")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("train.txt", r"train.txt: no format '.txt'; use .jsonl, .json, .parquet, .csv"),
        ("nowhere", "file:.*nowhere: there is no such file or folder"),
        ("{split}.json", r"has no split 'train' \(no file .*train.json\)"),
        (
            "empty",
            "has no split 'train' .none of train.jsonl, train.json, train.parquet, train.csv",
        ),
        ("both", "holds train.jsonl and train.csv; remove all but one"),
    ],
)
def test_a_wrong_place_is_told(tmp_path, place, message):
    (tmp_path / "train.txt").write_text("What is hot?")
    (tmp_path / "empty").mkdir()
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "train.jsonl").touch()
    (tmp_path / "both" / "train.csv").touch()
    with pytest.raises(InputError, match=message):
        load_questions(TASK, f"file:{tmp_path / place}", "train")
