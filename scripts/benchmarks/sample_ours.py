"""How cotjax samples: the scheduler that a sampling job runs, without its files."""

from cotjax.memory_watch import manage_memory

if __name__ == "__main__":
    manage_memory()  # as scripts do, before what is imported starts threads

import dataclasses
import sys
import time

from benchmarks.turns import Figures, Order, answer
from cotjax.decoding import memory
from cotjax.decoding.board import Prompt
from cotjax.decoding.engine import Rules, Sizes
from cotjax.decoding.limits import Limits
from cotjax.decoding.sampling import Greedy, Temperature
from cotjax.decoding.scheduler import Sample, Scheduler
from cotjax.mesh import make_mesh
from cotjax.teacher.model import load_model
from cotjax.teacher.writer import PATIENCE

Ids = tuple[int, ...]


class Ours:
    """A teacher of cotjax's."""

    def __init__(self, source: str):
        """Loads a folder or a GGUF file, in float32."""
        self._mesh = make_mesh({"data": -1})
        self._model = load_model(source, self._mesh, "float32")

    def measure(self, order: Order) -> Figures:
        """Samples the order's prompts; the shared prefix is read anew each time."""
        start = time.perf_counter()
        ids = [tuple(self._model.tokenizer(text)["input_ids"]) for text in order["prompts"]]
        shared = _shared(ids) if order["share"] else 0
        scheduler = self._scheduler(order, ids, shared)
        numbers = tuple(range(order["samples"]))
        prompts = [Prompt(str(n), (each[shared:],), numbers) for n, each in enumerate(ids)]
        samples = list(scheduler.run(prompts))
        seconds, work = time.perf_counter() - start, scheduler.work
        figures = dataclasses.asdict(work) | {
            "tokens": work.sampled,
            "seconds": seconds,
            "occupancy": work.occupancy,
            "slots": work.slot_steps // work.steps,
        }
        if order["temperature"]:
            return figures
        return figures | {"written": [one.tokens for one in sorted(samples, key=_number)]}

    def _scheduler(self, order: Order, ids: list[Ids], shared: int) -> Scheduler:
        model, samples, temperature = self._model, order["samples"], order["temperature"]
        sizes = Sizes(
            slots=0,
            contexts=1,
            entries=0,
            prefix=shared,
            question=max(map(len, ids)) - shared,
            tokens=order["max_tokens"],
        )
        sizes = memory.fit(model, sizes, self._mesh, questions=len(ids), samples=samples)
        rules = Rules(
            method=Temperature(temperature) if temperature else Greedy(),
            limits=Limits(min_tokens=order["min_tokens"]),
            ends=model.ends,
            patience=max(sizes.slots // PATIENCE, 1),
        )
        return Scheduler(
            model.reader, model.params, model.tokenizer, rules, sizes, self._mesh,
            seed=0, prefix=ids[0][:shared], stops=tuple(order["stops"]),
        )  # fmt: skip


def _number(sample: Sample) -> int:
    return int(sample.id)


def _shared(ids: list[Ids]) -> int:
    """How many tokens all prompts begin with; each keeps one of its own."""
    shortest = min(map(len, ids)) - 1
    same = (len({each[place] for each in ids}) == 1 for place in range(shortest))
    return next((place for place, is_same in enumerate(same) if not is_same), shortest)


if __name__ == "__main__":
    answer(Ours(sys.argv[1]).measure)
