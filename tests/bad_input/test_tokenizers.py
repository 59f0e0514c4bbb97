"""Tokenizer files that are damaged, strange or bring code along."""

import json

import pytest

from cotjax.data.tokenizer import train_tokenizer
from cotjax.models.hub import load_fast_tokenizer
from cotjax.models.teacher import load_tokenizer
from tests.bad_input.refusing import attempt, refused

MODEL, SETTINGS = "tokenizer.json", "tokenizer_config.json"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """What a small tokenizer consists of."""
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(["the man went to the bank"] * 3, 60).save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(folder, files, **changed):
    """A folder of these files, of which some are other bytes, other fields or gone (None)."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for name, content in changed.items():
        path = folder / {"model": MODEL, "settings": SETTINGS}[name]
        if content is None:
            path.unlink()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(json.dumps(json.loads(files[path.name]) | content))
    return folder


BAD_FILES = {
    "no file": {"model": None},
    "an empty file": {"model": b""},
    "an empty object": {"model": b"{}"},
    "a list": {"model": b"[]"},
    "a number": {"model": b"5"},
    "not UTF-8": {"model": b"\xff\xfe"},
    "NULs": {"model": b"\0" * 99},
    "brackets without end": {"model": b"[" * 100_000},
    "no version": {"model": {"version": 5}},
    "no model": {"model": {"model": None}},
    "a model of numbers": {"model": {"model": 5}},
    "an unknown model": {"model": {"model": {"type": "Magic", "vocab": {}}}},
    "a negative id": {"model": {"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}},
    "an id beyond 32 bits": {
        "model": {"model": {"type": "BPE", "vocab": {"a": 2**40}, "merges": []}}
    },
    "merges of nothing": {
        "model": {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["x", "y"]]}}
    },
    "added tokens of numbers": {"model": {"added_tokens": 5}},
    "a normalizer of numbers": {"model": {"normalizer": 5}},
    "an expression that is none": {
        "model": {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(("}, "behavior": "X"}}
    },
    "a decoder of numbers": {"model": {"decoder": 5}},
    "settings that are empty": {"settings": b""},
    "settings of lists": {"settings": b"[]"},
    "settings that are cut": {"settings": b'{"eos_tok'},
    "a class of numbers": {"settings": {"tokenizer_class": 5}},
    "an end of numbers": {"settings": {"eos_token": 5}},
    "a length of lists": {"settings": {"model_max_length": []}},
    "padding of lists": {"settings": {"pad_token": ["<pad>"]}},
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named(tmp_path, files, name):
    folder = write(tmp_path / "tokenizer", files, **BAD_FILES[name])
    said = f"{folder}: no tokenizer could be loaded ("
    refused(lambda: load_fast_tokenizer(folder), tmp_path, said)


@pytest.mark.parametrize("name", ["spiece.model", "tokenizer.model", "vocab.json"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 9, b"\x0a\xff\xff\xff\xff\x0f", b"{}"])
def test_a_bad_file_of_another_form_is_named(tmp_path, files, name, content):
    folder = write(tmp_path / "tokenizer", files, model=None)
    (folder / name).write_bytes(content)
    refused(lambda: load_fast_tokenizer(folder), tmp_path, f"{folder}: no tokenizer could be")


def test_a_file_cut_anywhere_is_named(tmp_path, files):
    folder = write(tmp_path / "tokenizer", files)
    for length in range(0, len(files[MODEL].rstrip()), 97):
        (folder / MODEL).write_bytes(files[MODEL][:length])
        _, refusal = attempt(lambda: load_fast_tokenizer(folder))
        assert refusal.startswith(f"{folder}: no tokenizer could be loaded (")


def test_code_that_comes_along_is_never_run_nor_asked_about(tmp_path, files, monkeypatch):
    """Left to itself, transformers asks at the terminal, and runs it on `y`."""
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    settings = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
    folder = write(tmp_path / "tokenizer", files, settings=settings)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\nclass Own: pass\n")
    refused(lambda: load_tokenizer(str(folder)), tmp_path, "custom code")
    assert not (tmp_path / "run").exists()
