"""How cotjax decodes: what its evaluation does with tokenised questions."""

from cotjax.memory_watch import manage_memory

if __name__ == "__main__":
    manage_memory()  # as scripts do, before what is imported starts threads

import sys
import time

from benchmarks.turns import Figures, Order, answer
from cotjax.decoding.beam import BeamSearch
from cotjax.evaluation.generation import generate
from cotjax.evaluation.student import load_pretrained_student


class Ours:
    """A student of cotjax's."""

    def __init__(self, weights: str):
        """Loads a folder, in float32."""
        self._student = load_pretrained_student(weights, dtype="float32")

    def measure(self, order: Order) -> Figures:
        """Answers the order's inputs."""
        beams = order["num_beams"]
        start = time.perf_counter()
        written = generate(
            self._student,
            order["inputs"],
            max_tokens=order["max_tokens"],
            batch_size=order["batch_size"],
            search=None if beams == 1 else BeamSearch(beams),
            prefixes=order["prefixes"],
        )
        seconds = time.perf_counter() - start
        eos = self._student.config.eos_token_id
        without_end = [[token for token in tokens if token != eos] for tokens in written]
        return {"seconds": seconds, "written": without_end}


if __name__ == "__main__":
    answer(Ours(sys.argv[1]).measure)
