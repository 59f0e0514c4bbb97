"""How CTranslate2 decodes: a converted model and `translate_batch`, as its documentation has it."""

import os
import sys
import time
from pathlib import Path

import ctranslate2
from transformers import AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from benchmarks.turns import Figures, Order, answer


class Converter(ctranslate2.converters.TransformersConverter):
    """A converter that takes a T5's head for what it is.

    Transformers 5 says of every T5 that its head is tied, and the converter then has a head scaled
    that is not: greedy texts are the same, but probabilities and what beams find are not.
    """

    def load_model(self, model_class, model_name_or_path, **options):
        """Loads the model to convert."""
        model = super().load_model(model_class, model_name_or_path, **options)
        model.config.tie_word_embeddings = model.lm_head.weight is model.shared.weight
        return model


class Peer:
    """A model of CTranslate2, on all cores."""

    def __init__(self, weights: str, folder: str):
        """Converts the weights into a folder, in float32, and loads them."""
        converted = Path(folder) / "ctranslate2"
        if not converted.exists():
            Converter(weights).convert(str(converted), quantization="float32")
        self._tokenizer = AutoTokenizer.from_pretrained(weights, trust_remote_code=False)
        cores = len(os.sched_getaffinity(0))
        self._translator = ctranslate2.Translator(
            str(converted), device="cpu", compute_type="float32", intra_threads=cores
        )

    def measure(self, order: Order) -> Figures:
        """Answers the order's inputs, which it sorts by length and puts into batches itself."""
        start = time.perf_counter()
        results = self._translator.translate_batch(
            [self._tokenizer.convert_ids_to_tokens(tokens) for tokens in order["inputs"]],
            max_batch_size=order["batch_size"],
            beam_size=order["num_beams"],
            max_decoding_length=order["max_tokens"],
        )
        seconds = time.perf_counter() - start
        to_ids = self._tokenizer.convert_tokens_to_ids
        return {"seconds": seconds, "written": [to_ids(one.hypotheses[0]) for one in results]}


if __name__ == "__main__":
    disable_progress_bar()
    answer(Peer(sys.argv[1], sys.argv[2]).measure)
