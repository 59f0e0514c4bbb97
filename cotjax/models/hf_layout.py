"""Which Hugging Face tensors make up which of our parameters, and how.

Hugging Face stores a linear map as (output, input) and every layer apart; our kernels are
(input, output), and the layers of a stack lie on axis 0.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

# Our names in a block of Hugging Face's T5, in the order of its numbered sublayers.
SUBLAYERS = {
    "encoder": ("self_attention", "mlp"),
    "decoder": ("self_attention", "cross_attention", "mlp"),
}
MODULES = {
    "self_attention": "SelfAttention",
    "cross_attention": "EncDecAttention",
    "mlp": "DenseReluDense",
}
MATRICES = {"query": "q", "key": "k", "value": "v", "out": "o"}

# Old checkpoints repeat the embedding and carry a bias that T5 never used; transformers skips both.
IGNORED = {
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """How one parameter lies in a file: in one tensor, or where it is stacked in one a layer."""

    names: tuple[str, ...]
    stacked: bool
    transposed: bool

    @classmethod
    def of(cls, path: str, shape: tuple[int, ...]) -> "Layout":
        """The layout of the parameter at `path` ('encoder/layers/mlp/wo/kernel')."""
        stacked = "/layers/" in path
        name = _name(path)
        names = tuple(name.format(layer=layer) for layer in range(shape[0])) if stacked else (name,)
        return cls(names, stacked, transposed=path.endswith("/kernel"))

    def tensor_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of each tensor of a parameter of this shape."""
        shape = shape[1:] if self.stacked else shape
        return shape[::-1] if self.transposed else shape

    def read(self, tensor: Callable, index: tuple[slice, ...]) -> np.ndarray:
        """The part `index` of the parameter; `tensor(name)` is something to index with slices."""
        names, index = (self.names[index[0]], index[1:]) if self.stacked else (self.names, index)
        parts = [tensor(name)[index[::-1] if self.transposed else index] for name in names]
        parts = [part.T for part in parts] if self.transposed else parts
        return np.stack(parts) if self.stacked else parts[0]

    def split(self, parameter: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """The tensors of a parameter, each with its name."""
        for name, part in zip(self.names, parameter if self.stacked else [parameter], strict=True):
            # The writer takes the bytes as they lie, so a view would be written untransposed.
            yield name, np.ascontiguousarray(part.T if self.transposed else part)


def _name(path: str) -> str:
    """The name of the tensor, with a place for the layer's number in a stack."""
    stack, *rest = path.split("/")
    if stack == "shared":
        return "shared.weight"
    if stack == "lm_head":
        return "lm_head.weight"
    if rest[0] == "final_norm":
        return f"{stack}.final_layer_norm.weight"
    if rest[0] == "relative_bias":
        return f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    _, sublayer, matrix, _ = rest
    module = (
        "layer_norm" if matrix == "norm" else f"{MODULES[sublayer]}.{MATRICES.get(matrix, matrix)}"
    )
    return f"{stack}.block.{{layer}}.layer.{SUBLAYERS[stack].index(sublayer)}.{module}.weight"
