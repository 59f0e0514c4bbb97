"""Records come back as they were written, and nothing damaged is read."""

import dataclasses
import hashlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.errors import InputError
from cotjax.records import (
    Manifest,
    Rationale,
    Record,
    fingerprint,
    read_records,
    write_manifest,
    write_records,
    write_shard,
)

MANIFEST = Manifest(task="commonsense_qa", split="train", teacher="PaLM-540B")


def make_record(identifier: str = "q1", text: str = "banks keep money") -> Record:
    rationale = Rationale(sample=0, text=text, answer="bank", correct=True)
    return Record(identifier, "Where is money?", ("bank", "pond"), "bank", (rationale,))


TEXT = st.text(max_size=30)  # every character that UTF-8 can hold, U+2028 and controls too
TAGS = st.none() | st.dictionaries(
    TEXT, TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False), max_size=3
)


@st.composite
def rationales(draw, sample: int) -> Rationale:
    text = draw(TEXT.filter(str.strip))
    words = st.integers(0, len(text.split()) - 1)
    return Rationale(
        sample=sample,
        text=text,
        answer=draw(st.none() | TEXT),
        correct=draw(st.none() | st.booleans()),
        logprob=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        mean_logprob=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        num_tokens=draw(st.none() | st.integers()),
        finish_reason=draw(st.none() | TEXT),
        key_words=draw(st.none() | st.lists(words, unique=True).map(tuple)),
        tags=draw(TAGS),
    )


@st.composite
def record_lists(draw) -> list[Record]:
    records = []
    for identifier in draw(st.lists(TEXT, unique=True, max_size=5)):
        choices = tuple(draw(st.lists(TEXT, max_size=4)))
        label = draw(st.none() | (st.sampled_from(choices) if choices else TEXT))
        samples = tuple(draw(rationales(sample)) for sample in range(draw(st.integers(0, 3))))
        human = draw(st.none() | st.dictionaries(TEXT, TEXT.filter(str.strip), max_size=2))
        records.append(Record(identifier, draw(TEXT), choices, label, samples, human, draw(TAGS)))
    return records


@settings(max_examples=50, deadline=None)
@given(record_lists(), st.integers(1, 3))
def test_records_come_back_as_they_were_written(records, shard_size):
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "records"
        written = write_records(target, MANIFEST, records, shard_size)
        assert read_records(target) == (written, records)
        assert sum(shard.records for shard in written.shards) == len(records)


def test_folder_is_what_the_design_says(tmp_path):
    records = [make_record(f"q{number}") for number in range(3)]
    folder = tmp_path / "deep" / "records"
    write_records(folder, MANIFEST, records, shard_size=2)
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "records-00000-00000.jsonl",
        "records-00000-00000.jsonl.sha256",
        "records-00000-00001.jsonl",
        "records-00000-00001.jsonl.sha256",
    ]
    content = (folder / "records-00000-00001.jsonl").read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert manifest["shards"][1] == {
        "name": "records-00000-00001.jsonl",
        "records": 1,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert json.loads(content) == {
        "id": "q2",
        "question": "Where is money?",
        "choices": ["bank", "pond"],
        "label": "bank",
        "rationales": [
            {"sample": 0, "text": "banks keep money", "answer": "bank", "correct": True}
        ],
    }
    assert list(folder.parent.iterdir()) == [folder]  # nothing temporary is left


def test_a_rationale_of_2048_tokens_can_be_stored(tmp_path):
    record = make_record(text="word " * 2_048)
    write_records(tmp_path / "records", MANIFEST, [record])
    assert read_records(tmp_path / "records")[1] == [record]


def test_a_question_without_a_rationale_can_be_stored(tmp_path):
    record = dataclasses.replace(make_record(), rationales=())
    write_records(tmp_path / "records", MANIFEST, [record])
    assert read_records(tmp_path / "records")[1] == [record]


def test_writing_the_same_again_changes_nothing(tmp_path):
    folder = tmp_path / "records"
    write_records(folder, MANIFEST, [make_record()])
    before = folder.stat().st_mtime_ns, (folder / "manifest.json").stat().st_mtime_ns
    write_records(folder, dataclasses.replace(MANIFEST, version="9.9"), [make_record()])
    assert before == (folder.stat().st_mtime_ns, (folder / "manifest.json").stat().st_mtime_ns)


@pytest.mark.parametrize("what", ["records", "manifest", "damaged", "stranger", "file"])
def test_anything_else_is_never_overwritten(tmp_path, what):
    folder = tmp_path / "records"
    if what == "file":
        folder.write_text("mine")
    elif what == "stranger":
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    else:
        write_records(folder, MANIFEST, [make_record()])
    if what == "damaged":
        (folder / "records-00000-00000.jsonl").write_text("")
    manifest = dataclasses.replace(MANIFEST, split="test") if what == "manifest" else MANIFEST
    records = [make_record("other")] if what == "records" else [make_record()]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"remove it|cannot be written \(Not a directory\)"):
        write_records(folder, manifest, records)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_filled(tmp_path):
    write_records(tmp_path, MANIFEST, [make_record()])
    assert len(read_records(tmp_path)[1]) == 1


def test_nothing_is_written_when_the_records_fail(tmp_path):
    def failing():
        yield make_record()
        raise InputError("line 2 is bad")

    with pytest.raises(InputError, match="line 2 is bad"):
        write_records(tmp_path / "records", MANIFEST, failing())
    with pytest.raises(InputError, match="id 'q1' occurs twice"):
        write_records(tmp_path / "records", MANIFEST, [make_record(), make_record()])
    assert list(tmp_path.iterdir()) == []


def test_an_incomplete_folder_is_read_only_if_allowed(tmp_path):
    write_manifest(tmp_path, MANIFEST)
    write_shard(tmp_path, 0, 0, [make_record("a")])
    write_shard(tmp_path, 1, 0, [make_record("b")])
    write_shard(tmp_path, 1, 1, [make_record("c")])
    (tmp_path / "records-00001-00001.jsonl.sha256").unlink()  # as when it is still being written
    with pytest.raises(InputError, match="is incomplete"):
        read_records(tmp_path)
    _, records = read_records(tmp_path, allow_incomplete=True)
    assert [record.id for record in records] == ["a", "b"]


def test_fingerprint_follows_the_records_alone(tmp_path):
    write_records(tmp_path / "one", MANIFEST, [make_record("a"), make_record("b")])
    write_records(
        tmp_path / "two",
        dataclasses.replace(MANIFEST, split="test"),
        [make_record("a"), make_record("b")],
    )
    write_records(tmp_path / "three", MANIFEST, [make_record("b"), make_record("a")])
    one, two, three = (fingerprint(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two != three
    assert len(one) == 64


def _damage(folder: Path, name: str) -> None:
    shard = folder / "records-00000-00000.jsonl"
    checksum = folder / "records-00000-00000.jsonl.sha256"
    match name:
        case "no folder":
            folder.rename(folder.with_name("gone"))
        case "no manifest":
            (folder / "manifest.json").unlink()
        case "bad manifest":
            (folder / "manifest.json").write_text('{"task": "x", "splt": "train"}')
        case "cut shard":
            shard.write_bytes(shard.read_bytes()[:-20])
        case "shard of other bytes, checksum mended":
            shard.write_bytes(b"{}\n")
            digest = hashlib.sha256(b"{}\n").hexdigest()
            checksum.write_text(f"{digest}  {shard.name}\n")
        case "no shard":
            shard.unlink()
        case "no checksum":
            checksum.unlink()
        case "empty checksum":
            checksum.write_text("")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no folder", r"records: is not a folder of records"),
        ("no manifest", r"records: is not a folder of records \(it has no manifest.json\)"),
        ("bad manifest", r"manifest.json: splt is not a known field; did you mean 'split'\?"),
        ("cut shard", r"00000.jsonl: does not match its checksum"),
        ("shard of other bytes, checksum mended", r"00000.jsonl: does not match its checksum"),
        ("no shard", r"00000.jsonl: is missing, but manifest.json lists it"),
        ("no checksum", r"00000.jsonl: has no readable records-00000-00000.jsonl.sha256"),
        ("empty checksum", r"00000.jsonl: has no readable records-00000-00000.jsonl.sha256"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    folder = tmp_path / "records"
    write_records(folder, MANIFEST, [make_record()])
    _damage(folder, damage)
    with pytest.raises(InputError, match=message):
        read_records(folder)


def _write_lines(folder: Path, *lines: bytes) -> None:
    """Writes a folder whose checksums are right and whose lines are these."""
    content = b"".join(line + b"\n" for line in lines)
    shard = write_shard(folder, 0, 0, [])
    digest = hashlib.sha256(content).hexdigest()
    (folder / shard.name).write_bytes(content)
    (folder / f"{shard.name}.sha256").write_text(f"{digest}  {shard.name}\n")
    shard = dataclasses.replace(shard, records=len(lines), sha256=digest)
    write_manifest(folder, dataclasses.replace(MANIFEST, complete=True, shards=(shard,)))


GOOD = {"id": "a", "question": "q", "choices": ["x", "y"], "label": "x", "rationales": []}
SAMPLE = {"sample": 0, "text": "one two", "answer": None, "correct": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lable": "x"}, r":2: lable is not a known field; did you mean 'label'\?"),
        ({"label": "z"}, r":2: label 'z' is not among the choices \['x', 'y'\]"),
        ({"id": "a"}, r":2: id 'a' is already at .*:1"),
        ({"choices": "xy"}, r':2: choices must be a list, not "xy"'),
        ({"rationales": [SAMPLE | {"text": " "}]}, r":2: rationales\[0\].text is empty"),
        ({"human": {"solution": " "}}, r":2: human.solution is empty; leave out what nobody"),
        (
            {"rationales": [SAMPLE | {"txt": "r"}]},
            r":2: rationales\[0\].txt is not a known field; did you mean 'text'\?",
        ),
        (
            {"rationales": [SAMPLE | {"key_words": [2]}]},
            r":2: rationales\[0\].key_words names word 2 of a text of 2 words",
        ),
        (
            {"rationales": [SAMPLE | {"key_words": [1, 1]}]},
            r":2: rationales\[0\].key_words names a word twice",
        ),
        (
            {"rationales": [SAMPLE, SAMPLE]},
            r":2: rationales must differ in sample, not \[0, 0\]",
        ),
    ],
)
def test_a_bad_record_is_named(tmp_path, change, message):
    lines = [GOOD, GOOD | {"id": "b"} | change]
    _write_lines(tmp_path, *(json.dumps(line).encode() for line in lines))
    with pytest.raises(InputError, match=f"records-00000-00000.jsonl{message}"):
        read_records(tmp_path)


def test_a_missing_field_and_bad_bytes_are_named(tmp_path):
    without = {key: value for key, value in GOOD.items() if key != "rationales"}
    _write_lines(tmp_path, json.dumps(without).encode())
    with pytest.raises(InputError, match=r"jsonl:1: rationales is missing"):
        read_records(tmp_path)
    _write_lines(tmp_path, json.dumps(GOOD).encode(), b'{"id": "\xe9"}')
    with pytest.raises(InputError, match=r"jsonl:2: not UTF-8"):
        read_records(tmp_path)


@pytest.mark.parametrize("name", ["logprob", "mean_logprob"])
def test_a_logprob_is_finite(name):
    with pytest.raises(InputError, match=f"^{name} must be finite, not nan"):
        Rationale(sample=0, text="r", answer=None, correct=None, **{name: float("nan")})
