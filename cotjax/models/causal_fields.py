"""Reads the config.json of a decoder of the Llama family.

Covers Llama 2 and 3, SmolLM 1 and 2, Mistral, Qwen2, Qwen2.5, Qwen3, and the text of Gemma 2 and 3,
as transformers 4 (rope_theta, rope_scaling, sliding_window_pattern) and 5 (rope_parameters,
layer_types) write them. What is not supported is refused by name.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from cotjax.errors import InputError
from cotjax.models.causal_config import CausalConfig, LayerKind
from cotjax.models.rope import Rope, read_rope

# What transformers takes where a config.json is silent: that of Gemma 3 4B names six fields.
_COMMON = {"rope_theta": 1e4, "rms_norm_eps": 1e-6, "tie_word_embeddings": False}
_QWEN = {"sliding_window": 4096, "max_window_layers": 28, "max_position_embeddings": 32768}
_GEMMA = {
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "query_pre_attn_scalar": 256,
    "hidden_activation": "gelu_pytorch_tanh",
    "sliding_window": 4096,
    "tie_word_embeddings": True,
    "eos_token_id": 1,
}
_GEMMA3 = _GEMMA | {
    "vocab_size": 262208,
    "max_position_embeddings": 131072,
    "sliding_window_pattern": 6,
    "rope_theta": 1e6,
    "rope_local_base_freq": 1e4,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": {"max_position_embeddings": 2048, "eos_token_id": 2},
    "mistral": {"max_position_embeddings": 131072, "sliding_window": 4096, "eos_token_id": 2},
    "qwen2": _QWEN,
    "qwen3": _QWEN | {"head_dim": 128},
    "gemma2": _GEMMA
    | {
        "vocab_size": 256000,
        "max_position_embeddings": 8192,
        "sliding_window_pattern": 2,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
    },
    "gemma3": _GEMMA3,  # with images; the values of the text are nested
    "gemma3_text": _GEMMA3,
}

_GEMMAS = ("gemma2", "gemma3_text")
# Optional features by their field: the value that turns one off, and the models that may have it.
FEATURES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "attention_bias": (False, ("llama", "qwen2", "qwen3", *_GEMMAS)),
    "attn_logit_softcapping": (None, ("gemma2",)),
    "final_logit_softcapping": (None, _GEMMAS),
    "mlp_bias": (False, ()),
    "partial_rotary_factor": (1, ()),
    "quantization_config": (None, ()),
    "use_bidirectional_attention": (False, ()),
}
ACTIVATIONS = ("silu", "gelu_pytorch_tanh")
LAYER_TYPES = ("full_attention", "sliding_attention")
MOST = 2**31 - 1  # of any size: JAX counts in 32 bits
MOST_LAYERS = 1_000  # the largest models have 126


def read_causal_config(
    values: Mapping[str, Any], origin: str, *, has_head: bool, **choices: Any
) -> CausalConfig:
    """The config that a config.json describes.

    Args:
      values: What the file holds, or a GGUF file in the same terms.
      origin: Of the values, for messages.
      has_head: Whether the weights hold lm_head.weight: then they are untied, whatever is said.
      choices: dtype and scan_layers, of which no file speaks.

    Raises:
      InputError: a field is missing, mistyped or asks for what is not supported.
    """
    fields = _read_fields(values, origin)
    hidden_size, heads = fields.whole("hidden_size"), fields.whole("num_attention_heads")
    head_dim = fields.whole("head_dim", hidden_size // heads)
    key_value_heads = fields.whole("num_key_value_heads", heads)
    if heads % key_value_heads or head_dim % 2:
        raise InputError(
            f"{origin}: {heads} attention heads of size {head_dim} can't share "
            f"{key_value_heads} key-value heads and be rotated"
        )
    # Nested values may name one end, and those outside of them all that the model was taught.
    ids = {*read_eos_token_ids(values, origin), *read_eos_token_ids(fields.values, origin)}
    gemma, qwen2 = fields.model_type in _GEMMAS, fields.model_type == "qwen2"
    return CausalConfig(
        vocab_size=fields.whole("vocab_size"),
        hidden_size=hidden_size,
        intermediate_size=fields.whole("intermediate_size"),
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        head_dim=head_dim,
        layers=_layers(fields),
        max_position_embeddings=fields.whole("max_position_embeddings"),
        rms_norm_eps=fields.number("rms_norm_eps"),
        activation=_activation(fields),
        tied=fields.flag("tie_word_embeddings") and not has_head,
        qkv_bias=qwen2 or fields.flag("attention_bias"),
        out_bias=fields.flag("attention_bias") and not qwen2,
        qk_norm=fields.model_type in ("qwen3", "gemma3_text"),
        norm_offset=1.0 if gemma else 0.0,
        post_norms=gemma,
        embedding_scale=hidden_size**0.5 if gemma else 1.0,
        query_scale=(fields.number("query_pre_attn_scalar") if gemma else head_dim) ** -0.5,
        attention_soft_cap=fields.optional_number("attn_logit_softcapping"),
        logit_soft_cap=fields.optional_number("final_logit_softcapping"),
        eos_token_ids=tuple(sorted(ids)),
        **choices,
    )


def read_eos_token_ids(values: Mapping[str, Any], origin: str) -> set[int]:
    """The tokens that end a text: one number, a list or nothing."""
    value = values.get("eos_token_id")
    ids = value if isinstance(value, list) else [] if value is None else [value]
    if not all(type(id_) is int for id_ in ids):
        raise InputError(f"{origin}: eos_token_id is {value!r}, not a token or a list of tokens")
    return set(ids)


@dataclasses.dataclass(frozen=True)
class _Fields:
    """The values of a config.json over their defaults; each is checked when it is asked for."""

    values: Mapping[str, Any]
    model_type: str
    origin: str

    def whole(self, name: str, default: int | None = None) -> int:
        """A positive whole number; null or absent means the default."""
        value = default if self.values.get(name) is None else self.values[name]
        good = type(value) is int and 0 < value <= MOST
        return self._checked(name, value, good, "a positive whole number below 2**31")

    def count(self, name: str) -> int:
        """A whole number that may be 0."""
        value = self.values.get(name)
        return self._checked(name, value, type(value) is int and value >= 0, "a whole number")

    def number(self, name: str) -> float:
        """A positive number."""
        value = self.values.get(name)
        good = type(value) in (int, float) and 0 < value < math.inf
        return self._checked(name, value, good, "a number > 0")

    def optional_number(self, name: str) -> float | None:
        """A positive number, or None where it is null or absent."""
        return None if self.values.get(name) is None else self.number(name)

    def flag(self, name: str) -> bool:
        """True or False; null or absent means False."""
        value = self.values.get(name) or False
        return self._checked(name, value, type(value) is bool, "true or false")

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object; null or absent means an empty one."""
        value = self.values.get(name) or {}
        return self._checked(name, value, isinstance(value, Mapping), "an object")

    def _checked(self, name: str, value: Any, good: bool, wanted: str) -> Any:
        if value is None:
            raise InputError(f"{self.origin}: {name} is missing")
        if not good:
            raise InputError(f"{self.origin}: {name} is {value!r:.80}, not {wanted}")
        return value


def _read_fields(values: Mapping[str, Any], origin: str) -> _Fields:
    """The values of the text model, once nothing that is not supported is among them."""
    model_type = values.get("model_type")
    if not isinstance(model_type, str) or model_type not in DEFAULTS:
        known = ", ".join(DEFAULTS)
        raise InputError(f"{origin}: model_type {model_type!r} is not supported, only {known}")
    if model_type == "gemma3":
        text = values.get("text_config")
        if not isinstance(text, Mapping):
            raise InputError(f"{origin}: text_config is missing")
        values, model_type = {**values, **text}, "gemma3_text"
    values = _COMMON | DEFAULTS[model_type] | dict(values)
    for name, (off, owners) in FEATURES.items():
        value = values.get(name)
        if value is not None and value != off and model_type not in owners:
            raise InputError(f"{origin}: {name} of a {model_type} model is not supported")
    return _Fields(values, model_type, origin)


def _activation(fields: _Fields) -> str:
    # Where Gemma names both, hidden_activation counts.
    name = fields.values.get("hidden_activation") or fields.values.get("hidden_act", "silu")
    if name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise InputError(f"{fields.origin}: the activation {name!r} is not one of {known}")
    return name


def _layers(fields: _Fields) -> tuple[LayerKind, ...]:
    """The kind of every layer."""
    ropes = _ropes(fields)
    slides = fields.flag("use_sliding_window") or not fields.model_type.startswith("qwen")
    window = fields.values.get("sliding_window") and fields.whole("sliding_window")
    kinds = {
        "full_attention": LayerKind(None, ropes["full_attention"]),
        "sliding_attention": LayerKind(window if slides else None, ropes["sliding_attention"]),
    }
    return tuple(kinds[layer_type] for layer_type in _layer_types(fields))


def _layer_types(fields: _Fields) -> list[str]:
    """Of every layer one of LAYER_TYPES: as written out, or by the rule of the model."""
    count, types = fields.whole("num_hidden_layers"), fields.values.get("layer_types")
    if count > MOST_LAYERS:
        raise InputError(f"{fields.origin}: num_hidden_layers is {count}, above {MOST_LAYERS}")
    if types is None:
        return [LAYER_TYPES[_slides(fields, number)] for number in range(count)]
    if not isinstance(types, list) or len(types) != count:
        raise InputError(f"{fields.origin}: layer_types is not a list of {count} names")
    for name in types:
        if name not in LAYER_TYPES:
            raise InputError(f"{fields.origin}: the layer type {name!r} is not supported")
    return types


def _slides(fields: _Fields, number: int) -> bool:
    """Whether a layer has a sliding window where layer_types is not written out."""
    if fields.model_type.startswith("qwen"):
        return number >= fields.count("max_window_layers")
    if fields.model_type in _GEMMAS:
        return (number + 1) % fields.whole("sliding_window_pattern") != 0
    return fields.model_type == "mistral"


def _ropes(fields: _Fields) -> dict[str, Rope]:
    """The rotary embedding of each layer type.

    They differ in Gemma 3 alone, whose rope_scaling is that of the layers without a window.
    """
    context, origin = fields.whole("max_position_embeddings"), fields.origin
    parameters = fields.mapping("rope_scaling") or fields.mapping("rope_parameters")
    nested = any(layer_type in parameters for layer_type in LAYER_TYPES)
    theta = fields.number("rope_theta")
    local = fields.optional_number("rope_local_base_freq")
    full = parameters.get("full_attention") or {} if nested else parameters
    sliding = parameters.get("sliding_attention") or {} if nested else {} if local else full
    if not (isinstance(full, Mapping) and isinstance(sliding, Mapping)):
        raise InputError(f"{origin}: the rope scaling of a layer type is not an object")
    return {
        "full_attention": read_rope(full, theta, context, origin),
        "sliding_attention": read_rope(sliding, local or theta, context, origin),
    }
