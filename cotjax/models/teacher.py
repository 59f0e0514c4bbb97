"""A teacher from a folder, the Hub or a GGUF file: its config, its weights and its tokenizer."""

import dataclasses
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from cotjax.models.causal_config import CausalConfig
from cotjax.models.causal_fields import read_causal_config, read_eos_token_ids
from cotjax.models.causal_layout import TensorNames, abstract_params, is_ignored, param_shardings
from cotjax.models.gguf import GGUFFile
from cotjax.models.hub import load_fast_tokenizer, read_json, resolve, resolve_tokenizer
from cotjax.models.safetensors_files import SafetensorsFiles
from cotjax.models.weights import Tensors, load


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A model to sample from.

    Attributes:
      config: Its sizes and choices.
      params: Its parameters in the shards of a mesh.
      tokenizer: A tokenizer of transformers, with the chat template if there is one.
    """

    config: CausalConfig
    params: dict[str, Any]
    tokenizer: Any


def load_causal(source: str, mesh: Mesh, dtype: str | None = None) -> Teacher:
    """Loads a decoder of the Llama family.

    Args:
      source: A folder in Hugging Face's layout, an id of the Hub, or a `.gguf` file.
      mesh: Where the parameters are to lie; each process reads what its devices hold.
      dtype: Of parameters and computation; by default bfloat16, float32 on CPU.

    Raises:
      InputError: nothing there, a model that is not supported, or files that don't fit together.
    """
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    choices = {
        "dtype": dtype or ("float32" if on_cpu else "bfloat16"),
        "scan_layers": not on_cpu,
    }
    if source.endswith(".gguf"):
        file = GGUFFile(Path(source).expanduser())
        config = _config(file.config, str(file.source), file, choices)
        return Teacher(config, load_params(file, config, mesh), file.tokenizer())
    folder = resolve(source)
    tensors = SafetensorsFiles(folder)
    config = read_config(folder, tensors, **choices)
    tokenizer = load_fast_tokenizer(folder)  # first, because it is the faster one to fail
    return Teacher(config, load_params(tensors, config, mesh), tokenizer)


def load_tokenizer(source: str) -> Any:
    """Loads the tokenizer of a teacher alone, from what `load_causal` takes."""
    if source.endswith(".gguf"):
        return GGUFFile(Path(source).expanduser()).tokenizer()
    return load_fast_tokenizer(resolve_tokenizer(source))


def read_config(folder: Path, tensors: Tensors, **choices: Any) -> CausalConfig:
    """The config of a folder; `choices` are dtype and scan_layers, of which its files don't speak.

    generation_config.json may name more tokens that end a text than config.json, and is heard.
    """
    path, generation = Path(folder) / "config.json", Path(folder) / "generation_config.json"
    config = _config(read_json(path), str(path), tensors, choices)
    if not generation.exists():
        return config
    more = read_eos_token_ids(read_json(generation), str(generation))
    ids = tuple(sorted({*config.eos_token_ids, *more}))
    return dataclasses.replace(config, eos_token_ids=ids)


def load_params(tensors: Tensors, config: CausalConfig, mesh: Mesh) -> dict[str, Any]:
    """The parameters that a folder or file holds, each device reading only its slice.

    A tensor that is missing, unknown or of another shape than `config` says is an InputError.
    """
    layout = TensorNames.of(tensors.names).layout(config)
    shardings = param_shardings(config, mesh)
    return load(tensors, abstract_params(config), shardings, layout, is_ignored)


def _config(
    values: dict[str, Any], origin: str, tensors: Tensors, choices: dict[str, Any]
) -> CausalConfig:
    has_head = TensorNames.of(tensors.names).head in tensors.names
    return read_causal_config(values, origin, has_head=has_head, **choices)
