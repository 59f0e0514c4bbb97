"""Programs that are measured by turns: each a process that answers orders line by line."""

import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

Order = Mapping[str, Any]
Figures = dict[str, Any]
MEASURED = {  # packages; not all of them by every benchmark
    *("accelerate", "cotjax", "ctranslate2", "datasets", "jax", "jaxlib", "seqio", "tensorflow"),
    *("torch", "transformers"),
}


class Side:
    """A process that measures one program."""

    def __init__(self, module: str, *arguments: str):
        """Starts `python -m module arguments` in the folder of the scripts."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )

    def ask(self, order: Order) -> Figures:
        """Sends an order and waits for what was measured; raises RuntimeError if it died."""
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            raise RuntimeError(f"{self._process.args}: ended with code {code}, without an answer")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()


def answer(measure: Callable[[Order], Figures]) -> None:
    """What the process of a side does: measures each order of its input."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # libraries may print
    for line in sys.stdin:
        measured = measure(json.loads(line))
        print(json.dumps(measured | {"peak_gib": peak_gib()}), file=answers, flush=True)


def take_turns(
    start: Mapping[str, Callable[[], Side]],
    orders: Mapping[str, Order],
    repetitions: int,
    saw: Callable[[str, int, Figures], None],
) -> dict[str, list[Figures]]:
    """Measures programs by turns, each in a process of its own, so that its memory is its own.

    Args:
      start: Starts the process of each program.
      orders: What each is asked, again and again.
      repetitions: After the first, which compiles and fills caches.
      saw: Is told of the program, the number of its turn and what was measured.

    Returns:
      What was measured in all turns, the first included.
    """
    measured: dict[str, list[Figures]] = {program: [] for program in orders}
    with contextlib.ExitStack() as stack:
        sides = {program: start[program]() for program in orders}
        for side in sides.values():
            stack.callback(side.close)
        for turn in range(repetitions + 1):
            for program, order in orders.items():
                figures = sides[program].ask(order)
                saw(program, turn, figures)
                measured[program].append(figures)
    return measured


def medians(turns: list[Figures]) -> Figures:
    """Medians of all turns but the first, and the largest peak of all."""
    _, *warm = turns
    figures = {name: statistics.median(one[name] for one in warm) for name in warm[0]}
    return figures | {"peak_gib": max(one["peak_gib"] for one in turns)}


def peak_gib() -> float:
    """The most memory that this process ever had resident, in GiB (Linux)."""
    # What `getrusage` calls the peak begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text("utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20


def machine() -> dict[str, Any]:
    """What was measured on, and what was running there beforehand."""
    processor = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text("utf-8"))
    return {
        "processor": processor[1] if processor else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {one.name: one.version for one in distributions() if one.name in MEASURED},
    }
