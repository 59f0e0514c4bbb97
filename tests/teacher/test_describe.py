"""Folders of records in one table."""

import json
import subprocess
import sys

import pytest

from cotjax.data.tokenizer import train_tokenizer
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, Source, write_records
from cotjax.teacher.describe import Length, describe

TERSE, LONG = {"level": 1}, {"level": 6}


def rationale(sample, text, answer, tags=None):
    return Rationale(sample, text, answer, answer == "b", tags=tags)


RECORDS = [
    Record(
        id="q0",
        question="a or b",
        choices=("a", "b"),
        label="b",
        rationales=(
            rationale(0, "b it is", "b", TERSE),
            rationale(1, "well a b a b", "a", LONG),
            rationale(2, "a", None, LONG),
        ),
    ),
    Record("q1", "b b", ("a", "b"), None, ()),
]


def write(folder, records=RECORDS, **counts):
    write_records(folder, Manifest("commonsense_qa", "train", "t", **counts), records)
    return folder


def test_what_its_writer_did_not_count_is_read(tmp_path):
    whole, terse, long = describe([write(tmp_path / "r")])
    assert (whole.folder, whole.part) == (str(tmp_path / "r"), None)
    assert (terse.part, long.part) == ("level=1", "level=6")
    counted = [(d.questions, d.rows, d.parsed, d.right, d.rationales) for d in (whole, terse, long)]
    assert counted == [(2, 3, 2, 1, 3), (1, 1, 1, 1, 1), (1, 2, 1, 0, 2)]
    assert whole.lengths == {
        "question": Length(2, 3 + 2 + 2 + 2, None),
        "label": Length(1, 1, None),
        "rationale": Length(3, 3 + 5 + 1, None),
    }
    assert whole.lengths["rationale"].mean == 3
    assert long.lengths == {"rationale": Length(2, 6, None)}


def test_files_are_parts_with_what_they_dropped(tmp_path):
    counts = {"rows": 4, "parsed": 3, "right": 2, "rationales": 3, "dropped: no answer phrase": 1}
    sources = (
        Source("answers.json", {"rows": 0, "labels": 9}),
        Source("level6.json", {"rows": 3, "dropped: no answer phrase": 1}, LONG),
    )
    folder = write(tmp_path / "r", counts=counts, sources=sources)
    whole, answers, level6 = describe([folder])
    assert (whole.rows, whole.parsed, whole.right, whole.rationales) == (4, 3, 2, 3)
    assert whole.dropped == level6.dropped == {"no answer phrase": 1}
    assert (answers.part, answers.rows, answers.rationales) == ("answers.json", 9, 0)
    assert (level6.rows, level6.rationales) == (3, 2)


def test_unknown_tokens_are_counted_by_field(tmp_path):
    tokenizer = train_tokenizer(["a b it is or"], vocab_size=60)
    tokenizer.save(tmp_path / "tokenizer")
    (tmp_path / "tokenizer" / "config.json").write_text('{"model_type": "t5"}')
    whole, terse, long = describe([write(tmp_path / "r")], str(tmp_path / "tokenizer"))
    assert (terse.lengths["rationale"].unknown, whole.lengths["question"].unknown) == (0, 0)
    assert long.lengths["rationale"].unknown > 0  # "well" has letters that it never saw


@pytest.mark.parametrize(
    ("folder", "tokenizer", "message"),
    [
        ("none", None, r"none: is not a folder of records"),
        ("r", "./none", r"none: no such folder"),
    ],
)
def test_what_is_missing_is_named(tmp_path, monkeypatch, folder, tokenizer, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "r")
    with pytest.raises(InputError, match=message):
        describe([tmp_path / folder], tokenizer)


def test_the_script_prints_a_table_and_writes_it(tmp_path, repository):
    one, other = write(tmp_path / "one"), write(tmp_path / "other", RECORDS[1:])
    command = [sys.executable, repository / "scripts" / "describe_records.py"]
    flags = [f"--records={one},{other}", f"--json={tmp_path / 'table.json'}"]
    done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert str(other) in done.stdout
    assert "words a rationale" in done.stdout
    rows = json.loads((tmp_path / "table.json").read_text())
    assert [(row["folder"], row.get("part"), row["rows"]) for row in rows] == [
        (str(one), None, 3),
        (str(one), "level=1", 1),
        (str(one), "level=6", 2),
        (str(other), None, 0),
    ]
