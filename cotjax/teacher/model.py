"""A teacher that can be sampled from: a decoder of the Llama family, or a T5."""

import dataclasses
from typing import Any

from jax.sharding import Mesh

from cotjax.decoding.causal_reader import CausalReader
from cotjax.decoding.engine import Reader
from cotjax.decoding.t5_reader import T5Reader
from cotjax.errors import InputError
from cotjax.models import hf
from cotjax.models.hub import read_json, resolve, resolve_tokenizer
from cotjax.models.teacher import load_causal, load_tokenizer
from cotjax.teacher.prompt_tokens import PromptSet


@dataclasses.dataclass(frozen=True)
class Model:
    """What the sampler needs of a teacher.

    Attributes:
      reader: Reads text.
      params: Parameters in the shards of a mesh.
      tokenizer: Of transformers.
      ends: Tokens that end a text.
      context: Tokens of prompt and sample together at most; None where there is no limit.
      first: What stands between a prompt and the first token of a sample.
      shares_prefix: Whether the beginning of prompts can be read before the rest is known.
    """

    reader: Reader
    params: Any
    tokenizer: Any
    ends: tuple[int, ...]
    context: int | None
    first: tuple[int, ...]
    shares_prefix: bool

    def check_tokens(self, prompts: PromptSet) -> None:
        """Refuses prompts with tokens that the model has no embedding for."""
        size, shared = self.reader.config.vocab_size, max(prompts.prefix_ids, default=0)
        for prompt in prompts.prompts:
            largest = max(shared, *map(max, prompt.contexts))
            if largest >= size:
                raise InputError(
                    f"question {prompt.id!r}: the tokenizer makes token {largest} of its prompt,"
                    f" but the teacher has a vocabulary of {size:,}: they do not belong together"
                )


def load_model(source: str, mesh: Mesh, dtype: str | None = None) -> Model:
    """Loads a teacher.

    Args:
      source: A folder in Hugging Face's layout, an id of the Hub, or a `.gguf` file.
      mesh: Where the parameters are to lie.
      dtype: Of parameters and computation; by default that of `default_dtype`.

    Raises:
      InputError: nothing there, a model that is not supported, or files that don't fit together.
    """
    dtype = dtype or default_dtype(mesh)
    if source.endswith(".gguf") or not _is_t5(source):
        teacher = load_causal(source, mesh, dtype)
        return Model(
            reader=CausalReader(teacher.config),
            params=teacher.params,
            tokenizer=teacher.tokenizer,
            ends=teacher.config.eos_token_ids,
            context=teacher.config.max_position_embeddings,
            first=(),
            shares_prefix=True,
        )
    folder, on_cpu = resolve(source), _on_cpu(mesh)
    config = hf.read_config(folder, dtype=dtype, scan_layers=not on_cpu)
    return Model(
        reader=T5Reader(config),
        params=hf.load_params(folder, config, mesh),
        tokenizer=load_tokenizer(source),
        ends=(config.eos_token_id,),
        context=None,  # relative positions: any length can be read
        first=(config.decoder_start_token_id,),
        shares_prefix=False,
    )


def default_dtype(mesh: Mesh) -> str:
    """The type of numbers that suits the devices."""
    return "float32" if _on_cpu(mesh) else "bfloat16"


def revision_of(source: str) -> str | None:
    """The commit of a model of the Hub; None for a folder or file of the user's."""
    if source.endswith(".gguf"):
        return None
    folder = resolve_tokenizer(source)
    return folder.name if folder.parent.name == "snapshots" else None


def _is_t5(source: str) -> bool:
    return read_json(resolve(source) / "config.json").get("model_type") == "t5"


def _on_cpu(mesh: Mesh) -> bool:
    return mesh.devices.flat[0].platform == "cpu"
