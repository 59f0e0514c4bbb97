"""How cotjax makes batches: in turns with others, and alone of ever more rationales."""

import dataclasses
import itertools
import re
import sys
import time
from pathlib import Path

from benchmarks.pipeline_data import resampled, stored_tokens
from benchmarks.train_ours import prepared
from benchmarks.turns import Figures, Order, answer
from cotjax import config as configs
from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps
from cotjax.data.work import Work
from cotjax.mesh import make_mesh

FOREVER = 1_000_000_000  # steps, more than any benchmark takes
TIMED_STEPS = 300  # of batches at every size


class Ours:
    """The data of a run of cotjax's."""

    def __init__(self, *words: str):
        """Takes a config's file and its overrides."""
        self._words, self._fed = words, None

    def measure(self, order: Order) -> Figures:
        """What `order` says: `rate`, `batches` of some `size`, or to `prepare`."""
        what = {"rate": self._rate, "batches": self._batches, "prepare": self._prepare}
        return what[order["what"]](order)

    def _rate(self, order: Order) -> Figures:
        """Makes the batches of an epoch; the first ones of the next are made ahead, as in a run."""
        if self._fed is None:
            experiment = self._experiment()
            self._per_epoch = experiment.steps.per_epoch
            self._fed = batches(experiment.steps, experiment.tokenizer.eos, 0, FOREVER)
        start, work = time.perf_counter(), Work()
        for more, _ in itertools.islice(self._fed, self._per_epoch):
            work += more
        return {"seconds": time.perf_counter() - start, **dataclasses.asdict(work)}

    def _batches(self, order: Order) -> Figures:
        """Batches of a table of as many targets as `order` says, drawn from the config's."""
        experiment = self._experiment()
        table = resampled(experiment.steps.table, order["size"])
        start = time.perf_counter()
        steps = Steps(table, experiment.steps.config)
        laid_out = time.perf_counter()
        fed = batches(steps, experiment.tokenizer.eos, 0, FOREVER)
        next(fed)
        first = time.perf_counter()
        examples = sum(work.examples for work, _ in itertools.islice(fed, TIMED_STEPS))
        return {
            "tokens": stored_tokens(table),
            "survey_seconds": laid_out - start,
            "first_batch_seconds": first - laid_out,
            "examples_rate": examples / (time.perf_counter() - first),
            "resident_gib": resident_gib(),
        }

    def _prepare(self, order: Order) -> Figures:
        """From records on disk to steps: the first time, and with tokens in the cache."""
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            self._experiment()
            seconds.append(time.perf_counter() - start)
        return dict(zip(("first", "again"), seconds, strict=True))

    def _experiment(self):
        config = configs.load(self._words[0], self._words[1:])
        return prepared(config, make_mesh(config.mesh.to_dict()))


def resident_gib() -> float:
    """The memory that this process has resident now, in GiB (Linux)."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 2**20


if __name__ == "__main__":
    answer(Ours(*sys.argv[1:]).measure)
