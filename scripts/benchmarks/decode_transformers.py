"""How transformers decodes: `generate` on batches padded to their longest, as documented."""

import sys
import time

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from benchmarks.turns import Figures, Order, answer


class Peer:
    """A model of transformers."""

    def __init__(self, folder: str):
        """Loads a folder in Hugging Face's layout, in float32."""
        self._tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self._model = AutoModelForSeq2SeqLM.from_pretrained(
            folder, dtype=torch.float32, trust_remote_code=False
        ).eval()

    @torch.inference_mode()
    def measure(self, order: Order) -> Figures:
        """Answers the order's inputs, batch by batch in their order."""
        inputs, size = order["inputs"], order["batch_size"]
        start, written = time.perf_counter(), []
        for first in range(0, len(inputs), size):
            batch = {"input_ids": inputs[first : first + size]}
            written += self._model.generate(
                **self._tokenizer.pad(batch, return_tensors="pt"),
                max_new_tokens=order["max_tokens"],
                num_beams=order["num_beams"],
                do_sample=False,
            )[:, 1:].tolist()
        seconds = time.perf_counter() - start
        ends = (self._tokenizer.pad_token_id, self._tokenizer.eos_token_id)
        without_end = [[token for token in tokens if token not in ends] for tokens in written]
        return {"seconds": seconds, "written": without_end}


if __name__ == "__main__":
    disable_progress_bar()
    answer(Peer(sys.argv[1]).measure)
