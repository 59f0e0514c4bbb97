"""How transformers samples: `generate` with `num_return_sequences`, as its documentation has it."""

import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from benchmarks.turns import Figures, Order, answer


class Peer:
    """A model of transformers."""

    def __init__(self, folder: str):
        """Loads a folder in Hugging Face's layout, in float32."""
        self._tokenizer = AutoTokenizer.from_pretrained(
            folder, padding_side="left", trust_remote_code=False
        )
        self._tokenizer.pad_token = self._tokenizer.pad_token or self._tokenizer.eos_token
        self._model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, trust_remote_code=False
        ).eval()

    def measure(self, order: Order) -> Figures:
        """Samples the order's prompts, `at_once` in a batch; a temperature of 0 is greedy."""
        prompts, at_once = order["prompts"], order["at_once"]
        torch.manual_seed(0)
        start, tokens = time.perf_counter(), []
        for first in range(0, len(prompts), at_once):
            tokens += self._sample(prompts[first : first + at_once], order)
        self._tokenizer.batch_decode(tokens)
        seconds = time.perf_counter() - start
        figures = {"tokens": sum(map(len, tokens)), "samples": len(tokens), "seconds": seconds}
        return figures if order["temperature"] else figures | {"written": tokens}

    @torch.inference_mode()
    def _sample(self, prompts: list[str], order: Order) -> list[list[int]]:
        """Returns the tokens of every sample, what ends it included."""
        inputs = self._tokenizer(prompts, return_tensors="pt", padding=True)
        choose = {"do_sample": True, "temperature": order["temperature"], "top_k": 0}
        stops = {"stop_strings": order["stops"], "tokenizer": self._tokenizer}
        written = self._model.generate(
            **inputs,
            num_return_sequences=order["samples"],
            max_new_tokens=order["max_tokens"],
            min_new_tokens=order["min_tokens"],
            pad_token_id=self._tokenizer.pad_token_id,
            **(choose if order["temperature"] else {"do_sample": False}),
            **(stops if order["stops"] else {}),
        )[:, inputs["input_ids"].shape[1] :].tolist()
        return [self._until_its_end(tokens, order["stops"]) for tokens in written]

    def _until_its_end(self, tokens: list[int], stops: list[str]) -> list[int]:
        """Cuts the padding off; where the end token pads too, the first one is the sample's."""
        padding, end = self._tokenizer.pad_token_id, self._tokenizer.eos_token_id
        count = tokens.index(padding) if padding in tokens else len(tokens)
        text = self._tokenizer.decode(tokens[:count])
        ended = padding == end and not any(stop in text for stop in stops)
        return tokens[: count + ended]


if __name__ == "__main__":
    disable_progress_bar()
    answer(Peer(sys.argv[1]).measure)
