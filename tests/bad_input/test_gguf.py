"""GGUF files whose header is whole, but whose values fit no model; headers: tests/models."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.models.gguf import GGUFFile
from tests.bad_input.refusing import refused
from tests.fuzz import seeds
from tests.fuzz.targets import gguf
from tests.models.gguf_files import make_model, write_model

BAD_VALUES = {
    "no architecture": {"general.architecture": "bert"},
    "layers without end": {"llama.block_count": 2**32 - 1},
    "no layers": {"llama.block_count": 0},
    "layers of text": {"llama.block_count": "2"},
    "no heads": {"llama.attention.head_count": 0},
    "no width": {"llama.embedding_length": None},
    "another width": {"llama.embedding_length": 65},
    "heads of another size": {"llama.attention.value_length": 16},
    "no context": {"llama.context_length": 0},
    "an infinite base": {"llama.rope.freq_base": float("inf")},
    "a base that is none": {"llama.rope.freq_base": float("nan")},
    "a negative base": {"llama.rope.freq_base": -1.0},
    "an unknown scaling": {"llama.rope.scaling.type": "magic"},
    "one part of several": {"split.count": 3},
}

NAMED = {  # where not by the key
    "no layers": "the tensor 'blk.0.",
    "another width": "token_embd.weight has the shape (320, 64), not (vocabulary, 65)",
    "one part of several": "llama-gguf-split",
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_a_bad_value_is_named(tmp_path, model, name):
    path = tmp_path / "model.gguf"
    (changed,) = BAD_VALUES[name]
    if changed == "general.architecture":
        path.write_bytes(write_model(path, model).read_bytes().replace(b"llama", b"bertt"))
    else:
        write_model(path, model, changes=BAD_VALUES[name])
    line = refused(lambda: GGUFFile(path).config, tmp_path, f"{path}: ")
    assert NAMED.get(name, changed.rpartition(".")[2]) in line


@pytest.fixture(scope="module")
def model():
    return make_model("llama", num_hidden_layers=1, intermediate_size=32)


TOKENS = [f"t{number}" for number in range(320)]
BAD_VOCABULARIES = {
    "an unknown kind": ({"tokenizer.ggml.model": "magic"}, "tokenizer.ggml.model 'magic'"),
    "an unknown split": ({"tokenizer.ggml.pre": "magic"}, "tokenizer.ggml.pre 'magic'"),
    "no tokens": ({"tokenizer.ggml.tokens": None}, "no tokenizer.ggml.tokens"),
    "tokens of numbers": ({"tokenizer.ggml.tokens": [1, 2]}, "not of type list"),
    "a token twice": ({"tokenizer.ggml.tokens": ["a", "a"]}, "holds 'a' twice"),
    "a token without end": ({"tokenizer.ggml.tokens": ["a" * 2**20]}, "too long"),
    "types of others": ({"tokenizer.ggml.token_type": [1, 2]}, "has 2 values for 320 tokens"),
    "merges of nothing": ({"tokenizer.ggml.merges": ["x y"]}, "don't fit"),
    "a merge of three": ({"tokenizer.ggml.merges": ["x y z"]}, "don't fit"),
    "an end beyond all": ({"tokenizer.ggml.eos_token_id": 320}, "eos_token_id is 320"),
    "scores that are missing": (
        {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": TOKENS},
        "no tokenizer.ggml.scores",
    ),
}


@pytest.mark.parametrize("name", BAD_VOCABULARIES)
def test_a_bad_vocabulary_is_named(tmp_path, model, name):
    changes, message = BAD_VOCABULARIES[name]
    path = write_model(tmp_path / "model.gguf", model, changes=changes)
    refused(lambda: GGUFFile(path).tokenizer(), tmp_path, f"{path}: ", message)


@pytest.fixture(scope="module")
def smallest(tmp_path_factory) -> bytes:
    """What the fuzzer starts from."""
    seeds.make_seeds(tmp_path_factory.mktemp("seeds"))
    return next(tmp_path_factory.getbasetemp().glob("seeds*/gguf/0")).read_bytes()


def test_what_the_fuzzer_starts_from_is_whole(tmp_path, smallest):
    path = tmp_path / "model.gguf"
    path.write_bytes(smallest)
    file = GGUFFile(path)
    assert file.config["hidden_size"] == 4
    assert file.tokenizer()("ab").input_ids == [1, 6, 5]
    assert {file.read(name).shape for name in file.names} == {(7, 4), (4, 4), (2, 4)}


@settings(max_examples=150)
@given(st.data())
def test_any_damage_is_refused_or_read(smallest, data):
    content = bytearray(smallest)
    for place in data.draw(st.lists(st.integers(0, len(smallest) - 1), min_size=1, max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    gguf(bytes(content))
