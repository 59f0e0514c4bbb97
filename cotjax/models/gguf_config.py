"""The metadata of a GGUF file in the terms of Hugging Face's config.json.

What llama.cpp's convert_hf_to_gguf.py writes of a config, read back. It leaves out what llama.cpp
knows by heart of each architecture; those values are given here.
"""

import math
from typing import Any

import numpy as np

from cotjax.errors import InputError
from cotjax.models.gguf_header import Header

# llama.cpp's names of the architectures, and the model_type of Hugging Face.
ARCHITECTURES = {
    "llama": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
}
# Settings of an architecture's variants that change what it computes.
UNSUPPORTED = (
    "expert_count",
    "attention.scale",
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "embedding_scale",
    "logit_scale",
    "residual_scale",
)
ROPE_SCALING_KEYS = ("type", "factor", "original_context_length", "finetuned")
# Gemma's largest models scale attention by hidden_size / heads, all others by the head's size;
# llama.cpp tells them by their number of layers. Every n-th layer attends to all positions.
GEMMA_27B_LAYERS = {"gemma2": 46, "gemma3": 62}
GEMMA_PERIOD = {"gemma2": 2, "gemma3": 6}
GEMMA3_LOCAL_ROPE_THETA = 10000.0
LLAMA3_FREQUENCY_FACTORS = (1.0, 4.0)  # low and high
ROPE_FACTORS = "rope_freqs.weight"


def check_architecture(header: Header) -> str:
    """The architecture of a file; one that isn't supported is an InputError."""
    architecture = header.get("general.architecture", str)
    if architecture not in ARCHITECTURES:
        raise InputError(
            f"{header.path}: the architecture {architecture!r:.60} is not supported, only "
            f"{', '.join(ARCHITECTURES)} (Mistral and SmolLM ship as llama)"
        )
    if (parts := header.get("split.count", int, 0)) > 1:
        raise InputError(
            f"{header.path}: one of {parts} parts of a split file; llama.cpp's "
            "'llama-gguf-split --merge' joins them"
        )
    for name in UNSUPPORTED:
        if np.any(header.metadata.get(f"{architecture}.{name}", 0)):
            raise InputError(f"{header.path}: {architecture}.{name} is not supported")
    return architecture


def read_config(header: Header, rope_factors: np.ndarray | None) -> dict[str, Any]:
    """A config.json's values.

    Args:
      header: Of a file of a supported architecture.
      rope_factors: The tensor rope_freqs.weight, by which each frequency is divided.

    Raises:
      InputError: naming the key that is missing or can't be expressed.
    """
    architecture = header.get("general.architecture", str)
    config = {"model_type": ARCHITECTURES[architecture]}
    config |= _sizes(header, architecture)
    config |= _rope(header, architecture, config, rope_factors)
    config |= _special_tokens(header)
    config["tie_word_embeddings"] = "output.weight" not in header.tensors
    if architecture.startswith("gemma"):
        return config | _gemma(header, architecture, config)
    config["hidden_act"] = "silu"
    if architecture != "qwen2":  # which always has them, and no word for it
        config["attention_bias"] = "blk.0.attn_q.bias" in header.tensors
    if architecture == "llama":
        config["mlp_bias"] = "blk.0.ffn_up.bias" in header.tensors
        if window := header.get("llama.attention.sliding_window", int, 0):
            config |= {"model_type": "mistral", "sliding_window": window}
    return config


def _sizes(header: Header, architecture: str) -> dict[str, Any]:
    def integer(name: str, default: int | None = None) -> int:
        value = header.get(f"{architecture}.{name}", int, default)
        if value < 1:
            raise InputError(f"{header.path}: {architecture}.{name} is {value}")
        return value

    hidden, heads = integer("embedding_length"), integer("attention.head_count")
    head = integer("attention.key_length", integer("rope.dimension_count", hidden // heads))
    for name in ("attention.key_length", "attention.value_length", "rope.dimension_count"):
        if (other := integer(name, head)) != head:
            raise InputError(
                f"{header.path}: {architecture}.{name} is {other}, only the head's size of {head} "
                "is supported"
            )
    embedding = header.tensors.get("token_embd.weight")
    if embedding is None or embedding.shape[1:] != (hidden,):
        shape = embedding and embedding.shape
        raise InputError(
            f"{header.path}: the tensor token_embd.weight has the shape {shape}, not "
            f"(vocabulary, {hidden})"
        )
    return {
        "vocab_size": embedding.shape[0],
        "hidden_size": hidden,
        "intermediate_size": integer("feed_forward_length"),
        "num_hidden_layers": integer("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": integer("attention.head_count_kv", heads),
        "head_dim": head,
        "max_position_embeddings": integer("context_length"),
        "rms_norm_eps": header.get(f"{architecture}.attention.layer_norm_rms_epsilon", float),
    }


def _rope(
    header: Header, architecture: str, config: dict[str, Any], factors: np.ndarray | None
) -> dict[str, Any]:
    theta = header.get(f"{architecture}.rope.freq_base", float, 10000.0)
    if not 1 < theta < math.inf:
        raise InputError(f"{header.path}: {architecture}.rope.freq_base is {theta}, not above 1")
    scaling = _rope_scaling(header, f"{architecture}.rope.")
    if factors is not None and not np.all(factors == 1):
        if scaling:
            raise InputError(f"{header.path}: {scaling['rope_type']} scaling beside {ROPE_FACTORS}")
        finite = np.min(factors) >= 1 and np.isfinite(np.max(factors))
        scaling = llama3_scaling(factors, theta) if finite else None
        if scaling is None or len(factors) != config["head_dim"] // 2:
            raise InputError(f"{header.path}: {ROPE_FACTORS} holds no scaling of Llama 3's kind")
    return {"rope_theta": theta, "rope_scaling": scaling}


def _rope_scaling(header: Header, prefix: str) -> dict[str, Any] | None:
    """The scaling that keys describe; a factor alone is linear, as llama.cpp takes it."""
    for key in header.metadata:
        name = key.removeprefix(f"{prefix}scaling.")
        if name != key and name not in ROPE_SCALING_KEYS:
            raise InputError(f"{header.path}: {key} is not supported")
    older = header.get(f"{prefix}scale_linear", float, 1.0)
    factor = header.get(f"{prefix}scaling.factor", float, older)
    kind = header.get(f"{prefix}scaling.type", str, "linear")
    if kind == "none" or (kind == "linear" and factor in (0, 1)):
        return None
    if kind == "linear":
        return {"rope_type": kind, "factor": factor}
    if kind != "yarn":
        raise InputError(f"{header.path}: {prefix}scaling.type {kind!r:.60} is not supported")
    context = header.get(f"{prefix}scaling.original_context_length", int)
    return {"rope_type": kind, "factor": factor, "original_max_position_embeddings": context}


def llama3_scaling(factors: np.ndarray, theta: float) -> dict[str, Any] | None:
    """The scaling of Llama 3 that divides the frequencies by these factors, None if none does.

    Low frequencies are divided by `factor`, high ones by 1. Between the two, a divisor is
    1 / ((1 - s) / factor + s) with s = (original_max / wavelength - low) / (high - low). One such
    divisor tells original_max, since low and high are the same in all releases.
    """
    low, high = LLAMA3_FREQUENCY_FACTORS
    turns = theta ** -(np.arange(len(factors)) / len(factors)) / (2 * math.pi)  # per position
    factor = float(np.max(factors))
    smooth = (1 / factors - 1 / factor) / (1 - 1 / factor)
    middle = np.argmin(np.abs(smooth - 0.5))
    if not 0 < smooth[middle] < 1:
        return None
    original = round((low + smooth[middle] * (high - low)) / turns[middle])
    expected = np.clip((original * turns - low) / (high - low), 0, 1)
    if not np.allclose(smooth, expected, rtol=0, atol=1e-4):
        return None
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": low,
        "high_freq_factor": high,
        "original_max_position_embeddings": original,
    }


def _special_tokens(header: Header) -> dict[str, Any]:
    """Ids, where there are any; EOS is a list where a turn or message ends otherwise too."""

    def token_id(name: str) -> int | None:
        key = f"tokenizer.ggml.{name}_token_id"
        return header.get(key, int) if key in header.metadata else None

    ends = [id_ for name in ("eos", "eot", "eom") if (id_ := token_id(name)) is not None]
    ends = list(dict.fromkeys(ends))
    return {
        "bos_token_id": token_id("bos"),
        "eos_token_id": ends if len(ends) > 1 else next(iter(ends), None),
        "pad_token_id": token_id("padding"),
    }


def _gemma(header: Header, architecture: str, config: dict[str, Any]) -> dict[str, Any]:
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    largest = layers == GEMMA_27B_LAYERS[architecture]

    def soft_cap(name: str) -> float | None:
        key = f"{architecture}.{name}"
        return header.get(key, float) if key in header.metadata else None

    values = {
        "hidden_activation": "gelu_pytorch_tanh",
        "attention_bias": False,
        "query_pre_attn_scalar": config["hidden_size"] // heads if largest else config["head_dim"],
        "sliding_window": header.get(f"{architecture}.attention.sliding_window", int),
        "layer_types": _layer_types(header, architecture, layers),
        "attn_logit_softcapping": soft_cap("attn_logit_softcapping"),
        "final_logit_softcapping": soft_cap("final_logit_softcapping"),
    }
    if architecture == "gemma3":
        key = "gemma3.rope.freq_base_swa"
        values["rope_local_base_freq"] = header.get(key, float, GEMMA3_LOCAL_ROPE_THETA)
    return values


def _layer_types(header: Header, architecture: str, layers: int) -> list[str]:
    """Sliding or full attention, layer by layer; a pattern is a period or a value a layer."""
    key = f"{architecture}.attention.sliding_window_pattern"
    pattern = header.metadata.get(key, GEMMA_PERIOD[architecture])
    if isinstance(pattern, int) and pattern > 0:
        pattern = [(layer + 1) % pattern != 0 for layer in range(layers)]
    if not isinstance(pattern, (list, np.ndarray)) or len(pattern) != layers:
        raise InputError(f"{header.path}: {key} is neither a period nor {layers} values")
    return ["sliding_attention" if sliding else "full_attention" for sliding in pattern]
