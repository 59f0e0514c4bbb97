"""Two sides that are measured by turns: each a process that answers orders line by line."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any


class Side:
    """A process that measures one program."""

    def __init__(self, module: str, *arguments: str):
        """Starts `python -m module arguments` in the folder of the scripts."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=sys.path[0],
        )

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Sends an order and waits for what was measured; raises RuntimeError if it died."""
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"a side ended with code {self._process.wait()} instead of answering"
            )
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()


def answer(measure: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """What the process of a side does: measures each order of its input."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # libraries may print
    for line in sys.stdin:
        measured = measure(json.loads(line))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB -> GiB
        print(json.dumps(measured | {"peak_gib": peak}), file=answers, flush=True)
