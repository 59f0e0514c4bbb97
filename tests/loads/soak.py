"""A long run of a tiny student: whether memory, open files, threads or the time of a step grow.

    python -m tests.loads.soak [--steps=5000] [--every=100]

Evaluates and saves as often as `--every` says, and looks at the process just before that. What the
first tenth of the steps takes is not counted. Exit code 1 if anything grows:

- memory: the median of the last five looks over the lowest of any five in a row, so that memory
  which is given back on the way hides nothing that grows after it;
- time of a step: the median of the last five looks over that of the first five;
- files and threads: the most of the second half of the looks over the most of the first, for
  tensorstore's pool ends its overseer when it is idle and begins another one. Of its workers it
  begins one when it happens to want it, to as many as it may have: all of these count from the
  first look on, and what is beyond them counts besides.
"""

import argparse
import dataclasses
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from cotjax import config as configs
from cotjax.memory_watch import manage_memory
from cotjax.training.run import train
from cotjax.training.step_log import StepLog
from tests.conftest import REPOSITORY
from tests.training.runs import SMALL

COMPARED = 5  # looks, of whose figures the median is taken
POOL = 2 * max(4, os.cpu_count() or 1)  # workers of tensorstore, for copying and for files
MOST = {"mib": 1.02, "files": 1.0, "threads": 1.0, "ms_a_step": 1.1}  # what is no growth


@dataclasses.dataclass(frozen=True)
class Look:
    """What a process takes after a step.

    Attributes:
      step: The step.
      mib: Resident memory.
      files: Open ones.
      threads: Those that run, the pool of tensorstore counted as full.
      ms_a_step: Median since the look before.
    """

    step: int
    mib: float
    files: int
    threads: int
    ms_a_step: float


class Looking:
    """Takes part in a run's steps, and looks at the process every so many."""

    def __init__(self, every: int):
        self.looks: list[Look] = []
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
            print(dataclasses.asdict(self.looks[-1]), flush=True)
            self._ends = []


def look(step: int, ms_a_step: float) -> Look:
    """What this process takes now (Linux)."""
    own = Path("/proc/self")
    fields = dict(line.split(":", 1) for line in (own / "status").read_text().splitlines())
    mib = int(fields["VmRSS"].split()[0]) / 1024
    files = len(list((own / "fd").iterdir()))
    threads = [_name(each) for each in (own / "task").iterdir()]
    missing = max(0, POOL - threads.count("ts_pool_worker"))
    return Look(step, round(mib, 1), files, len(threads) + missing, round(ms_a_step, 3))


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
    mib, seconds = _medians(counted, "mib"), _medians(counted, "ms_a_step")
    return {
        "mib": mib[-1] / min(mib),
        "files": _most_later(counted, "files"),
        "threads": _most_later(counted, "threads"),
        "ms_a_step": seconds[-1] / seconds[0],
    }


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


def soak(steps: int, every: int) -> list[Look]:
    """Trains for so many steps; returns what was seen on the way."""
    looking = Looking(every)
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
    options = parser.parse_args()
    manage_memory()  # as scripts do
    grown = growths(soak(options.steps, options.every))
    print({name: round(factor, 4) for name, factor in grown.items()})
    too_much = [name for name, most in MOST.items() if grown[name] > most]
    print(f"grows: {', '.join(too_much)}" if too_much else "nothing grows")
    sys.exit(bool(too_much))


if __name__ == "__main__":
    main()
