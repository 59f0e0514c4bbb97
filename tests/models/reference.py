"""Tiny random T5 models of transformers (torch), the independent reference for ours."""

import json
from pathlib import Path

import jax
import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

from cotjax.mesh import make_mesh
from cotjax.models import hf
from cotjax.models.t5 import T5Config

SIZES = {
    "vocab_size": 48,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 40,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
}


def make_reference(gated: bool, **sizes) -> transformers.T5ForConditionalGeneration:
    """A T5 v1.0 (ReLU, tied), or a v1.1 (gated, untied), with norms that are not all ones."""
    torch.manual_seed(0)
    config = transformers.T5Config(
        **SIZES | sizes,
        feed_forward_proj="gated-gelu" if gated else "relu",
        tie_word_embeddings=not gated,
        decoder_start_token_id=0,
    )
    model = transformers.T5ForConditionalGeneration(config).eval()
    if gated:
        # transformers 5 ties every T5 built from a config, so the head is made by hand.
        head = torch.randn(config.vocab_size, config.d_model) * config.d_model**-0.5
        model.lm_head.weight = torch.nn.Parameter(head)
        assert not torch.equal(model.lm_head.weight, model.shared.weight)
    for name, parameter in model.named_parameters():
        if "layer_norm" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def convert(model, folder: Path, **overrides) -> tuple[T5Config, dict]:
    """The config and the parameters of a torch model, by way of a folder."""
    copies = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}
    if model.lm_head.weight is model.shared.weight:
        copies.add("lm_head.weight")
    tensors = {k: v.numpy() for k, v in model.state_dict().items() if k not in copies}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    config = hf.read_config(folder, **overrides)
    return config, hf.load_params(folder, config, make_mesh({}, jax.devices()[:1]))


def ragged(seed: int, lengths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Random tokens and segments [rows, longest], one segment a row and 0 after its end."""
    segments = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int32)
    tokens = np.random.default_rng(seed).integers(2, SIZES["vocab_size"], segments.shape)
    return (tokens * segments).astype(np.int32), segments
