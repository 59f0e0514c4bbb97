"""Sizes and choices of a decoder of the Llama family.

Apart from the model, so that a config can be read and checked before JAX is imported.
"""

import dataclasses

from cotjax.errors import InputError
from cotjax.models.rope import Rope
from cotjax.models.t5_config import DTYPES


@dataclasses.dataclass(frozen=True)
class LayerKind:
    """What tells layers apart: how far they look back, and how they turn positions into angles."""

    window: int | None  # tokens that a query sees, itself included; None: all before it
    rope: Rope


@dataclasses.dataclass(frozen=True)
class CausalConfig:
    """Sizes and choices of one decoder; hashable, to be a static argument of jitted functions."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    layers: tuple[LayerKind, ...]
    max_position_embeddings: int  # the context it was trained for
    rms_norm_eps: float
    activation: str  # silu or gelu_pytorch_tanh
    tied: bool  # the head is the embedding
    qkv_bias: bool
    out_bias: bool
    qk_norm: bool  # a norm of each query's and key's head, before it is rotated
    norm_offset: float  # 1 where a norm multiplies by 1 + scale (Gemma)
    post_norms: bool  # a norm after attention and after the MLP, before the residual (Gemma)
    embedding_scale: float
    query_scale: float  # attention scores are multiplied by it
    attention_soft_cap: float | None = None  # c: scores become c tanh(scores / c)
    logit_soft_cap: float | None = None
    eos_token_ids: tuple[int, ...] = ()
    dtype: str = "float32"  # of parameters and computation
    scan_layers: bool = False  # stacked parameters in a compiled loop (accelerators), else apart

    def __post_init__(self):
        if self.dtype == "float16":
            raise InputError("teacher dtype: float16 overflows, use bfloat16 or float32")
        if self.dtype not in DTYPES:
            raise InputError(f"teacher dtype: {self.dtype!r} is not one of {', '.join(DTYPES)}")

    @property
    def wide_dtype(self) -> str:
        """Of angles, norms, softmax and logits: at least float32."""
        return "float64" if self.dtype == "float64" else "float32"
