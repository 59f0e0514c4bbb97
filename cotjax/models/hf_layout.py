"""The names of T5's tensors in Hugging Face's files."""

from cotjax.models.weights import Layout

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


def layout(path: str, shape: tuple[int, ...]) -> Layout:
    """The layout of the parameter at `path` ('encoder/layers/mlp/wo/kernel')."""
    stacked = "/layers/" in path
    name = _name(path)
    names = tuple(name.format(layer=layer) for layer in range(shape[0])) if stacked else (name,)
    return Layout(names, stacked, transposed=path.endswith("/kernel"))


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
