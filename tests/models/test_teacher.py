"""Teachers from folders and GGUF files."""

import json
import math
import shutil

import jax
import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file

from cotjax.data.tokenizer import train_tokenizer
from cotjax.errors import InputError
from cotjax.mesh import leaf_shardings, make_mesh
from cotjax.models import causal, teacher
from cotjax.models.causal_layout import LOGICAL_AXES
from cotjax.models.gguf import GGUFFile
from cotjax.models.safetensors_files import SafetensorsFiles
from tests.models.causal_reference import left_padded, load, make_reference, one_device
from tests.models.gguf_files import make_model, smollm2, write_model

torch.set_num_threads(1)

TEXT = "Roger has five tennis balls and buys two cans"


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders with weights, config and tokenizer: tied, untied (gemma3) and in several files."""
    root = tmp_path_factory.mktemp("teachers")
    make_reference("qwen2", root / "tied")
    make_reference("llama", root / "untied")
    make_reference("llama", root / "sharded", max_shard_size="40KB")
    make_reference("gemma3", root / "gemma3")
    for folder in root.iterdir():
        train_tokenizer([TEXT], vocab_size=60).save(folder)
    return {folder.name: folder for folder in root.iterdir()}


@pytest.fixture
def folder(folders, tmp_path):
    """An untied model that a test may spoil."""
    return shutil.copytree(folders["untied"], tmp_path / "model")


@pytest.fixture
def sharded(folders, tmp_path):
    """The same in several files."""
    return shutil.copytree(folders["sharded"], tmp_path / "sharded")


def eight_devices():
    return make_mesh({"data": 1, "fsdp": 4, "tensor": 2})


forward = jax.jit(causal.forward, static_argnums=0)


def logits(config, params):
    return forward(config, params, *left_padded([7, 4]))


class TestLoadCausal:
    """A teacher from what a user names."""

    def test_a_folder(self, folders):
        loaded = teacher.load_causal(str(folders["untied"]), one_device())
        assert loaded.config.dtype == "float32"
        assert isinstance(loaded.params["layers"], tuple), "on a CPU the layers lie apart"
        assert loaded.tokenizer.decode(loaded.tokenizer(TEXT).input_ids) == TEXT
        stacked = load(folders["untied"])
        np.testing.assert_allclose(
            logits(loaded.config, loaded.params), logits(*stacked), rtol=0, atol=1e-5
        )

    def test_precision(self, folders):
        loaded = teacher.load_causal(str(folders["tied"]), one_device(), "bfloat16")
        assert {str(leaf.dtype) for leaf in jax.tree.leaves(loaded.params)} == {"bfloat16"}
        with pytest.raises(InputError, match="float16 overflows"):
            teacher.load_causal(str(folders["tied"]), one_device(), "float16")

    def test_a_gguf_file(self, tmp_path):
        model = make_model("qwen3", tie_word_embeddings=True)
        path = write_model(tmp_path / "model.gguf", model)
        tokens = np.random.default_rng(0).integers(3, 300, (2, 11)).astype(np.int32)
        with torch.no_grad():
            expected = model(torch.from_numpy(tokens)).logits.numpy()
        for mesh in (one_device(), eight_devices()):
            loaded = teacher.load_causal(str(path), mesh)
            found = forward(loaded.config, loaded.params, tokens, np.ones_like(tokens))
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)
        assert loaded.tokenizer.chat_template

    def test_ends_of_generation_config_count_too(self, folder):
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 2]}))
        config, _ = load(folder)
        assert config.eos_token_ids == (2, 7)

    def test_no_tokenizer(self, folder):
        for path in folder.glob("tokenizer*"):
            path.unlink()
        refuses(lambda: teacher.load_causal(str(folder), one_device()), "no tokenizer could be")

    def test_a_t5_without_a_tokenizer(self, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
        refuses(lambda: teacher.load_tokenizer(str(tmp_path)), "holds none of tokenizer.json")

    def test_no_such_file(self, tmp_path):
        path = str(tmp_path / "missing.gguf")
        refuses(lambda: teacher.load_causal(path, one_device()), "missing.gguf")


@pytest.mark.slow
def test_the_real_smollm2_says_what_it_says_in_transformers(shared):
    """Sixteen real questions: each next token of ours is the one that transformers chose."""
    loaded = teacher.load_causal(str(smollm2()), one_device())
    tokenizer = loaded.tokenizer
    tokenizer.padding_side = "left"
    with open(shared / "data" / "dss" / "cqa" / "cqa_test.json", encoding="utf-8") as lines:
        questions = [json.loads(next(lines))["question"] for _ in range(16)]
    chats = [[{"role": "user", "content": question}] for question in questions]
    prompt = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_dict=True, return_tensors="pt"
    )
    file = GGUFFile(smollm2())  # dequantised as transformers does it, says test_gguf.py
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**file.config)).eval()
    tensors = {name: torch.from_numpy(file.read(name)) for name in file.names}
    assert model.load_state_dict(tensors, strict=False).missing_keys == ["lm_head.weight"]
    written = model.generate(**prompt, max_new_tokens=12, do_sample=False)
    length = prompt["input_ids"].shape[1]
    segments = np.ones(written.shape, np.int32)
    segments[:, :length] = prompt["attention_mask"].numpy()
    tokens = written.numpy().astype(np.int32)
    logits = forward(loaded.config, loaded.params, tokens, segments)
    chosen = np.asarray(logits[:, length - 1 : -1]).argmax(axis=-1)
    assert len({tuple(row) for row in chosen}) > 8
    for ours, theirs in zip(chosen, tokens[:, length:], strict=True):
        end = list(theirs).index(2) + 1 if 2 in theirs else len(theirs)
        np.testing.assert_array_equal(ours[:end], theirs[:end])


class TestShards:
    """Files into the shards of a mesh."""

    @pytest.mark.parametrize("name", ["tied", "untied", "gemma3"])
    @pytest.mark.parametrize("scan_layers", [True, False])
    def test_any_mesh_holds_the_same(self, folders, name, scan_layers):
        whole = load(folders[name], scan_layers=scan_layers)[1]
        sharded = load(folders[name], eight_devices(), scan_layers=scan_layers)[1]
        jax.tree.map(np.testing.assert_array_equal, whole, sharded)
        expected = leaf_shardings(sharded, eight_devices(), LOGICAL_AXES)
        assert jax.tree.map(lambda leaf: leaf.sharding, sharded) == expected

    def test_no_head_is_cut_in_two(self, folders):
        """Four query heads split in four; two key-value heads don't, so they stay whole."""
        attention = load(folders["gemma3"], make_mesh({"data": 2, "tensor": 4}))[1]["layers"][
            "attention"
        ]
        shapes = {
            name: attention[name]["kernel"].sharding.shard_shape(attention[name]["kernel"].shape)
            for name in ("query", "key", "value", "out")
        }
        assert shapes == {
            "query": (4, 48, 16),
            "key": (4, 48, 32),
            "value": (4, 48, 32),
            "out": (4, 16, 48),
        }

    @pytest.mark.parametrize("scan_layers", [True, False])
    def test_each_device_reads_only_its_slice(self, folders, monkeypatch, scan_layers):
        reads, read = {}, SafetensorsFiles.read

        def record(files, name, index):
            part = read(files, name, index)
            reads.setdefault(name, []).append(part.size / math.prod(files.shape(name)))
            return part

        monkeypatch.setattr(SafetensorsFiles, "read", record)
        load(folders["untied"], eight_devices(), scan_layers=scan_layers)
        assert len(reads) == 3 + 3 * 9
        assert reads["model.embed_tokens.weight"] == [1 / 8] * 8
        assert reads["model.layers.2.mlp.down_proj.weight"] == [1 / 8] * 8
        assert all(sum(parts) == 1 for parts in reads.values()), "something was read twice"

    def test_an_index_of_several_files(self, folders, sharded):
        assert len(list(sharded.glob("model-*.safetensors"))) > 2
        found = load(sharded, eight_devices())[1]
        jax.tree.map(np.testing.assert_array_equal, found, load(folders["untied"])[1])

    @pytest.mark.parametrize("prefix", ["language_model.model.", "model.language_model."])
    def test_gemma_3_with_images(self, folders, tmp_path, prefix):
        """The text's tensors stand under another prefix, beside those of the image encoder."""
        tensors = load_file(folders["gemma3"] / "model.safetensors")
        nested = {name.replace("model.", prefix, 1): x for name, x in tensors.items()}
        nested["vision_tower.vision_model.embeddings.weight"] = np.ones(3, np.float32)
        nested["model.multi_modal_projector.norm.weight"] = np.ones(3, np.float32)
        save_file(nested, tmp_path / "model.safetensors")
        values = json.loads((folders["gemma3"] / "config.json").read_text())
        outer = {"model_type": "gemma3", "text_config": values, "vision_config": {}}
        (tmp_path / "config.json").write_text(json.dumps(outer))
        config, params = load(tmp_path)
        text_config, text_params = load(folders["gemma3"])
        assert config == text_config
        jax.tree.map(np.testing.assert_array_equal, params, text_params)

    def test_a_head_that_differs_from_the_embedding_counts(self, folders, tmp_path):
        """As in transformers: whatever tie_word_embeddings says."""
        folder = shutil.copytree(folders["tied"], tmp_path / "model")
        assert load(folder)[0].tied
        tensors = load_file(folder / "model.safetensors")
        head = tensors["model.embed_tokens.weight"][::-1].copy()
        save_file(
            tensors | {"lm_head.weight": head}, folder / "model.safetensors", {"format": "pt"}
        )
        reference = transformers.AutoModelForCausalLM.from_pretrained(folder)
        np.testing.assert_array_equal(reference.lm_head.weight.detach().numpy(), head)
        config, params = load(folder)
        assert not config.tied
        np.testing.assert_array_equal(params["lm_head"]["embedding"], head)

    def test_frequencies_of_old_checkpoints_are_skipped(self, folder):
        path = folder / "model.safetensors"
        old = {"model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(8, np.float32)}
        save_file(load_file(path) | old, path)
        load(folder)


class TestMistakes:
    """Files that can't be read: one line each."""

    @pytest.mark.parametrize("kept", [0, 5, 100, 5000, -1])
    def test_a_truncated_file(self, folder, kept):
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:kept])
        refuses(lambda: load(folder), "model.safetensors: truncated, missing or no safetensors")

    def test_a_missing_file_of_the_index(self, sharded):
        path = sorted(sharded.glob("model-*.safetensors"))[1]
        path.unlink()
        refuses(lambda: load(sharded), f"{path.name}: truncated, missing")

    def test_an_index_that_promises_too_much(self, sharded):
        path = sharded / "model.safetensors.index.json"
        index = json.loads(path.read_text())
        first, second = sorted(set(index["weight_map"].values()))[:2]
        name = next(name for name, file in index["weight_map"].items() if file == first)
        index["weight_map"][name] = second
        path.write_text(json.dumps(index))
        refuses(lambda: load(sharded), f"{second}: tensor {name} of the index is missing")

    def test_a_missing_tensor(self, folder):
        path = folder / "model.safetensors"
        tensors = load_file(path)
        del tensors["model.layers.1.self_attn.q_proj.weight"]
        save_file(tensors, path)
        refuses(lambda: load(folder), "tensor model.layers.1.self_attn.q_proj.weight is missing")

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ({"intermediate_size": 64}, r"down_proj.weight has the shape \[48, 56\], its config s"),
            ({"num_hidden_layers": 4}, "tensor model.layers.3.* is missing"),
            ({"num_hidden_layers": 2}, "holds model.layers.2.*, for which its config has no place"),
            ({"attention_bias": True}, "self_attn.*_proj.bias is missing"),
            ({"model_type": "t5"}, "config.json: model_type 't5' is not supported"),
        ],
    )
    def test_a_config_of_another_model(self, folder, change, line):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        refuses(lambda: load(folder), line)

    def test_pickled_weights(self, folder):
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        refuses(lambda: load(folder), "pickled weights .* save_pretrained")


def refuses(function, line):
    """The function raises an InputError of one line that matches."""
    with pytest.raises(InputError, match=line) as error:
        function()
    assert "\n" not in str(error.value)
