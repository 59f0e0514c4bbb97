"""Models in GGUF files against transformers, the `gguf` package and the formulas of the format."""

import tracemalloc

import gguf
import numpy as np
import pytest
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from cotjax.errors import InputError
from cotjax.models.causal_fields import read_causal_config
from cotjax.models.gguf import GGUFFile
from cotjax.models.gguf_config import llama3_scaling
from cotjax.models.gguf_header import TYPES
from tests.models.gguf_files import make_model, smollm2, write_file, write_model

torch.set_num_threads(1)

QUERY, VALUE = (f"model.layers.0.self_attn.{name}_proj.weight" for name in "qv")
# Biases, norms of heads, an untied head, a scaling: every kind of tensor and of value.
MODELS = {
    "llama": {"tie_word_embeddings": False},
    "llama with biases": {"attention_bias": True, "tie_word_embeddings": True},
    "mistral": {"tie_word_embeddings": False},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {"tie_word_embeddings": True, "rms_norm_eps": 1e-6},
    "gemma2": {"query_pre_attn_scalar": 32, "sliding_window": 16},
    "gemma3": {"query_pre_attn_scalar": 32, "sliding_window": 16, "num_hidden_layers": 7},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict:
    """The model of torch and our file of each of MODELS, written when first asked for."""
    made = {}

    def get(name: str):
        if name not in made:
            model = make_model(name.split()[0], **MODELS[name])
            path = tmp_path_factory.mktemp("gguf") / "model.gguf"
            window = {"llama.attention.sliding_window": 4096} if name == "mistral" else {}
            made[name] = model, GGUFFile(write_model(path, model, changes=window))
        return made[name]

    return get


@pytest.mark.parametrize("name", MODELS)
def test_tensors_are_those_that_were_converted(files, name):
    model, file = files(name)
    expected = {
        name: tensor.numpy()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight" or not model.config.tie_word_embeddings
    }
    assert set(file.names) == set(expected)
    for tensor, values in expected.items():
        assert file.shape(tensor) == values.shape
        found = file.read(tensor)
        assert found.dtype == np.float32
        # Gemma's norms lose what 1 + weight rounds away.
        np.testing.assert_allclose(found, values, rtol=0, atol=1e-7 if "gemma" in name else 0)


@pytest.mark.parametrize("name", MODELS)
def test_config_says_what_the_config_of_the_model_says(files, name):
    model, file = files(name)
    has_head = "lm_head.weight" in file.names
    values = model.config.to_dict()
    expected = read_causal_config(values, "config.json", has_head=has_head)
    assert read_causal_config(file.config, "file", has_head=has_head) == expected
    for key in ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id"):
        assert file.config[key] == values[key]


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3", "gemma2", "gemma3"])
def test_reads_as_transformers_reads_it(files, name):
    _, file = files(name)
    check_tensors(file, read_with_transformers(file)["tensors"])


def read_with_transformers(file):
    """What transformers' from_pretrained(gguf_file=...) reads; it wants accelerate for the rest."""
    with torch.device("meta"):
        config = transformers.AutoConfig.for_model(**file.config)
        empty = transformers.AutoModelForCausalLM.from_config(config)
    empty.named_children = list  # whose names it would look up too, one by one, in 4 seconds
    return load_gguf_checkpoint(str(file.source), return_tensors=True, model_to_load=empty)


def check_tensors(file, expected):
    assert set(file.names) == set(expected)
    for name in file.names:
        np.testing.assert_array_equal(file.read(name), expected[name].numpy(), err_msg=name)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("type_", [Type.F32, Type.BF16, Type.Q8_0, Type.Q4_1])
def test_a_part_is_a_part_of_the_whole(type_, data, parts):
    file = parts(type_)
    name = data.draw(st.sampled_from(file.names))
    index = tuple(
        data.draw(st.slices(size).map(without_step(size)))
        for size in file.shape(name)[: data.draw(st.integers(0, 2))]
    )
    np.testing.assert_array_equal(file.read(name, index), file.read(name)[index])


def without_step(size):
    return lambda part: slice(*part.indices(size)[:2])


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A file of each type."""
    model, made = make_model("llama", attention_bias=True, num_hidden_layers=1), {}

    def get(type_: Type) -> GGUFFile:
        if type_ not in made:
            path = tmp_path_factory.mktemp("parts") / "model.gguf"
            made[type_] = GGUFFile(write_model(path, model, type_))
        return made[type_]

    return get


def test_only_the_blocks_in_question_are_dequantised(monkeypatch, parts):
    file, shapes = parts(Type.Q8_0), []

    def record(data, type_):
        shapes.append(data.shape)
        return gguf.dequantize(data, type_)

    monkeypatch.setattr("cotjax.models.gguf.dequantize", record)
    file.read("model.embed_tokens.weight", (slice(5, 8), slice(40, 50)))
    file.read(QUERY, (slice(0, 2), slice(None)))
    # A block of 32 values takes 34 bytes.
    assert shapes == [(3, 34), (2, 2 * 34)]


def test_rows_are_read_in_chunks(monkeypatch, parts):
    whole = {name: parts(Type.Q8_0).read(name) for name in parts(Type.Q8_0).names}
    monkeypatch.setattr("cotjax.models.gguf.CHUNK", 200)
    for name, values in whole.items():
        np.testing.assert_array_equal(parts(Type.Q8_0).read(name), values)


@pytest.mark.parametrize(
    ("type_", "error"),
    [
        (Type.F32, 0),
        (Type.F16, 2e-3),
        (Type.BF16, 2e-2),
        (Type.Q8_0, 0.02),
        (Type.Q5_0, 0.2),
        (Type.Q5_1, 0.2),
        (Type.Q4_0, 0.4),
        (Type.Q4_1, 0.3),
    ],
)
def test_quantised_values_come_back(tmp_path, type_, error):
    values = np.random.default_rng(0).normal(size=(48, 512)).astype(np.float32)
    raw = gguf.quantize(values, type_)
    found = read_matrix(tmp_path / "model.gguf", raw, type_, values.shape)
    np.testing.assert_allclose(found, values, rtol=0, atol=error)
    np.testing.assert_array_equal(found, gguf.dequantize(raw, type_))


def read_matrix(path, raw, type_, shape):
    """A matrix by way of a file, as the values of the one layer of a model."""
    hidden = shape[1]
    one = np.ones(hidden, np.float32)
    metadata = {
        "general.architecture": "llama",
        "llama.block_count": 1,
        "llama.context_length": 8,
        "llama.embedding_length": hidden,
        "llama.feed_forward_length": 8,
        "llama.attention.head_count": 4,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
    }
    tensors = {"token_embd.weight": (one[None], Type.F32), "blk.0.attn_v.weight": (raw, type_)}
    file = GGUFFile(write_file(path, metadata, tensors))
    assert file.shape(VALUE) == shape
    return file.read(VALUE)


def q8_0(block):
    scale, *values = halves(block, 1), *block[2:].view(np.int8)
    return [scale[0] * value for value in values]


def q4_0(block):
    (scale,) = halves(block, 1)
    return [scale * (value - 8) for value in nibbles(block[2:])]


def q4_1(block):
    scale, least = halves(block, 2)
    return [scale * value + least for value in nibbles(block[4:])]


def q5_0(block):
    (scale,) = halves(block, 1)
    bits = int(block[2:6].view("<u4")[0])
    low = nibbles(block[6:])
    return [scale * ((low[i] | (bits >> i & 1) << 4) - 16) for i in range(32)]


def q5_1(block):
    scale, least = halves(block, 2)
    bits = int(block[4:8].view("<u4")[0])
    low = nibbles(block[8:])
    return [scale * (low[i] | (bits >> i & 1) << 4) + least for i in range(32)]


def q4_k(block):
    """Eight groups of 32; two share 32 bytes, one in the low and one in the high nibbles."""
    scales, mins = q4_k_scales(block)
    values = []
    for group in range(8):
        for byte in block[16 + 32 * (group // 2) : 48 + 32 * (group // 2)]:
            values.append(scales[group] * (byte >> 4 * (group % 2) & 15) - mins[group])
    return values


def q5_k(block):
    """As q4_k, with a fifth bit for each value: bit `group` of the 32 bytes before the nibbles."""
    scales, mins = q4_k_scales(block)
    values = []
    for group in range(8):
        low = block[48 + 32 * (group // 2) : 80 + 32 * (group // 2)]
        for byte, high in zip(low, block[16:48], strict=True):
            value = (byte >> 4 * (group % 2) & 15) | (high >> group & 1) << 4
            values.append(scales[group] * value - mins[group])
    return values


def q6_k(block):
    """Two halves of 128; sixteen signed scales, one for every 16 values."""
    low, high = block[:128], block[128:192]
    scales, (scale,) = block[192:208].view(np.int8), halves(block[208:], 1)
    values = []
    for i in range(256):
        half, quarter, column = i // 128, i % 128 // 32, i % 32
        nibble = low[64 * half + 32 * (quarter % 2) + column] >> 4 * (quarter // 2) & 15
        bits = high[32 * half + column] >> 2 * quarter & 3
        values.append(scale * int(scales[i // 16]) * (int(nibble | bits << 4) - 32))
    return values


def q4_k_scales(block):
    """Eight scales and eight minima of 6 bits in 12 bytes (get_scale_min_k4 of ggml-quants.c)."""
    scale, least = halves(block, 2)
    packed = [int(byte) for byte in block[4:16]]
    scales, mins = [], []
    for j in range(8):
        if j < 4:
            pair = packed[j] & 63, packed[j + 4] & 63
        else:
            pair = (
                packed[j + 4] & 15 | packed[j - 4] >> 6 << 4,
                packed[j + 4] >> 4 | packed[j] >> 6 << 4,
            )
        scales.append(scale * pair[0])
        mins.append(least * pair[1])
    return scales, mins


def halves(block, count):
    return [float(value) for value in block[: 2 * count].view("<f2")]


def nibbles(packed):
    """The low halves of all bytes, then the high ones."""
    return [int(byte) & 15 for byte in packed] + [int(byte) >> 4 for byte in packed]


@pytest.mark.parametrize("formula", [q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k])
def test_blocks_mean_what_the_format_says(tmp_path, formula):
    type_ = Type[formula.__name__.upper()]
    values, size = gguf.GGML_QUANT_SIZES[type_]
    blocks = np.random.default_rng(1).integers(0, 256, (12, size), np.uint8)
    for start in {Type.Q6_K: (208,)}.get(type_, (0, 2)):  # scales of any bits may be no numbers
        scale = np.linspace(-2, 2, len(blocks), dtype=np.float16)
        if start == 0 or type_ in (Type.Q4_1, Type.Q5_1, Type.Q4_K, Type.Q5_K, Type.Q6_K):
            blocks[:, start : start + 2] = scale[:, None].view(np.uint8)
    expected = np.array([formula(block) for block in blocks]).reshape(4, 3 * values)
    found = read_matrix(tmp_path / "model.gguf", blocks.reshape(4, -1), type_, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_every_type_is_tried():
    tried = {Type.F32, Type.F16, Type.BF16}
    tried |= {Type[formula.__name__.upper()] for formula in (q8_0, q4_0, q4_1, q5_0, q5_1)}
    assert set(TYPES) == tried | {Type.Q4_K, Type.Q5_K, Type.Q6_K}


# Llama 3.1 and 3.3, Llama 3.2 of 1 and 3 B.
@pytest.mark.parametrize(("factor", "head_dim"), [(8.0, 128), (32.0, 64), (32.0, 128)])
def test_the_scaling_of_llama_3_is_found_in_its_factors(factor, head_dim):
    factors = llama3_factors(factor, 1.0, 4.0, 8192, head_dim)
    assert llama3_scaling(factors, 500000.0) == {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    assert llama3_scaling(llama3_factors(factor, 1.0, 8.0, 8192, head_dim), 500000.0) is None


def llama3_factors(factor, low, high, original, head_dim):
    """What convert_hf_to_gguf.py writes as rope_freqs.weight."""
    factors = []
    for i in range(0, head_dim, 2):
        wavelength = 2 * np.pi * 500000.0 ** (i / head_dim)
        smooth = (original / wavelength - low) / (high - low)
        smooth = min(1, max(0, smooth))
        factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, np.float32)


def write_llama(path, changes=None, **tensors):
    model = make_model("llama", num_hidden_layers=1, tie_word_embeddings=True)
    path = write_model(path, model, changes=changes)
    if not tensors:
        return path
    reader = gguf.GGUFReader(path)
    everything = {tensor.name: (np.array(tensor.data), Type.F32) for tensor in reader.tensors}
    everything |= {name.replace("__", "."): (values, Type.F32) for name, values in tensors.items()}
    metadata = {
        key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")
    }
    return write_file(path, metadata, everything)


def test_factors_become_a_scaling_and_are_no_tensor(tmp_path):
    factors = llama3_factors(8.0, 1.0, 4.0, 8192, 32)
    changes = {"llama.rope.freq_base": 500000.0}
    file = GGUFFile(write_llama(tmp_path / "m.gguf", changes, rope_freqs__weight=factors))
    assert file.config["rope_scaling"]["rope_type"] == "llama3"
    assert not any("rope" in name for name in file.names)
    read_causal_config(file.config, "file", has_head=False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"scaling.type": "none"}, None),
        ({"scaling.factor": 1.0}, None),
        ({"scale_linear": 2.0}, {"rope_type": "linear", "factor": 2.0}),
        ({"scaling.factor": 4.0}, {"rope_type": "linear", "factor": 4.0}),
        (
            {
                "scaling.type": "yarn",
                "scaling.factor": 4.0,
                "scaling.original_context_length": 64,
            },
            {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
        ),
    ],
)
def test_scaling_by_keys(tmp_path, changes, expected):
    changes = {f"llama.rope.{name}": value for name, value in changes.items()}
    file = GGUFFile(write_llama(tmp_path / "model.gguf", changes))
    assert file.config["rope_scaling"] == expected
    read_causal_config(file.config, "file", has_head=False)


def test_ends_of_turns_are_ends_of_text_too(tmp_path):
    changes = {"tokenizer.ggml.eot_token_id": 2, "tokenizer.ggml.eom_token_id": 1}
    file = GGUFFile(write_llama(tmp_path / "model.gguf", changes))
    assert file.config["eos_token_id"] == [1, 2]


def test_layers_of_gemma_that_attend_to_all_positions(tmp_path):
    model = make_model("gemma3", num_hidden_layers=3)
    key = "gemma3.attention.sliding_window_pattern"
    full, sliding = "full_attention", "sliding_attention"
    for pattern, types in [
        (2, [sliding, full, sliding]),
        ([True, False, False], [sliding, full, full]),
    ]:
        path = write_model(tmp_path / "model.gguf", model, changes={key: pattern})
        assert GGUFFile(path).config["layer_types"] == types
    path = write_model(tmp_path / "model.gguf", model, changes={key: [True]})
    with pytest.raises(InputError, match="sliding_window_pattern is neither a period nor 3 values"):
        _ = GGUFFile(path).config


def test_the_largest_gemma_scales_attention_otherwise(tmp_path):
    model = make_model("gemma2", num_hidden_layers=46, intermediate_size=8, head_dim=8)
    assert GGUFFile(write_model(tmp_path / "m.gguf", model)).config["query_pre_attn_scalar"] == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general.architecture": "phi3"}, "architecture 'phi3' is not supported, only llama, q"),
        ({"split.count": 3}, "one of 3 parts of a split file"),
        ({"llama.expert_count": 8}, "llama.expert_count is not supported"),
        ({"llama.block_count": None}, "the metadata has no llama.block_count"),
        ({"llama.block_count": 10**9}, "block_count is 1000000000, but the file has 11 tensors"),
        ({"llama.block_count": "1"}, "llama.block_count is '1', not of type int"),
        ({"llama.context_length": None}, "the metadata has no llama.context_length"),
        ({"llama.attention.head_count": 0}, "llama.attention.head_count is 0"),
        ({"llama.attention.head_count": [4]}, r"head_count is .*, not of type int"),
        ({"llama.attention.value_length": 16}, "value_length is 16, only the head's size of 32"),
        ({"llama.rope.dimension_count": 8}, "dimension_count is 8, only the head's size of 32"),
        ({"llama.rope.scaling.type": "longrope"}, "scaling.type 'longrope' is not supported"),
        ({"llama.rope.scaling.attn_factor": 2.0}, "scaling.attn_factor is not supported"),
        ({"llama.embedding_length": 32}, r"token_embd.weight has the shape \(320, 64\), not"),
        ({"tokenizer.ggml.eos_token_id": "x"}, "eos_token_id is 'x', not of type int"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(tmp_path, changes, message):
    path = write_llama(tmp_path / "model.gguf", changes)
    with pytest.raises(InputError, match=message) as caught:
        _ = GGUFFile(path).config
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "blk__0__ffn_gate_exps__weight",
            np.ones((4, 4)),
            "'blk.0.ffn_gate_exps.weight' .* has no",
        ),
        ("blk__1__attn_q__weight", np.ones((4, 4)), "'blk.1.attn_q.weight' .* has no place in the"),
        ("rope_freqs__weight", np.arange(1, 17), "holds no scaling of Llama 3's kind"),
        ("rope_freqs__weight", np.full(7, 2), "holds no scaling of Llama 3's kind"),
    ],
)
def test_a_tensor_without_a_place_is_refused_by_name(tmp_path, name, values, message):
    path = write_llama(tmp_path / "model.gguf", **{name: values.astype(np.float32)})
    with pytest.raises(InputError, match=message):
        _ = GGUFFile(path).config


def test_a_missing_tensor_is_told(tmp_path):
    file = GGUFFile(write_llama(tmp_path / "model.gguf"))
    with pytest.raises(InputError, match=r"the tensor lm_head.weight is missing"):
        file.read("lm_head.weight")


def test_heads_that_do_not_fit_the_rows_are_told(tmp_path):
    changes = {"llama.attention.head_count": 48, "llama.attention.head_count_kv": 48}
    file = GGUFFile(write_llama(tmp_path / "model.gguf", changes))
    with pytest.raises(InputError, match=r"q_proj\.weight has 128 rows for 48 heads"):
        file.read(QUERY)


def test_the_real_model_is_read_as_transformers_reads_it():
    """SmolLM2-135M-Instruct in Q4_1, with its embedding in Q8_0."""
    file = GGUFFile(smollm2())
    expected = read_with_transformers(file)
    check_tensors(file, expected["tensors"])
    assert sum(np.prod(file.shape(name)) for name in file.names) == 134515008
    for name in ("_model_name_or_path", "unk_token_id"):  # of the tokenizer, and of nothing
        del expected["config"][name]
    expected = transformers.LlamaConfig(**expected["config"]).to_dict()
    found = transformers.LlamaConfig(**file.config).to_dict()
    assert found.pop("rms_norm_eps") == pytest.approx(expected.pop("rms_norm_eps"), rel=1e-7)
    assert found == expected


def test_a_file_is_read_piece_by_piece():
    """Neither opening the file nor a row of its largest tensor (108 MiB) takes their memory."""
    path = smollm2()
    tracemalloc.start()
    try:
        file = GGUFFile(path)
        opened, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        row = file.read("model.embed_tokens.weight", (slice(49000, 49001), slice(None)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        whole = file.read("model.embed_tokens.weight")
        _, largest = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(row, whole[49000:49001])
    assert opened < 30 * 2**20  # the vocabulary, for the tokenizer
    assert peak - opened < 2**20
    assert largest - opened < whole.nbytes + 64 * 2**20
