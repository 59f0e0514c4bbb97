"""Hugging Face folders: weights, index and config that are cut, lie or lead elsewhere."""

import json
import pickle
import shutil
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from cotjax.mesh import make_mesh
from cotjax.models import hf
from cotjax.models.causal_fields import read_causal_config
from cotjax.models.safetensors_files import SafetensorsFiles
from cotjax.models.t5_config import T5Config
from tests.bad_input.refusing import attempt, edit_json, refused
from tests.fuzz.targets import safetensors

# A student of one layer; a config's fields are those of google/t5-v1_1-small.
CONFIG = {
    "model_type": "t5",
    "feed_forward_proj": "gated-gelu",
    "vocab_size": 8,
    "d_model": 4,
    "d_kv": 2,
    "d_ff": 6,
    "num_layers": 1,
    "num_decoder_layers": 1,
    "num_heads": 2,
    "tie_word_embeddings": False,
}
EMBEDDING = {"dtype": "F32", "shape": [8, 4], "data_offsets": [0, 128]}


def weights(header: bytes | dict, data: bytes = bytes(128), length: int | None = None) -> bytes:
    """A safetensors file of this header, which may lie about its length."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content) if length is None else length) + content + data


def embedding(**changes) -> bytes:
    return weights({"shared.weight": EMBEDDING | changes})


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(embedding())
    return folder


def load(folder):
    config = hf.read_config(folder)
    return hf.load_params(folder, config, make_mesh({"data": -1, "fsdp": 1, "tensor": 1}))


BAD_WEIGHTS = {
    "empty": b"",
    "a length alone": struct.pack("<Q", 100),
    "a header without end": weights(b"{}", length=2**63),
    "a header larger than any": weights(b"{}", length=2**27),
    "a header of lists": weights(b"[]"),
    "a header nested without end": weights(b"[" * 100_000),
    "a header not in UTF-8": weights(b'{"\xff": 1}'),
    "data that is cut": embedding()[:-1],
    "data that nobody owns": embedding() + bytes(4),
    "a shape of other bytes": embedding(shape=[8, 5]),
    "a shape beyond memory": embedding(shape=[2**40, 2**20], data_offsets=[0, 2**62]),
    "a shape that overflows": embedding(shape=[2**62, 4]),
    "a negative shape": embedding(shape=[-8, -4]),
    "a shape of halves": embedding(shape=[8.5, 4]),
    "offsets beyond the end": embedding(data_offsets=[128, 256]),
    "offsets backwards": embedding(data_offsets=[128, 0]),
    "an unknown type": embedding(dtype="F31"),
    "HTML, as a proxy answers": b"<!DOCTYPE html><html>429 Too Many Requests</html>",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n",
    "a pickle": pickle.dumps({"shared.weight": [0.0] * 32}),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_bad_weights_are_named(folder, name):
    (folder / "model.safetensors").write_bytes(BAD_WEIGHTS[name])
    refused(lambda: load(folder), folder.parent, f"{folder}/model.safetensors: ")


@pytest.mark.parametrize("kind", ["I32", "U32", "F8_E4M3", "F8_E5M2", "BOOL", "I8", "C64"])
def test_numbers_that_are_no_weights_are_refused(folder, kind):
    """Of a quantised model they would be read as if they were."""
    size = {"I32": 4, "U32": 4, "C64": 8}.get(kind, 1) * 32
    tensor = EMBEDDING | {"dtype": kind, "data_offsets": [0, size]}
    (folder / "model.safetensors").write_bytes(weights({"shared.weight": tensor}, bytes(size)))
    files, index = SafetensorsFiles(folder), (slice(None), slice(None))
    line = refused(lambda: files.read("shared.weight", index), folder.parent, f"the type {kind}")
    assert "model.safetensors: tensor shared.weight is" in line


def test_weights_cut_anywhere_are_named(folder):
    whole = embedding()
    for length in range(len(whole)):
        (folder / "model.safetensors").write_bytes(whole[:length])
        _, refusal = attempt(lambda: SafetensorsFiles(folder))
        assert refusal.startswith(f"{folder}/model.safetensors: ")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.bin", "training_args.bin"])
def test_pickles_are_never_opened(folder, name):
    class Trap:
        def __reduce__(self):
            return (folder.joinpath("sprung").touch, ())

    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Trap()))
    refused(lambda: load(folder), folder.parent, "can run code when read")


BAD_INDEXES = {
    "empty": b"",
    "cut": b'{"weight_map": {"shared.wei',
    "a list": b"[]",
    "no map": b"{}",
    "a map of lists": b'{"weight_map": []}',
    "a number for a file": b'{"weight_map": {"shared.weight": 5}}',
    "a file that is gone": b'{"weight_map": {"shared.weight": "gone.safetensors"}}',
    "a pickle for a file": b'{"weight_map": {"shared.weight": "model.bin"}}',
    "a tensor of another file": b'{"weight_map": {"lm_head.weight": "part.safetensors"}}',
    "a folder above": b'{"weight_map": {"shared.weight": "../secret.safetensors"}}',
    "a folder below": b'{"weight_map": {"shared.weight": "a/../../secret.safetensors"}}',
    "another system's folder": b'{"weight_map": {"shared.weight": "..\\\\secret.safetensors"}}',
    "the root": b'{"weight_map": {"shared.weight": "/etc/secret.safetensors"}}',
    "a NUL": b'{"weight_map": {"shared.weight": "a\\u0000.safetensors"}}',
}


@pytest.mark.parametrize("name", BAD_INDEXES)
def test_a_bad_index_is_named_and_leads_nowhere(folder, monkeypatch, name):
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    save_file({"shared.weight": np.ones((8, 4))}, folder.parent / "secret.safetensors")
    (folder / "model.safetensors.index.json").write_bytes(BAD_INDEXES[name])
    line = refused(lambda: load(folder), folder.parent, str(folder))
    assert "index" in line or "part.safetensors" in line or "gone.safetensors" in line


BAD_CONFIGS = {
    "another model": ({"model_type": "bert"}, "model_type is 'bert'"),
    "a type of lists": ({"model_type": ["t5"]}, "model_type is ['t5']"),
    "an unknown activation": ({"feed_forward_proj": "gated-silu"}, "feed_forward_proj"),
    "no width": ({"d_model": ...}, "d_model is missing"),
    "a width of text": ({"d_model": "4"}, "d_model is '4', not of type int"),
    "a width of halves": ({"d_model": 4.5}, "d_model is 4.5, not of type int"),
    "a true width": ({"d_model": True}, "d_model is True, not of type int"),
    "no width at all": ({"d_model": 0}, "d_model is 0, not above 0"),
    "a negative width": ({"d_ff": -6}, "d_ff is -6, not above 0"),
    "a width beyond memory": ({"d_ff": 10**15}, "d_ff is 1000000000000000, not"),
    "layers without end": ({"num_layers": 10**12}, "num_layers is 1000000000000, not that of"),
    "no layers": ({"num_decoder_layers": 0}, "num_decoder_layers is 0"),
    "no heads": ({"num_heads": 0}, "num_heads is 0"),
    "a vocabulary that disagrees": ({"vocab_size": 9}, "shape [8, 4], its config says [9, 4]"),
    "a width that disagrees": ({"d_model": 6}, "weight has the shape [4], its config says [6]"),
    "layers that are missing": ({"num_layers": 2}, "encoder.block.1"),
    "dropout of everything": ({"dropout_rate": 1.0}, "dropout_rate is 1.0, not a number"),
    "an epsilon of nothing": ({"layer_norm_epsilon": 0.0}, "layer_norm_epsilon is 0.0"),
    "an end that is no token": ({"eos_token_id": 8}, "eos_token_id is 8, not an id below"),
    "a start before all": ({"decoder_start_token_id": -1}, "decoder_start_token_id is -1"),
    "several ends": ({"eos_token_id": [1, 2]}, "eos_token_id is [1, 2], not of type int"),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder that can be read."""
    fields = {
        name: CONFIG[name] for name in CONFIG if not name.startswith(("model", "feed", "tie"))
    }
    config = T5Config(**fields, gated=True, tied=False, scale_decoder_outputs=False)
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), hf.abstract_params(config))
    folder = tmp_path_factory.mktemp("whole") / "model"
    hf.export(folder, params, config)
    assert load(folder)
    return folder


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_a_bad_config_is_named(whole, tmp_path, name):
    changes, message = BAD_CONFIGS[name]
    folder = shutil.copytree(whole, tmp_path / "model")
    edit_json(folder / "config.json", **changes)
    refused(lambda: load(folder), folder.parent, str(folder), message)


BAD_JSON = [
    b"",
    b"[]",
    b"\xff\xfe{}",
    b'{"model_type": "t5",',
    b'{"a": NaN}',
    b"[" * 100_000,
    b"\0",
]


@pytest.mark.parametrize("content", BAD_JSON)
def test_a_config_that_is_none_is_named(folder, content):
    (folder / "config.json").write_bytes(content)
    refused(lambda: load(folder), folder.parent, f"{folder}/config.json")


LLAMA = {
    "model_type": "llama",
    "vocab_size": 8,
    "hidden_size": 8,
    "intermediate_size": 6,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
BAD_DECODERS = {
    "a type of lists": {"model_type": ["llama"]},
    "layers without end": {"num_hidden_layers": 10**12},
    "a width beyond memory": {"intermediate_size": 10**15},
    "an infinite epsilon": {"rms_norm_eps": float("inf")},
    "an epsilon that is none": {"rms_norm_eps": float("nan")},
    "a base of nothing": {"rope_theta": 0.5},
    "an infinite base": {"rope_theta": float("inf")},
    "a scaling of lists": {"rope_scaling": {"rope_type": []}},
    "a scaling by nothing": {"rope_scaling": {"rope_type": "linear", "factor": 0}},
    "a scaling by a truth": {"rope_scaling": {"rope_type": "linear", "factor": True}},
    "a scaling by no number": {"rope_scaling": {"rope_type": "linear", "factor": float("nan")}},
    "a context of nothing": {
        "rope_scaling": {
            "rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 0,
        }
    },
    "bands that are one": {
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                         "high_freq_factor": 1.0}
    },
    "a scaling of a layer that is none": {"rope_parameters": {"full_attention": [1]}},
    "a window of text": {"model_type": "qwen2", "max_window_layers": "28"},
    "ends of text": {"eos_token_id": ["</s>"]},
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_DECODERS)
def test_a_bad_config_of_a_teacher_is_named(tmp_path, name):
    values = LLAMA | BAD_DECODERS[name]
    refused(lambda: read_causal_config(values, "c.json", has_head=False), tmp_path, "c.json: ")


def test_the_config_that_they_are_made_of_is_read():
    assert len(read_causal_config(LLAMA, "c.json", has_head=False).layers) == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=4,
)
FIELDS = [
    *LLAMA, "head_dim", "num_key_value_heads", "max_position_embeddings", "rms_norm_eps",
    "rope_theta", "rope_scaling", "rope_parameters", "sliding_window", "layer_types",
    "eos_token_id", "attention_bias", "hidden_act", "tie_word_embeddings", "max_window_layers",
    "text_config", "sliding_window_pattern", "query_pre_attn_scalar", "final_logit_softcapping",
]  # fmt: skip
MODELS = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "gemma3_text"]


@settings(max_examples=200)
@given(st.sampled_from(MODELS), st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3))
def test_any_config_is_read_or_refused(model_type, changes):
    values = LLAMA | {"model_type": model_type, "head_dim": 4} | changes
    read, refusal = attempt(lambda: read_causal_config(values, "c.json", has_head=False))
    if read is None:
        assert refusal.startswith("c.json: ")
    else:
        for layer in read.layers:
            assert np.isfinite(layer.rope.frequencies(read.head_dim)).all()


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.builds(weights, st.binary(max_size=80), st.binary(max_size=9)))
def test_any_bytes_are_weights_or_refused(content):
    """See the target: what is read is no larger than the file."""
    safetensors(content)
