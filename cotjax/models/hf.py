"""T5 weights in and out of the Hugging Face format: config.json and safetensors, no torch.

Tensors are mapped into memory and cut before they are read, straight into the shards of the mesh:
no process reads more of one than its own devices hold.
"""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from huggingface_hub import snapshot_download
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cotjax.errors import InputError
from cotjax.mesh import leaf_shardings
from cotjax.models.hf_layout import IGNORED, Layout
from cotjax.models.t5 import LOGICAL_AXES, T5, T5Config

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "spiece.model",
)
TOKENIZER_PATTERNS = ("config.json", *TOKENIZER_FILES)  # the config may name the tokenizer's class
MODEL_PATTERNS = ("model*.safetensors", "model.safetensors.index.json", *TOKENIZER_PATTERNS)
PICKLED = (
    "pickled weights (*.bin) can run code when read; if you trust them, transformers' "
    "save_pretrained turns them into safetensors"
)


def resolve(source: str) -> Path:
    """The local folder of a model: `source` itself, or a copy of the Hub id that it is.

    From the Hub come config, safetensors and tokenizer alone, never pickled weights or code.
    """
    folder = _resolve(source, MODEL_PATTERNS)
    from_hub = folder != Path(source).expanduser()
    if from_hub and not any(folder.glob("model*.safetensors")):
        raise InputError(f"{source}: no safetensors came from the Hub; {PICKLED}")
    return folder


def resolve_tokenizer(source: str) -> Path:
    """The local folder of a tokenizer, as `resolve` finds it; no weights come along."""
    return _resolve(source, TOKENIZER_PATTERNS)


def _resolve(source: str, patterns: tuple[str, ...]) -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or source.startswith(".") or source.count("/") > 1:
        raise InputError(f"{source}: no such folder")
    try:
        return Path(snapshot_download(source, allow_patterns=list(patterns)))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{source}: neither a folder nor a model of the Hub: {reason}") from error


def read_config(folder: Path, **overrides: Any) -> T5Config:
    """The T5Config of a folder; `overrides` (dtype, remat, ...) are what its files don't say.

    Untied is decided by the weights, because transformers 5 writes every T5 as tied.
    """
    path = Path(folder) / "config.json"
    values = {name: value for name, value in _read_json(path).items() if value is not None}
    if values.get("model_type") != "t5":
        raise InputError(f"{path}: model_type is {values.get('model_type')!r}, only 't5' is read")
    projection = values.get("feed_forward_proj", "relu")
    if projection not in ("relu", "gated-gelu"):
        raise InputError(f"{path}: feed_forward_proj is {projection!r}, not relu or gated-gelu")
    values.setdefault("num_decoder_layers", values.get("num_layers"))
    values.setdefault("scale_decoder_outputs", values.get("tie_word_embeddings", True))
    values["gated"] = projection == "gated-gelu"
    values["tied"] = "lm_head.weight" not in _Tensors(folder).files
    return T5Config(**_checked_fields(path, values) | overrides)


def _checked_fields(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """The fields of T5Config among the values of a config.json, but not how to compute."""
    fields = {}
    for field in dataclasses.fields(T5Config):
        if field.name in ("dtype", "remat", "scan_layers"):
            continue
        value = values.get(field.name, field.default)
        if value is dataclasses.MISSING:
            raise InputError(f"{path}: {field.name} is missing")
        if not isinstance(value, (int, float) if field.type is float else field.type):
            raise InputError(
                f"{path}: {field.name} is {value!r}, not of type {field.type.__name__}"
            )
        fields[field.name] = value
    return fields


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
    tensors = _Tensors(folder)
    abstract = abstract_params(config)
    _check_tensors(tensors, abstract)

    def load(path, leaf, sharding) -> jax.Array:
        layout = _layout(path, leaf)
        pieces = {}  # devices that hold copies of one another share what is read

        def read(index: tuple[slice, ...]) -> np.ndarray:
            key = str(index)
            if key not in pieces:
                pieces[key] = layout.read(tensors.slices, index).astype(leaf.dtype, copy=False)
            return pieces[key]

        return jax.make_array_from_callback(leaf.shape, sharding, read)

    shardings = leaf_shardings(abstract, mesh, LOGICAL_AXES)
    return jax.tree_util.tree_map_with_path(load, abstract, shardings)


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


class _Tensors:
    """The tensors of a folder by name; a file is mapped into memory when first needed."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self._open: dict[str, Any] = {}
        self.files = self._find_files()  # tensor name -> file name

    def _find_files(self) -> dict[str, str]:
        single = "model.safetensors"
        if (self.folder / single).exists():
            return dict.fromkeys(self._file(single).keys(), single)
        index = self.folder / "model.safetensors.index.json"
        if index.exists():
            files = _read_json(index).get("weight_map")
            if not isinstance(files, dict):
                raise InputError(f"{index}: weight_map is missing")
            return files
        if any(self.folder.glob("*.bin")):
            raise InputError(f"{self.folder}: holds no safetensors; {PICKLED}")
        raise InputError(f"{self.folder}: holds no model.safetensors or {index.name}")

    def _file(self, name: str) -> Any:
        if name not in self._open:
            path = self.folder / name
            try:
                self._open[name] = safe_open(path, framework="np")
            except (SafetensorError, OSError) as error:
                raise InputError(
                    f"{path}: truncated, missing or no safetensors: {error}"
                ) from error
        return self._open[name]

    def slices(self, name: str) -> Any:
        """The tensor as something to index with slices, which alone are then read."""
        try:
            return self._file(self.files[name]).get_slice(name)
        except SafetensorError as error:
            path = self.folder / self.files[name]
            raise InputError(f"{path}: tensor {name} of the index is missing") from error


def _check_tensors(tensors: _Tensors, abstract: dict[str, Any]) -> None:
    """Names and shapes, before anything is read."""
    unknown = set(tensors.files) - IGNORED
    for path, leaf in jax.tree_util.tree_leaves_with_path(abstract):
        layout = _layout(path, leaf)
        expected = list(layout.tensor_shape(leaf.shape))
        for name in layout.names:
            if name not in tensors.files:
                raise InputError(f"{tensors.folder}: the tensor {name} is missing")
            found = tensors.slices(name).get_shape()
            if found != expected:
                raise InputError(
                    f"{tensors.folder}: {name} has the shape {found}, config.json says {expected}"
                )
        unknown.difference_update(layout.names)
    if unknown:
        raise InputError(
            f"{tensors.folder}: holds {min(unknown)}, for which config.json has no place"
        )


def _layout(path: tuple, leaf: Any) -> Layout:
    return Layout.of(jax.tree_util.keystr(path, simple=True, separator="/"), leaf.shape)


def _to_tensors(params: dict[str, Any]) -> dict[str, np.ndarray]:
    """The tensors of the parameters, on the host."""
    tensors = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if not leaf.is_fully_addressable:
            leaf = multihost_utils.process_allgather(leaf, tiled=True)
        tensors.update(_layout(path, leaf).split(np.asarray(leaf)))
    return tensors


def _config_values(config: T5Config, dtype: np.dtype) -> dict[str, Any]:
    """A config.json that transformers 4 and 5 read alike.

    Version 5 forces every T5 to be tied, reads tie_word_embeddings as the scale of the output where
    scale_decoder_outputs isn't written, and leaves a head alone that differs from the embedding.
    """
    values = dataclasses.asdict(config)
    for name in ("dtype", "remat", "scan_layers", "gated", "tied"):
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


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing, this is no folder of a model") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON in UTF-8: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a JSON object")
    return values
