"""Weights in and out of the Hugging Face format, against transformers with torch."""

import fnmatch
import json
import math
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file

from cotjax.checkpoints import Checkpoints
from cotjax.errors import InputError
from cotjax.mesh import leaf_shardings, make_mesh
from cotjax.models import hf, hub
from cotjax.models.safetensors_files import SafetensorsFiles
from cotjax.models.t5 import LOGICAL_AXES, T5, T5Config

SIZES = {
    "vocab_size": 96,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "decoder_start_token_id": 0,
}
MODELS = ("tied", "untied", "titler")

# On a busy machine torch's threads wait for one another: a pass of 0.3 s took 10 s.
torch.set_num_threads(1)


def one_device():
    return make_mesh({"data": 1}, jax.devices()[:1])


def eight_devices():
    return make_mesh({"data": 1, "fsdp": 4, "tensor": 2})


def write_model(folder, *, tied):
    """A random T5 v1.0 (tied) or v1.1 (untied), as its authors' checkpoints are laid out."""
    torch.manual_seed(0)
    values = SIZES | {"feed_forward_proj": "relu" if tied else "gated-gelu"}
    model = transformers.T5ForConditionalGeneration(transformers.T5Config(**values))
    tensors = {}
    for name, tensor in model.state_dict().items():
        noise = 0.1 * torch.randn(tensor.shape)  # no two norms and no head may be alike
        if not name.endswith("embed_tokens.weight") and not (tied and name == "lm_head.weight"):
            tensors[name] = (tensor + noise).numpy()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    values |= {"model_type": "t5", "is_encoder_decoder": True, "tie_word_embeddings": tied}
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory, titler_folder):
    """The folder of each of MODELS."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "tied": write_model(folder / "tied", tied=True),
        "untied": write_model(folder / "untied", tied=False),
        "titler": titler_folder,
    }


@pytest.fixture
def tied_folder(folders, tmp_path):
    """A small folder that a test may spoil."""
    return shutil.copytree(folders["tied"], tmp_path / "model")


def reference(folder):
    """The folder in transformers, with a head of its own where the file holds one."""
    model = transformers.T5ForConditionalGeneration.from_pretrained(folder).eval()
    tensors = load_file(folder / "model.safetensors")
    assert torch.equal(model.shared.weight, torch.from_numpy(tensors["shared.weight"]))
    head = torch.from_numpy(tensors.get("lm_head.weight", tensors["shared.weight"]))
    assert torch.equal(model.lm_head.weight, head), "transformers tied what isn't tied"
    return model


def batch_of(vocab_size):
    """Two questions and answers of different lengths, right-padded with 0."""
    tokens = np.random.default_rng(0).integers(3, vocab_size, (2, 40)).astype(np.int32)
    inputs = np.random.default_rng(1).integers(3, vocab_size, (2, 9)).astype(np.int32)
    inputs[:, 0] = 0
    tokens[1, 25:] = 0
    inputs[1, 6:] = 0
    return tokens, np.array([40, 25]), inputs, np.array([9, 6])


def segments_of(lengths, width):
    return (np.arange(width) < lengths[:, None]).astype(np.int32)


def run_reference(model, tokens, token_lengths, inputs):
    with torch.no_grad():
        output = model(
            input_ids=torch.from_numpy(tokens),
            attention_mask=torch.from_numpy(segments_of(token_lengths, tokens.shape[1])),
            decoder_input_ids=torch.from_numpy(inputs),
        )
    return output.encoder_last_hidden_state.numpy(), output.logits.numpy()


def run(params, config, tokens, token_lengths, inputs, input_lengths):
    """(encoder states, logits) of cotjax."""
    batch = {
        "encoder_tokens": tokens,
        "encoder_segments": segments_of(token_lengths, tokens.shape[1]),
        "decoder_inputs": inputs,
        "decoder_segments": segments_of(input_lengths, inputs.shape[1]),
        "segment_source": np.ones((len(tokens), 1), np.int32),
    }

    @jax.jit
    def both(params, batch):
        tokens, segments = batch["encoder_tokens"], batch["encoder_segments"]
        encoded = T5(config).apply({"params": params}, tokens, segments, method="encode")
        return encoded, T5(config).apply({"params": params}, batch)

    return jax.device_get(both(params, batch))


def load(folder, mesh=None):
    """(parameters, config); the loop over layers compiles faster than the unrolled ones."""
    config = hf.read_config(folder, scan_layers=True)
    return hf.load_params(folder, config, mesh or one_device()), config


def assert_close(found, expected, lengths):
    """Equal to 2e-4 wherever there is no padding."""
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(found[row, :length], expected[row, :length], rtol=0, atol=2e-4)


class TestAgainstTransformers:
    """The same numbers as the PyTorch model."""

    @pytest.mark.parametrize("name", MODELS)
    def test_states_and_logits(self, folders, name):
        params, config = load(folders[name])
        tokens, token_lengths, inputs, input_lengths = batch_of(config.vocab_size)
        found = run(params, config, tokens, token_lengths, inputs, input_lengths)
        expected = run_reference(reference(folders[name]), tokens, token_lengths, inputs)
        assert_close(found[0], expected[0], token_lengths)
        assert_close(found[1], expected[1], input_lengths)

    def test_recorded_numbers_of_the_real_weights(self, titler_folder, shared):
        recorded = np.load(shared / "fixtures" / "titler_parity.npz")
        rows = [(recorded[f"input_ids{n}"][0], recorded[f"greedy{n}"][0]) for n in (0, 1)]
        token_lengths, input_lengths = np.array([[len(x) for x in row] for row in rows]).T
        tokens, inputs = (
            np.stack([np.pad(x, (0, 47 - len(x))) for x in column]).astype(np.int32)
            for column in zip(*rows, strict=True)
        )
        params, config = load(titler_folder)
        encoded, logits = run(params, config, tokens, token_lengths, inputs, input_lengths)
        for n, (length, steps) in enumerate(zip(token_lengths, input_lengths, strict=True)):
            row = logits[n, :steps]
            np.testing.assert_allclose(encoded[n, :length], recorded[f"enc{n}"][0], atol=2e-4)
            np.testing.assert_allclose(row[:4], recorded[f"logits{n}_first4"][0], atol=2e-4)
            np.testing.assert_allclose(row.max(-1), recorded[f"logits{n}_max"][0], atol=2e-4)
            sums = np.logaddexp.reduce(row.astype(np.float64), axis=-1)
            np.testing.assert_allclose(sums, recorded[f"logits{n}_lse"][0], atol=2e-4)
            np.testing.assert_array_equal(row.argmax(-1), recorded[f"logits{n}_argmax"][0])

    @pytest.mark.parametrize("name", ["tied", "untied"])
    def test_sharded_parameters_give_the_same(self, folders, name):
        params, config = load(folders[name], eight_devices())
        batch = batch_of(config.vocab_size)
        found = run(params, config, *batch)
        expected = run(*load(folders[name]), *batch)
        assert_close(found[1], expected[1], batch[3])


class TestConfig:
    """What config.json and the names of the tensors say."""

    def test_real_weights(self, titler_folder):
        config = hf.read_config(titler_folder, dtype="bfloat16")
        assert (config.gated, config.tied, config.scale_decoder_outputs) == (True, False, False)
        assert (config.num_heads, config.vocab_size, config.dtype) == (6, 32128, "bfloat16")

    def test_version_one(self, folders):
        config = hf.read_config(folders["tied"])
        assert (config.gated, config.tied, config.scale_decoder_outputs) == (False, True, True)
        assert (config.num_layers, config.num_decoder_layers) == (2, 3)

    def test_absent_and_null_fields_are_those_of_transformers(self, tied_folder):
        edit(tied_folder, num_decoder_layers=None, feed_forward_proj=None, tie_word_embeddings=None)
        config = hf.read_config(tied_folder)
        assert config.num_decoder_layers == 2
        assert (config.gated, config.scale_decoder_outputs) == (False, True)
        assert config.relative_attention_max_distance == 128

    def test_scale_decoder_outputs_outranks_tie_word_embeddings(self, tied_folder):
        edit(tied_folder, scale_decoder_outputs=False, tie_word_embeddings=True)
        assert not hf.read_config(tied_folder).scale_decoder_outputs

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ({"model_type": "bart"}, "model_type is 'bart', only 't5' is read"),
            ({"feed_forward_proj": "gated-silu"}, "feed_forward_proj is 'gated-silu'"),
            ({"d_model": None}, "d_model is missing"),
            ({"d_model": "512"}, "d_model is '512', not of type int"),
        ],
    )
    def test_configs_that_cannot_be_read(self, tied_folder, change, line):
        edit(tied_folder, **change)
        refuses(lambda: hf.read_config(tied_folder), f"config.json: {line}")

    def test_tokenizer(self):
        config = T5Config(**fields_of(SIZES), gated=True, tied=True, scale_decoder_outputs=True)
        hf.check_tokenizer(90, config)
        hf.check_tokenizer(96, config)
        refuses(lambda: hf.check_tokenizer(97, config), "97 ids, the checkpoint a vocab_size of 96")

    def test_special_tokens(self):
        config = T5Config(**fields_of(SIZES), gated=True, tied=True, scale_decoder_outputs=True)
        hf.check_special_tokens(1, 0, config)
        refuses(lambda: hf.check_special_tokens(2, 0, config), "EOS is 2 in the tokenizer, 1 in")
        refuses(lambda: hf.check_special_tokens(1, 3, config), "padding is 3 in the tokenizer, 0")


class TestLoading:
    """Files into shards."""

    @pytest.mark.parametrize("name", MODELS)
    def test_any_mesh_holds_the_same(self, folders, name):
        whole, _ = load(folders[name])
        sharded, _ = load(folders[name], eight_devices())
        jax.tree.map(np.testing.assert_array_equal, whole, sharded)
        expected = leaf_shardings(sharded, eight_devices(), LOGICAL_AXES)
        assert jax.tree.map(lambda leaf: leaf.sharding, sharded) == expected

    def test_each_device_reads_only_its_slice(self, titler_folder, monkeypatch):
        """Of a matrix that all eight devices share, nothing larger than an eighth is ever read."""
        reads = {}
        read = SafetensorsFiles.read

        def record(files, name, index):
            part = read(files, name, index)
            reads.setdefault(name, []).append(part.size / math.prod(files.shape(name)))
            return part

        monkeypatch.setattr(SafetensorsFiles, "read", record)
        load(titler_folder, eight_devices())
        assert len(reads) == 190
        assert reads["shared.weight"] == [1 / 8] * 8
        assert reads["encoder.block.7.layer.1.DenseReluDense.wo.weight"] == [1 / 8] * 8
        assert all(sum(parts) == 1 for parts in reads.values()), "something was read twice"

    def test_an_index_of_several_files(self, folders, tmp_path):
        tensors = sorted(load_file(folders["untied"] / "model.safetensors").items())
        files = {}
        for number, part in enumerate((tensors[::2], tensors[1::2]), start=1):
            name = f"model-0000{number}-of-00002.safetensors"
            save_file(dict(part), tmp_path / name)
            files |= dict.fromkeys(dict(part), name)
        shutil.copy(folders["untied"] / "config.json", tmp_path)
        index = tmp_path / "model.safetensors.index.json"
        index.write_text(json.dumps({"metadata": {}, "weight_map": files}))
        found, config = load(tmp_path, eight_devices())
        assert not config.tied
        jax.tree.map(np.testing.assert_array_equal, found, load(folders["untied"])[0])

        (tmp_path / "model-00002-of-00002.safetensors").unlink()
        refuses(lambda: load(tmp_path), "model-00002-of-00002.safetensors: truncated, missing")
        index.write_text(json.dumps({"metadata": {}}))
        refuses(lambda: load(tmp_path), "index.json: weight_map is missing")

    def test_half_precision_files_become_float32(self, tied_folder):
        path = tied_folder / "model.safetensors"
        tensors = {name: x.astype(jnp.bfloat16) for name, x in load_file(path).items()}
        save_file(tensors, path)
        params, _ = load(tied_folder)
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}
        embedding = tensors["shared.weight"].astype(np.float32)
        np.testing.assert_array_equal(params["shared"]["embedding"], embedding)

    def test_leftovers_of_old_checkpoints_are_skipped(self, tied_folder):
        path = tied_folder / "model.safetensors"
        unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
        tensors = load_file(path)
        save_file(tensors | {unused: np.ones((32, 4), np.float32)}, path)
        load(tied_folder)


class TestMistakes:
    """Folders that can't be read: one line each."""

    def test_no_config(self, tied_folder):
        (tied_folder / "config.json").unlink()
        refuses(lambda: load(tied_folder), "config.json: missing, this is no folder of a model")

    @pytest.mark.parametrize("content", [b"{", b"\xff\xfe{}", b"[]"])
    def test_no_json(self, tied_folder, content):
        (tied_folder / "config.json").write_bytes(content)
        refuses(lambda: load(tied_folder), r"config.json(:1)?: not")

    @pytest.mark.parametrize("kept", [0, 5, 100, 5000, -1])
    def test_a_truncated_file(self, tied_folder, kept):
        path = tied_folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:kept])
        refuses(
            lambda: load(tied_folder), "model.safetensors: truncated, missing or no safetensors"
        )

    def test_pickled_weights(self, tied_folder):
        (tied_folder / "model.safetensors").rename(tied_folder / "pytorch_model.bin")
        refuses(lambda: load(tied_folder), "pickled weights .* save_pretrained")

    def test_no_weights(self, tied_folder):
        (tied_folder / "model.safetensors").unlink()
        refuses(lambda: load(tied_folder), "holds no model.safetensors")

    def test_a_missing_tensor(self, tied_folder):
        path = tied_folder / "model.safetensors"
        tensors = load_file(path)
        del tensors["decoder.final_layer_norm.weight"]
        save_file(tensors, path)
        refuses(lambda: load(tied_folder), "tensor decoder.final_layer_norm.weight is missing")

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ({"d_ff": 48}, r"wi.weight has the shape \[64, 32\], its config says \[48, 32\]"),
            ({"num_layers": 3}, "tensor encoder.block.2.* is missing"),
            ({"num_decoder_layers": 2}, "holds decoder.block.2.*, for which its config has no"),
        ],
    )
    def test_a_config_of_another_model(self, tied_folder, change, line):
        edit(tied_folder, **change)
        refuses(lambda: load(tied_folder), line)


class TestExport:
    """What cotjax writes, transformers reads."""

    @pytest.mark.parametrize("name", MODELS)
    def test_the_same_model_in_transformers(self, folders, tmp_path, name):
        params, config = load(folders[name], eight_devices())
        tokenizer = folders[name] if name == "titler" else None
        hf.export(tmp_path / "out", params, config, tokenizer)
        original, exported = reference(folders[name]), reference(tmp_path / "out")
        tokens, token_lengths, inputs, _ = batch_of(config.vocab_size)
        expected = run_reference(original, tokens, token_lengths, inputs)
        found = run_reference(exported, tokens, token_lengths, inputs)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
        options = {
            "input_ids": torch.from_numpy(tokens[:1]),
            "max_new_tokens": 8,
            "do_sample": False,
            "use_cache": False,  # transformers' cache takes the decoder for as deep as the encoder
        }
        assert torch.equal(exported.generate(**options), original.generate(**options))
        assert hf.read_config(tmp_path / "out", scan_layers=True) == config

    @pytest.mark.parametrize(("tied", "scaled"), [(True, False), (False, True)])
    def test_unusual_heads(self, folders, tmp_path, tied, scaled):
        """Tied without the scale, and untied with it, as students trained from scratch may be."""
        source = shutil.copytree(folders["tied" if tied else "untied"], tmp_path / "source")
        edit(source, scale_decoder_outputs=scaled)
        params, config = load(source)
        hf.export(tmp_path / "out", params, config)
        tokens, token_lengths, inputs, input_lengths = batch_of(config.vocab_size)
        found = run(params, config, tokens, token_lengths, inputs, input_lengths)
        expected = run_reference(reference(tmp_path / "out"), tokens, token_lengths, inputs)
        assert_close(found[1], expected[1], input_lengths)

    def test_every_tensor_survives_orbax_bit_for_bit(self, titler_folder, tmp_path):
        params, config = load(titler_folder)
        checkpoints = Checkpoints(tmp_path / "checkpoints")
        checkpoints.save(1, params, {"count": jnp.ones(())}, {}, 0.5, wait=True)
        shardings = leaf_shardings(params, eight_devices(), LOGICAL_AXES)
        params_like = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            params,
            shardings,
        )
        restored = checkpoints.restore_params(1, params_like)
        checkpoints.close()
        hf.export(tmp_path / "out", restored, config, titler_folder)
        expected = load_file(titler_folder / "model.safetensors")
        found = load_file(tmp_path / "out" / "model.safetensors")
        assert len(expected) == 190
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert found[name].dtype == tensor.dtype
            assert found[name].tobytes() == tensor.tobytes(), name

    def test_the_tokenizer_comes_along(self, folders, titler_folder, tmp_path):
        hf.export(tmp_path / "out", *load(folders["tied"]), titler_folder)
        text = "Roger has 5 tennis balls."
        original, copy = (
            transformers.AutoTokenizer.from_pretrained(folder)(text).input_ids
            for folder in (titler_folder, tmp_path / "out")
        )
        assert copy == original

    def test_a_folder_in_use_is_left_alone(self, folders, tied_folder):
        before = {path: path.read_bytes() for path in tied_folder.iterdir()}
        refuses(lambda: hf.export(tied_folder, *load(folders["tied"])), "exists already")
        assert {path: path.read_bytes() for path in tied_folder.iterdir()} == before

    def test_a_failed_export_leaves_nothing(self, folders, tmp_path, monkeypatch):
        def fail(*_, **__):
            raise OSError("disk full")

        monkeypatch.setattr(hf, "save_file", fail)
        with pytest.raises(OSError, match="disk full"):
            hf.export(tmp_path / "out", *load(folders["tied"]))
        assert not list(tmp_path.iterdir())


class TestResolve:
    """Folders and Hub ids."""

    def test_a_folder(self, tmp_path):
        assert hf.resolve(str(tmp_path)) == tmp_path

    @pytest.fixture
    def snapshot(self, tied_folder, tmp_path, monkeypatch):
        """A cache in the Hub's layout stands for the Hub: what a second run without network sees.

        Its snapshot of owner/name holds a tied model.
        """
        model = tmp_path / "models--owner--name"
        snapshot = shutil.copytree(tied_folder, model / "snapshots" / ("0" * 40))
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text("0" * 40)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        return snapshot

    def test_a_model_of_the_hub(self, snapshot, tied_folder):
        assert hf.read_config(hf.resolve("owner/name")) == hf.read_config(tied_folder)

    def test_a_model_of_the_hub_without_safetensors(self, snapshot):
        (snapshot / "model.safetensors").unlink()
        refuses(lambda: hf.resolve("owner/name"), "owner/name: no safetensors .* save_pretrained")
        assert hf.resolve_tokenizer("owner/name") == snapshot

    @pytest.mark.parametrize("source", ["/missing/folder", "./missing", "a/b/c"])
    def test_a_missing_folder(self, source):
        refuses(lambda: hf.resolve(source), f"{source}: no such folder")

    @pytest.mark.parametrize("source", ["someone/nothing-of-this-name", "no such name"])
    def test_an_unknown_model(self, source):
        refuses(lambda: hf.resolve(source), f"{source}: neither a folder nor a model of the Hub")

    @pytest.mark.parametrize("name", ["pytorch_model.bin", "model.py", "flax_model.msgpack"])
    def test_pickles_and_code_are_never_fetched(self, name):
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in hub.MODEL_PATTERNS)

    def test_a_tokenizer_comes_without_weights(self, tmp_path, monkeypatch):
        asked = []

        def download(_, allow_patterns):
            asked.extend(allow_patterns)
            return tmp_path

        monkeypatch.setattr(hub, "snapshot_download", download)
        assert hf.resolve_tokenizer("owner/name") == tmp_path
        assert "tokenizer.json" in asked
        assert not any("safetensors" in pattern for pattern in asked)


def edit(folder, **changes):
    """Changes fields of config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def fields_of(values):
    return {name: values[name] for name in values if name in T5Config.__dataclass_fields__}


def refuses(function, line):
    """The function raises an InputError of one line that matches."""
    with pytest.raises(InputError, match=line) as error:
        function()
    assert "\n" not in str(error.value)
