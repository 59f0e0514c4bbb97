"""How cotjax samples: the scheduler that a sampling job runs, without its files."""

import dataclasses
import sys
import time
from typing import Any

from benchmarks.turns import answer
from cotjax.decoding import memory
from cotjax.decoding.board import Prompt
from cotjax.decoding.engine import Rules, Sizes
from cotjax.decoding.limits import Limits
from cotjax.decoding.sampling import Temperature
from cotjax.decoding.scheduler import Scheduler
from cotjax.mesh import make_mesh
from cotjax.teacher.model import load_model
from cotjax.teacher.writer import PATIENCE


class Ours:
    """A teacher of cotjax's."""

    def __init__(self, source: str):
        """Loads a folder or a GGUF file, in float32."""
        self._mesh = make_mesh({"data": -1})
        self._model = load_model(source, self._mesh, "float32")

    def measure(self, order: dict[str, Any]) -> dict[str, Any]:
        """Samples the order's prompts; the shared prefix is read anew each time."""
        ids = [tuple(self._model.tokenizer(text)["input_ids"]) for text in order["prompts"]]
        shared = _shared(ids) if order["share"] else 0
        start = time.perf_counter()
        scheduler = self._scheduler(order, ids, shared)
        numbers = tuple(range(order["samples"]))
        prompts = [Prompt(str(n), (each[shared:],), numbers) for n, each in enumerate(ids)]
        for _ in scheduler.run(prompts):
            pass
        seconds, work = time.perf_counter() - start, scheduler.work
        return {
            "tokens": work.sampled,
            "seconds": seconds,
            "occupancy": work.occupancy,
            **{
                name: value for name, value in dataclasses.asdict(work).items() if name != "sampled"
            },
        }

    def _scheduler(
        self, order: dict[str, Any], ids: list[tuple[int, ...]], shared: int
    ) -> Scheduler:
        sizes = Sizes(
            slots=0,
            contexts=1,
            entries=0,
            prefix=shared,
            question=max(map(len, ids)) - shared,
            tokens=order["max_tokens"],
        )
        samples = order["samples"]
        sizes = memory.fit(self._model, sizes, self._mesh, questions=len(ids), samples=samples)
        rules = Rules(
            method=Temperature(order["temperature"]),
            limits=Limits(min_tokens=order["min_tokens"]),
            ends=self._model.ends,
            patience=max(sizes.slots // PATIENCE, 1),
        )
        return Scheduler(
            self._model.reader, self._model.params, self._model.tokenizer, rules, sizes, self._mesh,
            seed=0, prefix=ids[0][:shared], stops=tuple(order["stops"]),
        )  # fmt: skip


def _shared(ids: list[tuple[int, ...]]) -> int:
    """How many tokens all prompts begin with; each keeps one of its own."""
    shortest = min(map(len, ids)) - 1
    same = (len({each[place] for each in ids}) == 1 for place in range(shortest))
    return next((place for place, is_same in enumerate(same) if not is_same), shortest)


if __name__ == "__main__":
    answer(Ours(sys.argv[1]).measure)
