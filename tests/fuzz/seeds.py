"""Where a fuzzer starts from: small valid inputs of every target."""

import json
import struct
from pathlib import Path

RECORD = {
    "id": "q1",
    "question": "Where is money?",
    "choices": ["bank", "pond"],
    "label": "bank",
    "rationales": [
        {
            "sample": 0,
            "text": "banks keep money",
            "answer": "bank",
            "correct": True,
            "logprob": -1.5,
            "key_words": [2, 0],
            "tags": {"level": 1, "teacher": "T"},
        }
    ],
    "human": {"abstractive": "money is kept"},
}
ANSWERS = [
    "\0It is (A) bank. So the answer is (a) bank.",
    "\x01so 2 * (3 + 4) = $14. The answer is 7.5, because",
    "\x03<<48/2=24>>24 \\frac{1}{2} **3** x 4 - 1.5e3 = 1,234 cm^2. #### 42",
    '\x05The last letter of "Amy" is "y". So the answer is yo.',
    "\x06It is heads up --> yes",
]
EXPRESSIONS = ["( 84.0 / 2.0 )", "2 1/2 + 3^2 * -(5 - 7)", "1,234.5 % ÷ ½²", "$3 ** 2"]


def make_seeds(folder: Path) -> None:
    """Writes a folder of files for every target."""
    tensor = {"t": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}}
    header = json.dumps(tensor).encode()
    seeds = {
        "records": [json.dumps(RECORD).encode()],
        "answers": [text.encode() for text in ANSWERS],
        "expressions": [text.encode() for text in EXPRESSIONS],
        "safetensors": [header, struct.pack("<Q", len(header)) + header + bytes(8)],
        "gguf": [_gguf(folder / "whole.gguf")],
    }
    for name, contents in seeds.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(contents):
            (folder / name / str(number)).write_bytes(content)


def _gguf(path: Path) -> bytes:
    """A whole model of a few kilobytes, with a vocabulary as SentencePiece's."""
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, "llama")
    sizes = {
        "block_count": 1,
        "context_length": 16,
        "embedding_length": 4,
        "feed_forward_length": 4,
        "attention.head_count": 2,
        "attention.head_count_kv": 1,
    }
    for name, size in sizes.items():
        writer.add_uint32(f"llama.{name}", size)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_string("tokenizer.ggml.model", "llama")
    tokens = ["<unk>", "<s>", "</s>", "a", "b", "ab", "▁"]
    writer.add_array("tokenizer.ggml.tokens", tokens)
    writer.add_array("tokenizer.ggml.scores", [-float(rank) for rank in range(len(tokens))])
    writer.add_array("tokenizer.ggml.token_type", [2, 3, 3, 1, 1, 1, 1])
    writer.add_uint32("tokenizer.ggml.bos_token_id", 1)
    writer.add_uint32("tokenizer.ggml.eos_token_id", 2)
    for name, rows in {"token_embd": 7, "blk.0.attn_q": 4, "blk.0.attn_k": 2}.items():
        values = np.ones((rows, 4), np.float32)
        writer.add_tensor(f"{name}.weight", values, raw_dtype=GGMLQuantizationType.F32)
    writer.add_tensor("rope_freqs.weight", np.ones(1, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()
