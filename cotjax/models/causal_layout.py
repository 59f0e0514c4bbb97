"""The parameters of a decoder: their shapes, their sharding and their names in a file.

The layers are stacked on axis 0 ('layers/mlp/up/kernel') for a compiled loop, or apart
('layers/3/mlp/up/kernel').
"""

import dataclasses
import re
from collections.abc import Collection
from typing import Any

import jax
from jax.sharding import Mesh

from cotjax.mesh import leaf_shardings
from cotjax.models.causal_config import CausalConfig
from cotjax.models.weights import Layout, LayoutOf

# Parameter path -> the logical name of each axis, for one layer and for what is outside of them.
_LAYER_AXES = (
    (r"norm/scale", (None,)),
    (r"query/kernel", ("embed", "heads")),
    (r"query/bias", ("heads",)),
    (r"(key|value)/kernel", ("embed", "joined_kv")),
    (r"(key|value)/bias", ("joined_kv",)),
    (r"out/kernel", ("heads", "embed")),
    (r"out/bias", (None,)),
    (r"(gate|up)/kernel", ("embed", "mlp")),
    (r"down/kernel", ("mlp", "embed")),
)
LOGICAL_AXES = (
    (r"(embed|lm_head)/embedding", ("vocab", "embed")),
    (r"final_norm/scale", (None,)),
    *((rf"layers/\d+/.*{pattern}", axes) for pattern, axes in _LAYER_AXES),
    *((rf"layers/.*{pattern}", ("layers", *axes)) for pattern, axes in _LAYER_AXES),
)

# The names of a layer's modules in a file. Where Gemma has norms on both sides of a sublayer, the
# name of Llama's norm before the MLP is that of the one after attention.
_MODULES = {
    "attention/norm": "input_layernorm",
    "attention/query": "self_attn.q_proj",
    "attention/key": "self_attn.k_proj",
    "attention/value": "self_attn.v_proj",
    "attention/out": "self_attn.o_proj",
    "attention/query_norm": "self_attn.q_norm",
    "attention/key_norm": "self_attn.k_norm",
    "attention/post_norm": "post_attention_layernorm",
    "mlp/norm": "post_attention_layernorm",
    "mlp/gate": "mlp.gate_proj",
    "mlp/up": "mlp.up_proj",
    "mlp/down": "mlp.down_proj",
    "mlp/post_norm": "post_feedforward_layernorm",
}
_OUTSIDE = {"embed/embedding": "embed_tokens.weight", "final_norm/scale": "norm.weight"}

# Prefix of the decoder's tensors -> its head: in text models, and in Gemma 3 with images as
# transformers wrote it before and since version 4.52.
_PLACES = {
    "model.": "lm_head.weight",
    "language_model.model.": "language_model.lm_head.weight",
    "model.language_model.": "lm_head.weight",
}
# Images are not read, and frequencies are computed, though old checkpoints hold them.
_IGNORED = re.compile(r"^(model\.)?(vision_tower|multi_modal_projector)\.|rotary_emb\.inv_freq$")


def abstract_params(config: CausalConfig) -> dict[str, Any]:
    """The parameter tree as ShapeDtypeStructs."""
    count, layer = len(config.layers), _layer_shapes(config)
    width, vocab = config.hidden_size, config.vocab_size
    params: dict[str, Any] = {
        "embed": {"embedding": _struct(config, (vocab, width))},
        "final_norm": {"scale": _struct(config, (width,))},
    }
    if not config.tied:
        params["lm_head"] = {"embedding": _struct(config, (vocab, width))}
    if config.scan_layers:
        params["layers"] = _tree(config, {path: (count, *layer[path]) for path in layer})
    else:
        params["layers"] = tuple(_tree(config, layer) for _ in range(count))
    return params


def _layer_shapes(config: CausalConfig) -> dict[str, tuple[int, ...]]:
    """The shapes of one layer by path."""
    width, hidden, head = config.hidden_size, config.intermediate_size, config.head_dim
    joined = {
        "query": config.num_attention_heads * head,
        "key": config.num_key_value_heads * head,
        "value": config.num_key_value_heads * head,
    }
    shapes: dict[str, tuple[int, ...]] = {
        "attention/norm/scale": (width,),
        **{f"attention/{name}/kernel": (width, size) for name, size in joined.items()},
        "attention/out/kernel": (joined["query"], width),
        "mlp/norm/scale": (width,),
        "mlp/gate/kernel": (width, hidden),
        "mlp/up/kernel": (width, hidden),
        "mlp/down/kernel": (hidden, width),
    }
    if config.qkv_bias:
        shapes |= {f"attention/{name}/bias": (size,) for name, size in joined.items()}
    if config.out_bias:
        shapes["attention/out/bias"] = (width,)
    if config.qk_norm:
        shapes |= {f"attention/{name}_norm/scale": (head,) for name in ("query", "key")}
    if config.post_norms:
        shapes |= {f"{name}/post_norm/scale": (width,) for name in ("attention", "mlp")}
    return shapes


def _tree(config: CausalConfig, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Shapes by path as nested dicts."""
    tree: dict[str, Any] = {}
    for path, shape in shapes.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = _struct(config, shape)
    return tree


def _struct(config: CausalConfig, shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, config.dtype)


def param_shardings(config: CausalConfig, mesh: Mesh) -> Any:
    """The sharding of every parameter; where the mesh doesn't divide the heads, none is cut."""
    parts = mesh.shape["tensor"]
    heads = {"heads": config.num_attention_heads, "joined_kv": config.num_key_value_heads}
    whole = {axis for axis, count in heads.items() if count % parts}
    rules = [
        (pattern, tuple(None if axis in whole else axis for axis in axes))
        for pattern, axes in LOGICAL_AXES
    ]
    return leaf_shardings(abstract_params(config), mesh, rules)


@dataclasses.dataclass(frozen=True)
class TensorNames:
    """What the tensors of a file are called: they stand under a prefix, the head apart."""

    prefix: str
    head: str

    @classmethod
    def of(cls, names: Collection[str]) -> "TensorNames":
        """Those of a file with these names; of a text model where it has no embedding."""
        for prefix, head in _PLACES.items():
            if f"{prefix}{_OUTSIDE['embed/embedding']}" in names:
                return cls(prefix, head)
        return cls("model.", _PLACES["model."])

    def layout(self, config: CausalConfig) -> LayoutOf:
        """The function that says where the parameter at a path lies."""
        modules = _MODULES | (
            {"mlp/norm": "pre_feedforward_layernorm"} if config.post_norms else {}
        )

        def layout(path: str, _: tuple[int, ...]) -> Layout:
            in_layer = re.fullmatch(r"layers/(?:(\d+)/)?(.+)/(\w+)", path)
            if not in_layer:
                name = self.prefix + _OUTSIDE[path] if path in _OUTSIDE else self.head
                return Layout((name,), stacked=False, transposed=False)
            number, module, leaf = in_layer.groups()
            numbers = range(len(config.layers)) if number is None else [int(number)]
            tensor = f"{modules[module]}.{'bias' if leaf == 'bias' else 'weight'}"
            names = tuple(f"{self.prefix}layers.{number}.{tensor}" for number in numbers)
            return Layout(names, stacked=number is None, transposed=leaf == "kernel")

        return layout


def is_ignored(name: str) -> bool:
    """Whether a tensor is none of the decoder's."""
    return _IGNORED.search(name) is not None
