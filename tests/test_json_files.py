"""JSON is read strictly, and an error names file, line and field."""

import dataclasses

import pytest

from cotjax.errors import InputError
from cotjax.json_files import build, read_json, read_json_lines, to_json
from tests.held import taken


@dataclasses.dataclass(frozen=True)
class Leaf:
    """Refuses a negative size."""

    size: float
    note: str | None = None

    def __post_init__(self):
        if self.size < 0:
            raise InputError("size must not be negative")


@dataclasses.dataclass(frozen=True)
class Tree:
    """Has a field of every kind."""

    name: str
    leaves: tuple[Leaf, ...]
    tags: dict[str, str | int | float] | None = None
    count: int | None = None
    alive: bool | None = None


def test_lines_are_read_one_by_one(tmp_path):
    line = b'{"text": "' + b"x" * 1000 + b'"}\n'
    (tmp_path / "long.jsonl").write_bytes(line * 2**16)
    read = []
    lines = read_json_lines(tmp_path / "long.jsonl")
    assert taken(lambda: read.append(sum(1 for _ in lines))) < 2**24
    assert read == [2**16]


def test_builds_nested_dataclasses_and_back():
    value = {"name": "oak", "leaves": [{"size": 2, "note": "n"}], "tags": {"a": 1, "b": "x"}}
    tree = build(Tree, value, "f:1")
    assert tree == Tree("oak", (Leaf(2.0, "n"),), {"a": 1, "b": "x"})
    assert to_json(tree) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"name": "oak", "leafs": []},
            "f:7: leafs is not a known field; did you mean 'leaves'?",
        ),
        (
            {"zzz": 1},
            "f:7: zzz is not a known field; known: name, leaves, tags, count, alive",
        ),
        ({"name": "oak"}, "f:7: leaves is missing"),
        ({"name": 3, "leaves": []}, "f:7: name must be text, not 3"),
        ({"name": "oak", "leaves": {}}, "f:7: leaves must be a list, not an object"),
        ({"name": "oak", "leaves": [[]]}, "f:7: leaves[0] must be an object, not a list"),
        ({"name": "oak", "leaves": [{}]}, "f:7: leaves[0].size is missing"),
        (
            {"name": "oak", "leaves": [{"size": "x"}]},
            'f:7: leaves[0].size must be a number, not "x"',
        ),
        (
            {"name": "oak", "leaves": [{"size": 10**400}]},
            "f:7: leaves[0].size must be a number, not [...]",
        ),
        (
            {"name": "oak", "leaves": [{"size": -1}]},
            "f:7: leaves[0].size must not be negative",
        ),
        (
            {"name": "oak", "leaves": [], "count": True},
            "f:7: count must be a whole number, not true",
        ),
        (
            {"name": "oak", "leaves": [], "alive": 1},
            "f:7: alive must be true or false, not 1",
        ),
        (
            {"name": "oak", "leaves": [], "tags": {"a": [1]}},
            "f:7: tags.a must be text or a whole number or a number, not a list",
        ),
        (["oak"], "f:7: the value must be an object, not a list"),
    ],
)
def test_names_the_field_that_is_wrong(value, message):
    with pytest.raises(InputError) as error:
        build(Tree, value, "f:7")
    assert str(error.value) == message


def test_lines_end_at_newlines_only(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "x\u2028y"}\n\n[1]', encoding="utf-8")
    assert list(read_json_lines(path)) == [(f"{path}:1", {"a": "x\u2028y"}), (f"{path}:3", [1])]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n', encoding="utf-8-sig")
    assert [value for _, value in read_json_lines(tmp_path / "a.jsonl")] == [{"a": 1}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": "\xff"}\n', ":2: not UTF-8 (byte 0xff); convert the file to UTF-8"),
        (b'{"a": 1}\n{"a": \n', ":2: not JSON (Expecting value); is it cut short?"),
        (b'{"a": NaN}\n', ":1: not valid JSON (NaN is not a JSON number)"),
        (b'"\\ud83d"\n', ":1: not valid JSON ("),
        (b"[" * 100_000, ":1: not valid JSON (nested more than 100 deep)"),
    ],
)
def test_bad_lines_are_named(tmp_path, content, message):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        list(read_json_lines(path))
    assert str(error.value).startswith(f"{path}{message}")


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(InputError, match=r"a\.json: cannot be read \(No such file"):
        read_json(path)
    path.write_bytes(b'["a",\n"b\xff"]')
    with pytest.raises(InputError, match=r"a\.json:2: not UTF-8"):
        read_json(path)
    path.write_text('["a",\n"b')
    with pytest.raises(InputError, match=r"a\.json:2: not JSON"):
        read_json(path)
    path.write_text('["\\ud83d\\ude00"]')
    assert read_json(path) == ["\U0001f600"]
