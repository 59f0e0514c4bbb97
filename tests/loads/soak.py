"""A long run of a tiny student: whether memory, open files, threads or the time of a step grow.

    python -m tests.loads.soak [--steps=5000] [--every=100] [--output=FILE]

Evaluates and saves as often as `--every` says, and looks at the process just before that; the file
takes a JSON line a look. What the first tenth of the steps takes is not counted. Exit code 1 if
anything grows:

- memory, by 2 %: the median of the last five looks over the lowest of any five in a row, so that
  memory which is given back on the way hides nothing that grows after it;
- time of a step, by 10 %: the median of the last five looks over that of the first five;
- files, at all: as time, for the watch of memory opens one for a moment, ten times a second;
- threads, at all: the most of the second half of the looks over the most of the first, for
  tensorstore's pool ends its overseer when it is idle and begins another one.

The workers of that pool are no threads of these, for it begins one when it happens to want it. No
look may see more than 128 of them: so many may read and write files by Orbax's setting. One a CPU
may copy besides, by tensorstore's own; the bar leaves these out, so that it is the same everywhere.
"""

import argparse
import dataclasses
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO
from unittest import mock

from cotjax import config as configs
from cotjax.memory_watch import manage_memory
from cotjax.training.run import train
from cotjax.training.step_log import StepLog
from tests.conftest import REPOSITORY
from tests.training.runs import SMALL

COMPARED = 5  # looks, of whose figures the median is taken
GROWS = {"mib": 1.02, "files": 1.0, "threads": 1.0, "ms_a_step": 1.1}  # if it is any growth at all
WORKER, POOL = "ts_pool_worker", 128  # of tensorstore: a thread's name, and the most of them


@dataclasses.dataclass(frozen=True)
class Look:
    """What a process takes after a step.

    Attributes:
      step: The step.
      mib: Resident memory.
      files: Open ones.
      threads: Those that run, without the pool's workers.
      pool: These.
      ms_a_step: Median since the look before.
    """

    step: int
    mib: float
    files: int
    threads: int
    pool: int
    ms_a_step: float


class Looking:
    """Takes part in a run's steps, and looks at the process every so many."""

    def __init__(self, every: int, output: TextIO):
        self.looks: list[Look] = []
        self._output = output
        self._every, self._ends, self._steps = every, [time.perf_counter()], 0
        self._add = StepLog.add

    def add(self, log: StepLog, *arguments) -> None:
        """Stands in for `StepLog.add`, which the loop calls after every step."""
        self._add(log, *arguments)
        self._steps += 1
        self._ends.append(time.perf_counter())
        if self._steps % self._every == 0:
            seconds = [end - begin for begin, end in itertools.pairwise(self._ends)]
            self.looks.append(look(self._steps, 1000 * statistics.median(seconds)))
            for file in (sys.stdout, self._output):
                print(json.dumps(dataclasses.asdict(self.looks[-1])), file=file, flush=True)
            self._ends = []


def look(step: int, ms_a_step: float) -> Look:
    """What this process takes now (Linux)."""
    own = Path("/proc/self")
    fields = dict(line.split(":", 1) for line in (own / "status").read_text().splitlines())
    mib = int(fields["VmRSS"].split()[0]) / 1024
    files = len(list((own / "fd").iterdir()))
    threads, pool = count(list(filter(None, map(_name, (own / "task").iterdir()))))
    return Look(step, round(mib, 1), files, threads, pool, round(ms_a_step, 3))


def count(names: Sequence[str]) -> tuple[int, int]:
    """How many of some threads are no workers of the pool, and how many are."""
    pool = names.count(WORKER)
    return len(names) - pool, pool


def _name(thread: Path) -> str:
    try:
        return (thread / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
        return ""


def growths(looks: Sequence[Look]) -> dict[str, float]:
    """How many times what was taken at first is taken at last; 1 is no growth."""
    warm_up = looks[-1].step // 10
    counted = [one for one in looks if one.step > warm_up]
    if len(counted) < 2 * COMPARED:
        raise ValueError(f"{len(counted)} looks after step {warm_up}, and {2 * COMPARED} needed")
    mib, files, seconds = (_medians(counted, name) for name in ("mib", "files", "ms_a_step"))
    return {
        "mib": mib[-1] / min(mib),
        "files": files[-1] / files[0],
        "threads": _most_later(counted, "threads"),
        "ms_a_step": seconds[-1] / seconds[0],
    }


def too_much(grown: Mapping[str, float], pool: int) -> list[str]:
    """What of `growths` is growth, and the pool if it had too many workers."""
    growing = [name for name, least in GROWS.items() if grown[name] > 1 and grown[name] >= least]
    return growing + ["pool"] * (pool > POOL)


def _medians(looks: Sequence[Look], name: str) -> list[float]:
    """Of every few looks in a row."""
    values = [getattr(one, name) for one in looks]
    return [
        statistics.median(values[start : start + COMPARED])
        for start in range(len(values) - COMPARED + 1)
    ]


def _most_later(looks: Sequence[Look], name: str) -> float:
    """The most of the second half over the most of the first."""
    values = [getattr(one, name) for one in looks]
    half = len(values) // 2
    return max(values[half:]) / max(values[:half])


def soak(steps: int, every: int, output: TextIO) -> list[Look]:
    """Trains for so many steps; returns, and writes, what was seen on the way."""
    looking = Looking(every, output)
    with tempfile.TemporaryDirectory() as place:
        fields = SMALL | {
            "data.cache": Path(place) / "cache",
            "schedule.total_steps": steps,
            "checkpoint.every": every,
            "evaluation.every": every,
            "profile.log_every": 10,
        }
        words = [f"--config.{name}={value}" for name, value in fields.items()]
        config = configs.load(REPOSITORY / "configs" / "default.py", words)
        with mock.patch.object(StepLog, "add", lambda log, *rest: looking.add(log, *rest)):
            train(config, Path(place) / "run")
    return looking.looks


def main() -> None:
    """Trains, and tells what has grown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--output", type=Path, default=os.devnull)
    options = parser.parse_args()
    manage_memory()  # as scripts do
    with options.output.open("w") as output:
        looks = soak(options.steps, options.every, output)
    grown, pool = growths(looks), max(one.pool for one in looks)
    print({name: round(factor, 4) for name, factor in grown.items()} | {"pool": pool})
    growing = too_much(grown, pool)
    print(f"grows: {', '.join(growing)}" if growing else "nothing grows")
    sys.exit(bool(growing))


if __name__ == "__main__":
    main()
