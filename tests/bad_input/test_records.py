"""Records and their manifests: what is damaged or lies is named, what is only unusual is read."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.errors import InputError
from cotjax.json_files import build, dump_json, parse_json, read_json_lines, to_json
from cotjax.records import Manifest, Rationale, Record, read_manifest, read_records, write_records
from cotjax.teacher.describe import describe
from tests.bad_input.refusing import attempt, edit_json, refused, write_folder

RATIONALE = {"sample": 0, "text": "banks keep money", "answer": "bank", "correct": True}
RECORD = {
    "id": "q1",
    "question": "Where is money?",
    "choices": ["bank", "pond"],
    "label": "bank",
    "rationales": [RATIONALE],
}


def line(**changes) -> bytes:
    """A record's line with other fields; `...` drops one."""
    fields = {name: value for name, value in (RECORD | changes).items() if value is not ...}
    return json.dumps(fields).encode() + b"\n"


def rationale(**changes) -> bytes:
    """The same of its rationale."""
    fields = {name: value for name, value in (RATIONALE | changes).items() if value is not ...}
    return line(rationales=[fields])


BAD_LINES = {
    "no object": (b"[]\n", "the value must be an object, not a list"),
    "null": (b"null\n", "the value must be an object, not null"),
    "a number": (b"7\n", "the value must be an object, not 7"),
    "two values": (b"{} {}\n", "not JSON (Extra data)"),
    "single quotes": (b"{'id': 1}\n", "not JSON"),
    "a raw NUL": (b'{"id": "a\0b"}\n', "not JSON (Invalid control character"),
    "NULs, as a full disk leaves them": (b"\0" * 4096 + b"\n", "not JSON"),
    "not UTF-8": (line().replace(b"money", b"m\xffney"), "not UTF-8 (byte 0xff)"),
    "UTF-16": (line().decode().encode("utf-16"), "not UTF-8"),
    "Latin-1": (b'{"id": "caf\xe9"}\n', "not UTF-8 (byte 0xe9)"),
    "an overlong NUL": (b'{"id": "\xc0\x80"}\n', "not UTF-8 (byte 0xc0)"),
    "half a surrogate pair": (line().replace(b"money", b"\\ud83d"), "surrogates not allowed"),
    "the other half": (line().replace(b"money", b"\\uDE00"), "surrogates not allowed"),
    "NaN": (rationale(logprob=float("nan")), "NaN is not a JSON number"),
    "infinity": (rationale(logprob=float("-inf")), "-Infinity is not a JSON number"),
    "more than a double": (
        line().replace(b'"sample": 0', b'"sample": 1e999'),
        "1e999 is too large",
    ),
    "more digits than any": (line().replace(b'"sample": 0', b'"sample": ' + b"9" * 9999), "digits"),
    "a field twice": (
        line().replace(b'{"id"', b'{"id": "q0", "id"'),
        "the field 'id' stands twice",
    ),
    "brackets without end": (b"[" * 1_000_000 + b"\n", "nested more than 100 deep"),
    "objects in objects": (b'{"a":' * 200 + b"1" + b"}" * 200 + b"\n", "nested more than 100 deep"),
    "a number as id": (line(id=1), "id must be text, not 1"),
    "no id": (line(id=...), "id is missing"),
    "no question": (line(question=...), "question is missing"),
    "a question of nothing": (line(question=None), "question must be text, not null"),
    "no rationales": (line(rationales=...), "rationales is missing"),
    "a rationale of text": (line(rationales=["t"]), "rationales[0] must be an object"),
    "an unknown field": (line(lable="bank"), "lable is not a known field; did you mean 'label'?"),
    "choices in a text": (line(choices="bank"), 'choices must be a list, not "bank"'),
    "a choice of nothing": (line(choices=["bank", None]), "choices[1] must be text, not null"),
    "a label that is no choice": (line(label="sea"), "label 'sea' is not among the choices"),
    "tags of lists": (line(tags={"level": [1]}), "tags.level must be"),
    "an empty rationale": (rationale(text=""), "rationales[0].text is empty"),
    "a blank rationale": (rationale(text=" \t\u2003\n"), "rationales[0].text is empty"),
    "text of a number": (rationale(text=5), "rationales[0].text must be text, not 5"),
    "no sample": (rationale(sample=...), "rationales[0].sample is missing"),
    "half a sample": (rationale(sample=0.5), "rationales[0].sample must be a whole number"),
    "a true sample": (rationale(sample=True), "rationales[0].sample must be a whole number"),
    "a yes": (rationale(correct="yes"), "rationales[0].correct must be true or false"),
    "a log-probability of text": (
        rationale(logprob="-1"),
        "rationales[0].logprob must be a number",
    ),
    "the same sample twice": (line(rationales=[RATIONALE] * 2), "rationales must differ in sample"),
    "a key word too far": (rationale(key_words=[3]), "key_words names word 3 of a text of 3 words"),
    "a key word twice": (rationale(key_words=[1, 1]), "key_words names a word twice"),
    "people's silence": (line(human={"abstractive": " "}), "human.abstractive is empty"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_named(tmp_path, name):
    content, message = BAD_LINES[name]
    folder = write_folder(tmp_path / "records", line(id="q0") + content)
    path = folder / "records-00000-00000.jsonl"
    refused(lambda: read_records(folder), tmp_path, f"{path}:2: ", message)


def test_an_id_that_occurs_twice_is_named_with_both_places(tmp_path):
    folder = write_folder(tmp_path / "records", line(), line())
    first, second = (folder / f"records-00000-0000{number}.jsonl:1" for number in (0, 1))
    refused(lambda: read_records(folder), tmp_path, f"{second}: id 'q1' is already at {first}")


BAD_MANIFESTS = {
    "a list": ({}, b"[]", "the value must be an object"),
    "empty": ({}, b"", "manifest.json:1: not JSON"),
    "no task": ({"task": ...}, None, "task is missing"),
    "no teacher": ({"teacher": ...}, None, "teacher is missing"),
    "an unknown field": ({"tsk": "x"}, None, "tsk is not a known field; did you mean 'task'?"),
    "a text for a truth": ({"complete": "yes"}, None, "complete must be true or false"),
    "shards of text": ({"shards": "all"}, None, 'shards must be a list, not "all"'),
    "a shard of text": ({"shards": ["a.jsonl"]}, None, "shards[0] must be an object"),
    "a shard of no file": (
        {"shards": [{"name": "b.jsonl", "records": 1, "sha256": "0"}]},
        None,
        "b.jsonl: is missing, but manifest.json lists it",
    ),
    "a seed of text": ({"seed": "0"}, None, 'seed must be a whole number or null, not "0"'),
    "counts of text": ({"counts": {"rows": "5"}}, None, "counts.rows must be a whole number"),
    **{
        f"a shard called {name!r}": (
            {"shards": [{"name": name, "records": 1, "sha256": "0" * 64}]},
            None,
            "is no name of a file in the folder",
        )
        for name in ("../secret.jsonl", "/etc/passwd", "a/b.jsonl", "..\\b.jsonl", "", "..", "a\0b")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_MANIFESTS)
def test_a_bad_manifest_is_named(tmp_path, name):
    fields, content, message = BAD_MANIFESTS[name]
    (tmp_path / "secret.jsonl").write_bytes(line())
    folder = write_folder(tmp_path / "records", line(), **fields)
    if content is not None:
        (folder / "manifest.json").write_bytes(content)
    refused(lambda: read_records(folder), tmp_path, str(folder), message.replace(" or null", ""))


def test_a_count_that_lies_is_told(tmp_path):
    folder = write_folder(tmp_path / "records", line() + line(id="q2"))
    shards = json.loads((folder / "manifest.json").read_text())["shards"]
    edit_json(folder / "manifest.json", shards=[shards[0] | {"records": 3}])
    refused(lambda: read_records(folder), tmp_path, "holds 2 records, manifest.json says 3")


BAD_FOLDERS = {
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "has no manifest.json"),
    "a manifest that is a folder": (
        lambda folder: [(folder / "manifest.json").unlink(), (folder / "manifest.json").mkdir()],
        "has no manifest.json",
    ),
    "no file": (lambda folder: next(folder.glob("*.jsonl")).unlink(), "is missing"),
    "no checksum": (lambda folder: next(folder.glob("*.sha256")).unlink(), "has no readable"),
    "an empty checksum": (
        lambda folder: next(folder.glob("*.sha256")).write_bytes(b""),
        "has no readable",
    ),
    "a checksum of bytes": (
        lambda folder: next(folder.glob("*.sha256")).write_bytes(b"\xff"),
        "has no readable",
    ),
    "an empty file": (lambda folder: next(folder.glob("*.jsonl")).write_bytes(b""), "checksum"),
    "a bit that flipped": (
        lambda folder: next(folder.glob("*.jsonl")).write_bytes(line().replace(b"k", b"j", 1)),
        "does not match its checksum",
    ),
    "unfinished": (
        lambda folder: edit_json(folder / "manifest.json", complete=False),
        "is incomplete; finish the run that writes it",
    ),
}


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_a_damaged_folder_is_named(tmp_path, name):
    damage, message = BAD_FOLDERS[name]
    folder = write_folder(tmp_path / "records", line())
    damage(folder)
    refused(lambda: read_records(folder), tmp_path, str(folder), message)
    refused(lambda: describe([folder]), tmp_path, str(folder), message)


def test_a_line_cut_anywhere_is_named(tmp_path):
    whole = line(tags={"level": 1}, human={"abstractive": "people’s"}).rstrip(b"\n")
    path = tmp_path / "records.jsonl"
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError) as caught:
            list(read_json_lines(path))
        assert str(caught.value).startswith(f"{path}:1: not")


def test_a_manifest_cut_anywhere_is_named(tmp_path):
    folder = write_folder(tmp_path / "records", line())
    path = folder / "manifest.json"
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError) as caught:
            read_manifest(folder)
        assert str(caught.value).startswith(f"{path}:")


UNUSUAL = {
    "right to left": "הבנק שומר כסף \u202eabc\u202c",
    "combining marks": "e\u0301" * 50 + "Z" + "\u0335\u0321" * 200,
    "emoji": "👩‍👩‍👧‍👦 🏦 \U0001f1e9\U0001f1ea",
    "a NUL that is escaped": "a\0b",
    "control characters": "".join(map(chr, range(1, 32))) + "x\x7f\x85",
    "line ends of all kinds": "a\rb\u2028c\u2029d\x0be\x0cf",
    "beyond the basic plane": "𝔹anks 𠜎 \U0010fffd",
    "a mark of byte order": "\ufeffbanks",
    "no characters": "\ufffe\uffff banks",
    "one letter": "x",
    "100,000 words": "word " * 100_000,
    "one word of 600,000 letters": "x" * 600_000,
    "markup": "<script>alert(1)</script> &amp; {{x}} {% y %}",
    "JSON": '{"id": "q9"}\\n\\ud83d',
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_text_comes_back_as_it_was(tmp_path, name):
    text = UNUSUAL[name]
    record = Record(text, text, (text, "b"), text, (Rationale(0, text, text, True),))
    write_records(tmp_path / "records", Manifest("commonsense_qa", "train", text), [record])
    manifest, records = read_records(tmp_path / "records")
    assert records == [record]
    assert manifest.teacher == text
    (whole,) = describe([tmp_path / "records"])
    assert whole.rationales == 1


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.data())
def test_any_value_in_any_place_is_a_record_or_an_input_error(data):
    """And what is a record, comes back as it was."""
    changed = json.loads(json.dumps(RECORD))
    inner = data.draw(st.sampled_from([changed, changed["rationales"][0]]))
    names = [*inner, "human", "tags", "logprob", "key_words", "zzz"]
    inner[data.draw(st.sampled_from(names))] = data.draw(JSON_VALUES)
    record, refusal = attempt(lambda: build(Record, changed, "f:1"))
    if record is None:
        assert refusal.startswith("f:1: ")
    else:
        assert build(Record, parse_json(dump_json(to_json(record))), "f:1") == record


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0dD89tfn1eE+-. ', max_size=60))
def test_any_text_is_json_or_a_value_error(text):
    """What is read, Python's own reader reads as well, and it can be written again."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    try:
        value = parse_json(text)
    except ValueError:
        return
    assert value == json.loads(text)
    assert parse_json(dump_json(value)) == value
