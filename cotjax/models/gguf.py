"""Models in GGUF files, quantised or not, by the names and in the layout of Hugging Face.

Nothing but the header is read before a tensor is asked for, and of a tensor only the rows and
blocks that are asked for: a file may be larger than memory.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGML_QUANT_SIZES, MODEL_ARCH_NAMES, dequantize, get_tensor_name_map

from cotjax.errors import InputError
from cotjax.models.gguf_config import ROPE_FACTORS, check_architecture, read_config
from cotjax.models.gguf_header import Header, Tensor
from cotjax.models.gguf_tokenizer import build_tokenizer

# Hugging Face's modules in a decoder, outside its layers and in each of them.
MODULES = ("model.embed_tokens", "model.norm", "lm_head")
LAYER_MODULES = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "self_attn.q_norm",
    "self_attn.k_norm",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
CHUNK = 2**20  # values that are dequantised at a time, because it takes several times their memory


class GGUFFile:
    """A GGUF file as Hugging Face would ship its model.

    Attributes:
      source: The file.
      names: The names of its tensors.
      config: The values of its config.json.

    Raises:
      InputError: if the file is no GGUF, truncated, or of an unsupported architecture or type.
    """

    def __init__(self, path: str | Path):
        self.source = Path(path)
        self._header = Header(self.source)
        self._architecture = check_architecture(self._header)
        self._tensors = self._find_tensors()
        self.names = tuple(self._tensors)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The values of its config.json."""
        factors = self._header.tensors.get(ROPE_FACTORS)
        return read_config(self._header, None if factors is None else self._dequantize(factors))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        return self._tensor(name).shape

    def read(self, name: str, index: tuple[slice, ...] | None = None) -> np.ndarray:
        """A tensor in float32, or the part `index` of it: slices without steps.

        Only the rows in question are read, and of these the blocks in question.
        """
        tensor = self._tensor(name)
        rows, *columns = index or (slice(None),)
        if len(tensor.shape) == 1:
            values = self._dequantize(tensor)[self._row_order(name)[rows]]
        else:
            columns = columns[0] if columns else slice(None)
            values = self._dequantize(tensor, self._row_order(name)[rows], columns)
        # Gemma's norms multiply by 1 + weight; the converter has added the 1.
        if self._architecture.startswith("gemma") and name.endswith("norm.weight"):
            values -= 1
        return values

    def tokenizer(self) -> Any:
        """The tokenizer and its chat template, as a `transformers.PreTrainedTokenizerFast`."""
        return build_tokenizer(self._header)

    def _find_tensors(self) -> dict[str, Tensor]:
        """The tensors by Hugging Face's names; one that has none is an InputError."""
        names = self._names()
        tensors = {}
        for name, tensor in self._header.tensors.items():
            if name == ROPE_FACTORS:
                continue  # computed from the config, which is computed from it
            stem, _, suffix = name.rpartition(".")
            if stem not in names or suffix not in ("weight", "bias") or len(tensor.shape) > 2:
                raise InputError(
                    f"{self.source}: the tensor {name!r:.80} {tensor.shape} has no place in "
                    f"the architecture {self._architecture}"
                )
            tensors[f"{names[stem]}.{suffix}"] = tensor
        return tensors

    def _names(self) -> dict[str, str]:
        """Hugging Face's names of modules by llama.cpp's."""
        layers = self._header.get(f"{self._architecture}.block_count", int)
        if layers > len(self._header.tensors):
            raise InputError(
                f"{self.source}: {self._architecture}.block_count is {layers}, but the file "
                f"has {len(self._header.tensors)} tensors"
            )
        architecture = {name: key for key, name in MODEL_ARCH_NAMES.items()}[self._architecture]
        table = get_tensor_name_map(architecture, layers)
        modules = [*MODULES]
        for layer in range(layers):
            modules += [f"model.layers.{layer}.{module}" for module in LAYER_MODULES]
        return {table.get_name(module): module for module in modules if table.get_name(module)}

    def _tensor(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise InputError(f"{self.source}: the tensor {name} is missing")
        return self._tensors[name]

    def _row_order(self, name: str) -> np.ndarray:
        """The row in the file of each row of a tensor.

        llama.cpp rotates pairs of neighbours where Hugging Face rotates halves of a head, so the
        converter has interleaved the halves of each query and key head of a Llama.
        """
        rows = self.shape(name)[0]
        order = np.arange(rows)
        heads = {
            "q_proj": self.config["num_attention_heads"],
            "k_proj": self.config["num_key_value_heads"],
        }.get(name.split(".")[-2])
        if self._architecture != "llama" or heads is None:
            return order
        if rows % (2 * heads):
            raise InputError(f"{self.source}: {name} has {rows} rows for {heads} heads")
        return order.reshape(heads, -1, 2).swapaxes(1, 2).reshape(rows)

    def _dequantize(
        self,
        tensor: Tensor,
        rows: np.ndarray | None = None,
        columns: slice = slice(None),
    ) -> np.ndarray:
        """Rows of the file and a range of their columns in float32; a vector is one row."""
        raw = self._header.data[tensor.start : tensor.start + tensor.num_bytes]
        raw = raw.reshape(-1, tensor.row_bytes)
        rows = np.arange(len(raw)) if rows is None else rows
        block, size = GGML_QUANT_SIZES[tensor.type]
        start, stop, _ = columns.indices(tensor.shape[-1])
        first, last = start // block, -(-stop // block)
        values = np.empty((len(rows), max(0, stop - start)), np.float32)
        chunk = max(1, CHUNK // max(1, (last - first) * block))
        for begin in range(0, len(rows) if values.size else 0, chunk):
            part = np.ascontiguousarray(
                raw[rows[begin : begin + chunk], first * size : last * size]
            )
            part = dequantize(part, tensor.type)[:, start - first * block : stop - first * block]
            values[begin : begin + chunk] = part
        return values[0] if len(tensor.shape) == 1 else values
