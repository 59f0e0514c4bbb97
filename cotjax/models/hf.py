"""T5 weights in and out of the Hugging Face format: config.json and safetensors, no torch."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from safetensors.numpy import save_file

from cotjax.errors import InputError
from cotjax.mesh import leaf_shardings
from cotjax.models.hf_layout import IGNORED, layout
from cotjax.models.hub import TOKENIZER_FILES, read_json, resolve, resolve_tokenizer
from cotjax.models.safetensors_files import SafetensorsFiles
from cotjax.models.t5 import LOGICAL_AXES, T5, T5Config
from cotjax.models.t5_config import COMPUTATION
from cotjax.models.weights import load, path_name

MOST = 2**31 - 1  # of any size: JAX counts in 32 bits

__all__ = [
    "TOKENIZER_FILES",
    "abstract_params",
    "check_special_tokens",
    "check_tokenizer",
    "export",
    "load_params",
    "read_config",
    "resolve",
    "resolve_tokenizer",
]


def read_config(folder: Path, **overrides: Any) -> T5Config:
    """The T5Config of a folder; `overrides` (dtype, remat, ...) are what its files don't say.

    Untied is decided by the weights, because transformers 5 writes every T5 as tied.
    """
    path = Path(folder) / "config.json"
    values = {name: value for name, value in read_json(path).items() if value is not None}
    if values.get("model_type") != "t5":
        raise InputError(f"{path}: model_type is {values.get('model_type')!r}, only 't5' is read")
    projection = values.get("feed_forward_proj", "relu")
    if projection not in ("relu", "gated-gelu"):
        raise InputError(f"{path}: feed_forward_proj is {projection!r}, not relu or gated-gelu")
    values.setdefault("num_decoder_layers", values.get("num_layers"))
    values.setdefault("scale_decoder_outputs", values.get("tie_word_embeddings", True))
    values["gated"] = projection == "gated-gelu"
    names = SafetensorsFiles(folder).names
    values["tied"] = "lm_head.weight" not in names
    fields = _checked_fields(path, values)
    _check_sizes(path, fields, num_tensors=len(names))
    return T5Config(**fields | overrides)


def _checked_fields(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """The fields of T5Config among the values of a config.json, but not how to compute."""
    fields = {}
    for field in dataclasses.fields(T5Config):
        if field.name in COMPUTATION:
            continue
        value = values.get(field.name, field.default)
        if value is dataclasses.MISSING:
            raise InputError(f"{path}: {field.name} is missing")
        if type(value) not in ((int, float) if field.type is float else (field.type,)):
            raise InputError(
                f"{path}: {field.name} is {value!r}, not of type {field.type.__name__}"
            )
        fields[field.name] = value
    return fields


def _check_sizes(path: Path, fields: dict[str, Any], num_tensors: int) -> None:
    """Refuses sizes of no model, before anything of such a size is made."""
    for name, value in fields.items():
        if name.endswith("_token_id"):
            allowed, wanted = 0 <= value < fields["vocab_size"], "an id below vocab_size"
        elif name == "dropout_rate":
            allowed, wanted = 0 <= value < 1, "a number from 0 to 1"
        elif name.endswith("_layers"):  # each has several tensors
            allowed, wanted = 1 <= value <= num_tensors, f"that of {num_tensors} tensors"
        else:
            allowed, wanted = value is False or 0 < value <= MOST, "above 0 and below 2**31"
        if not allowed:
            raise InputError(f"{path}: {name} is {value!r}, not {wanted}")


def check_tokenizer(tokenizer_size: int, config: T5Config) -> None:
    """Raises InputError where a tokenizer (its largest id + 1) has ids without a row in the model.

    The other way round is no mistake: released models have 32128 rows for 32100 pieces.
    """
    if tokenizer_size > config.vocab_size:
        raise InputError(
            f"the tokenizer has {tokenizer_size} ids, the checkpoint a vocab_size of "
            f"{config.vocab_size}: they don't belong together, name the checkpoint's own tokenizer"
        )


def check_special_tokens(tokenizer_eos: int, tokenizer_pad: int, config: T5Config) -> None:
    """Raises InputError where pretrained weights know EOS and padding by other ids."""
    for name, id_, known in (
        ("EOS", tokenizer_eos, config.eos_token_id),
        ("padding", tokenizer_pad, config.pad_token_id),
    ):
        if id_ != known:
            raise InputError(
                f"{name} is {id_} in the tokenizer, {known} in the checkpoint: they don't belong "
                "together, name the checkpoint's own tokenizer"
            )


def abstract_params(config: T5Config) -> dict[str, Any]:
    """The parameter tree as ShapeDtypeStructs."""
    tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
    names = ("encoder_tokens", "encoder_segments", "decoder_inputs", "decoder_segments")
    batch = dict.fromkeys((*names, "segment_source"), tokens)
    return jax.eval_shape(T5(config).init, jax.random.key(0), batch)["params"]


def load_params(folder: Path, config: T5Config, mesh: Mesh) -> dict[str, Any]:
    """The parameters of a folder, each device reading only its slice.

    A tensor that is missing, unknown or of another shape than `config` says is an InputError.
    """
    abstract = abstract_params(config)
    shardings = leaf_shardings(abstract, mesh, LOGICAL_AXES)
    return load(SafetensorsFiles(folder), abstract, shardings, layout, IGNORED.__contains__)


def export(
    folder: Path, params: dict[str, Any], config: T5Config, tokenizer_folder: Path | None = None
) -> None:
    """Writes a folder that `transformers` loads, with the tokenizer's files if one is given.

    The folder appears whole or not at all; one that exists and isn't empty is an InputError.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists already, choose another folder or remove it")
    tensors = _to_tensors(params)
    if jax.process_index() != 0:
        return
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        save_file(tensors, partial / "model.safetensors", metadata={"format": "pt"})
        text = json.dumps(_config_values(config, tensors["shared.weight"].dtype), indent=2)
        (partial / "config.json").write_text(text + "\n", encoding="utf-8")
        for name in TOKENIZER_FILES if tokenizer_folder else ():
            if (Path(tokenizer_folder) / name).exists():
                shutil.copy(Path(tokenizer_folder) / name, partial / name)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _to_tensors(params: dict[str, Any]) -> dict[str, np.ndarray]:
    """The tensors of the parameters, on the host."""
    tensors = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if not leaf.is_fully_addressable:
            leaf = multihost_utils.process_allgather(leaf, tiled=True)
        tensors.update(layout(path_name(path), leaf.shape).split(np.asarray(leaf)))
    return tensors


def _config_values(config: T5Config, dtype: np.dtype) -> dict[str, Any]:
    """A config.json that transformers 4 and 5 read alike.

    Version 5 forces every T5 to be tied, reads tie_word_embeddings as the scale of the output where
    scale_decoder_outputs isn't written, and leaves a head alone that differs from the embedding.
    """
    values = dataclasses.asdict(config)
    for name in (*COMPUTATION, "gated", "tied"):
        del values[name]
    return {
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "is_encoder_decoder": True,
        "feed_forward_proj": "gated-gelu" if config.gated else "relu",
        "tie_word_embeddings": config.tied,
        "dtype": str(dtype),
        **values,
    }
