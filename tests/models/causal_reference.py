"""Tiny random decoders of transformers (torch), the independent reference for ours."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
import transformers

from cotjax.mesh import make_mesh
from cotjax.models import teacher
from cotjax.models.causal_config import CausalConfig
from cotjax.models.safetensors_files import SafetensorsFiles

SIZES = {
    "vocab_size": 96,
    "hidden_size": 48,
    "intermediate_size": 56,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 24,  # so that fast, slow and blended pairs are all there
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
GEMMA = {"query_pre_attn_scalar": 20, "sliding_window": 5}

# Name of a decoder -> its model_type, and what differs from SIZES. Windows are shorter than texts.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {"num_key_value_heads": 4, "rms_norm_eps": 1e-5}),
    "llama, biases and linear": (
        "llama",
        {"attention_bias": True, "rope_scaling": {"rope_type": "linear", "factor": 2.0}},
    ),
    "llama 3": (
        "llama",
        {"tie_word_embeddings": True, "rope_theta": 500.0, "rope_scaling": LLAMA3},
    ),
    "mistral": ("mistral", {"sliding_window": 6, "num_key_value_heads": 1}),
    "qwen2": (
        "qwen2",
        {
            "head_dim": 12,
            "use_sliding_window": True,
            "max_window_layers": 1,
            "sliding_window": 4,
            "tie_word_embeddings": True,
        },
    ),
    "qwen3": ("qwen3", {"rope_scaling": YARN, "rope_theta": 1e4}),
    "gemma2": (
        "gemma2",
        GEMMA | {"attn_logit_softcapping": 3.0, "final_logit_softcapping": 4.0},
    ),
    "gemma3": (
        "gemma3_text",
        GEMMA
        | {
            "num_hidden_layers": 4,
            "sliding_window_pattern": 3,
            "rope_theta": 1e3,
            "rope_local_base_freq": 50.0,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    ),
}


@dataclasses.dataclass(frozen=True)
class Reference:
    """A decoder of torch, and a folder with the same weights."""

    model: transformers.PreTrainedModel
    folder: Path

    def logits(self, tokens: np.ndarray, segments: np.ndarray) -> np.ndarray:
        """Logits [rows, length, vocab] of rows with one text each."""
        mask = torch.from_numpy(segments)
        with torch.no_grad():
            output = self.model(
                input_ids=torch.from_numpy(tokens),
                attention_mask=mask,
                position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            )
        return output.logits.numpy()


def make_reference(name: str, folder: Path, **saving: Any) -> Reference:
    """One of MODELS with random weights, saved; no norm, bias or map is left as it is born."""
    torch.manual_seed(0)
    model_type, changes = MODELS[name]
    config = transformers.AutoConfig.for_model(model_type, **SIZES | changes)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.uniform_(-0.5, 0.5)
                if path.endswith("norm.weight") and not model_type.startswith("gemma"):
                    parameter += 1
            else:
                parameter.normal_(std=1.5 * parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder, **saving)
    return Reference(model, folder)


def one_device() -> jax.sharding.Mesh:
    """A mesh of a single device."""
    return make_mesh({}, jax.devices()[:1])


def load(
    folder: Path, mesh: jax.sharding.Mesh | None = None, **choices: Any
) -> tuple[CausalConfig, dict[str, Any]]:
    """(config, parameters) of a folder; by default of stacked layers, which compile faster."""
    tensors = SafetensorsFiles(folder)
    config = teacher.read_config(folder, tensors, **{"scan_layers": True} | choices)
    return config, teacher.load_params(tensors, config, mesh or one_device())


def left_padded(lengths: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random tokens and segments [rows, longest], each row's text at its end."""
    width = max(lengths)
    segments = (np.arange(width) >= width - np.array(lengths)[:, None]).astype(np.int32)
    tokens = np.random.default_rng(seed).integers(3, SIZES["vocab_size"], segments.shape)
    return (tokens * segments).astype(np.int32), segments
