"""Sizes of the released T5 models and the logical axes of their parameters.

Apart from the model, so that a config can be checked before JAX is imported.
"""

import dataclasses
from typing import Any

from cotjax.errors import InputError

DTYPES = ("float32", "bfloat16", "float64")
REMAT = ("none", "full", "dots")
# Where else than XLA's a kernel is: JAX's names of platforms, and ours.
PLATFORMS = {"cudnn": (("gpu", "cuda"), "an NVIDIA GPU"), "pallas": (("tpu",), "a TPU")}
ATTENTION = ("xla", *PLATFORMS)
PALLAS_ROWS = range(128, 1025, 128)  # lengths that the kernel takes
COMPUTATION = ("dtype", "remat", "attention", "scan_layers")  # fields that no checkpoint has


@dataclasses.dataclass(frozen=True)
class T5Config:
    """Sizes and choices of one T5; hashable, to be a static argument of jitted functions."""

    vocab_size: int
    d_model: int
    d_kv: int
    d_ff: int
    num_layers: int
    num_decoder_layers: int
    num_heads: int
    gated: bool  # gated GELU (v1.1, Flan), else ReLU (v1.0)
    tied: bool  # the head is the transposed embedding
    scale_decoder_outputs: bool  # multiply by d_model ** -0.5 before the head (v1.0)
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    dropout_rate: float = 0.1
    dtype: str = "float32"  # of the computation; parameters stay float32
    remat: str = "none"  # recomputed backwards: none, full layers, or all but the products (dots)
    attention: str = "xla"  # of whole sequences: XLA's, or fused by cuDNN (a GPU) or ours (a TPU)
    scan_layers: bool = False  # one compiled layer in a loop, else unrolled: see `computation`
    decoder_start_token_id: int = 0
    eos_token_id: int = 1
    pad_token_id: int = 0

    def __post_init__(self):
        if self.dtype == "float16":
            raise InputError("model.dtype: float16 overflows in T5, use bfloat16 or float32")
        for field, known in (("dtype", DTYPES), ("remat", REMAT), ("attention", ATTENTION)):
            if getattr(self, field) not in known:
                value = getattr(self, field)
                raise InputError(f"model.{field}: {value!r} is not one of {', '.join(known)}")
        if self.attention == "cudnn" and self.dtype != "bfloat16":
            raise InputError(f"model.attention: cudnn needs model.dtype=bfloat16, not {self.dtype}")
        if self.attention == "pallas" and self.dtype == "float64":
            raise InputError("model.attention: pallas has no model.dtype=float64")

    @property
    def wide_dtype(self) -> str:
        """Of parameters, norms, softmax and logits: at least float32."""
        return "float64" if self.dtype == "float64" else "float32"


def computation(section: Any, platform: str) -> dict[str, Any]:
    """Fields of a T5Config by the `model` section of a config, decided where it leaves them open.

    Layers are unrolled on a CPU, unless something is to be recomputed: its compiler would find what
    an unrolled backward pass computes again in the forward pass, and keep it. Where there is no
    such attention, as on the machine on which a run for a TPU is planned, it is XLA's.
    """
    on_cpu = platform == "cpu"
    loop = not on_cpu or section.remat != "none"
    return {
        "dtype": section.dtype or ("float32" if on_cpu else "bfloat16"),
        "scan_layers": loop if section.scan_layers is None else section.scan_layers,
        "remat": section.remat,
        "attention": section.attention if has_attention(section.attention, platform) else "xla",
        "dropout_rate": section.dropout_rate,
    }


def has_attention(attention: str, platform: str) -> bool:
    """Whether devices have an attention."""
    return attention == "xla" or platform in PLATFORMS[attention][0]


def check_attention(attention: str, platform: str) -> None:
    """Refuses a config's attention on devices that don't have it."""
    if not has_attention(attention, platform):
        needed = PLATFORMS[attention][1]
        raise InputError(f"config.model.attention={attention} needs {needed}: use xla")


def check_rows(attention: str, **lengths: int) -> None:
    """Refuses rows of `encoder` and `decoder` lengths that a config's attention doesn't take."""
    for name, length in lengths.items():
        if attention == "pallas" and length not in PALLAS_ROWS:
            raise InputError(
                f"config.model.attention=pallas takes rows of a multiple of 128 tokens, at most "
                f"{PALLAS_ROWS[-1]}, not of {length}: set config.data.{name}_length, or use xla"
            )


def _preset(d_model, d_kv, d_ff, num_layers, num_heads, gated):
    return T5Config(
        vocab_size=32128,
        d_model=d_model,
        d_kv=d_kv,
        d_ff=d_ff,
        num_layers=num_layers,
        num_decoder_layers=num_layers,
        num_heads=num_heads,
        gated=gated,
        tied=not gated,
        scale_decoder_outputs=not gated,
    )


_GATED_SHAPES = {
    "small": _preset(512, 64, 1024, 8, 6, gated=True),
    "base": _preset(768, 64, 2048, 12, 12, gated=True),
    "large": _preset(1024, 64, 2816, 24, 16, gated=True),
    "xl": _preset(2048, 64, 5120, 24, 32, gated=True),
    "xxl": _preset(4096, 64, 10240, 24, 64, gated=True),
}
PRESETS = {
    "t5-small": _preset(512, 64, 2048, 6, 8, gated=False),
    "t5-base": _preset(768, 64, 3072, 12, 12, gated=False),
    "t5-large": _preset(1024, 64, 4096, 24, 16, gated=False),
    "t5-3b": _preset(1024, 128, 16384, 24, 32, gated=False),
    "t5-11b": _preset(1024, 128, 65536, 24, 128, gated=False),
    **{f"t5-v1_1-{size}": shape for size, shape in _GATED_SHAPES.items()},
    **{f"flan-t5-{size}": shape for size, shape in _GATED_SHAPES.items()},
}

# Parameter path -> the logical name of each axis; the first pattern found in the path counts. The
# patterns have no anchors, because the paths of an optimizer's state contain the parameter's.
LOGICAL_AXES = (
    (r"shared/embedding", ("vocab", "embed")),
    (r"relative_bias/embedding", (None, "heads")),
    (r"layers/\w+/norm/scale", ("layers", None)),
    (r"final_norm/scale", (None,)),
    (r"layers/\w+/(query|key|value)/kernel", ("layers", "embed", "joined_kv")),
    (r"layers/\w+/out/kernel", ("layers", "joined_kv", "embed")),
    (r"layers/mlp/wi(_[01])?/kernel", ("layers", "embed", "mlp")),
    (r"layers/mlp/wo/kernel", ("layers", "mlp", "embed")),
    (r"lm_head/kernel", ("embed", "vocab")),
)
