"""How transformers samples: `generate` with `num_return_sequences`, as its documentation has it."""

import sys
import time
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.turns import answer


class Peer:
    """A model of transformers."""

    def __init__(self, folder: str):
        """Loads a folder in Hugging Face's layout, in float32."""
        self._tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self._tokenizer.pad_token = self._tokenizer.pad_token or self._tokenizer.eos_token
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def measure(self, order: dict[str, Any]) -> dict[str, Any]:
        """Samples the order's prompts, `at_once` in a batch."""
        prompts, at_once = order["prompts"], order["at_once"]
        torch.manual_seed(0)
        start, tokens = time.perf_counter(), 0
        for first in range(0, len(prompts), at_once):
            tokens += self._sample(prompts[first : first + at_once], order)
        return {"tokens": tokens, "seconds": time.perf_counter() - start}

    @torch.inference_mode()
    def _sample(self, prompts: list[str], order: dict[str, Any]) -> int:
        """Returns how many tokens were written before samples ended."""
        inputs = self._tokenizer(prompts, return_tensors="pt", padding=True)
        stops = {"stop_strings": order["stops"], "tokenizer": self._tokenizer}
        written = self._model.generate(
            **inputs,
            do_sample=True,
            temperature=order["temperature"],
            top_k=0,
            num_return_sequences=order["samples"],
            max_new_tokens=order["max_tokens"],
            min_new_tokens=order["min_tokens"],
            pad_token_id=self._tokenizer.pad_token_id,
            **(stops if order["stops"] else {}),
        )[:, inputs["input_ids"].shape[1] :]
        has_ended = (written == self._tokenizer.pad_token_id).cumsum(dim=1) > 0
        return int((~has_ended).sum())


if __name__ == "__main__":
    answer(Peer(sys.argv[1]).measure)
