"""What becomes of training when its disk is full, read-only or gone; prints a JSON line a fault.

    unshare -rm python -m tests.faults.disk FOLDER

In a mount namespace of its own, where it may mount a disk of two MiB.
"""

import functools
import json
import sys
import time
from contextlib import closing
from pathlib import Path

import jax

from cotjax import config as configs
from cotjax.checkpoints import Checkpoints
from cotjax.errors import InputError
from cotjax.training.run import train
from cotjax.training.step_log import StepLog
from tests.conftest import REPOSITORY
from tests.faults.disks import FAULTS, Disk
from tests.training.runs import SMALL, trained

AT_STEP, WHOLE = 6, 4  # the fault comes after a step, when an earlier one's checkpoint is whole


def whole_steps(run: Path) -> list[int]:
    """Steps whose parameters and optimizer state can be read."""
    folder = run / "checkpoints"
    if not folder.is_dir():
        return []
    with closing(Checkpoints(folder, read_only=True)) as checkpoints:
        return [step for step in checkpoints.all_steps() if checkpoints.meta(step)]


def suffer(config, run: Path, fault) -> str:
    """Trains until a fault, which happens after a step, ends it; returns the one line."""
    add, taken = StepLog.add, []

    def counted(self, *arguments):
        add(self, *arguments)
        taken.append(None)
        if len(taken) == AT_STEP:
            while not (run / "checkpoints" / str(WHOLE)).exists():
                time.sleep(0.01)
            fault()

    StepLog.add = counted
    try:
        train(config, run)
    except (InputError, OSError) as error:  # which scripts tell in a line, with exit code 2
        return str(error)
    finally:
        StepLog.add = add
    return "nothing was wrong"


def main() -> None:
    jax.config.update("jax_disable_most_optimizations", True)
    folder = Path(sys.argv[1])
    fields = SMALL | {"data.cache": folder / "cache", "evaluation.every": 4}
    words = [f"--config.{name}={value}" for name, value in fields.items()]
    config = configs.load(REPOSITORY / "configs" / "default.py", words)
    train(config, folder / "whole")
    for name, fault in FAULTS.items():
        disk = Disk(folder / name.replace(" ", "-"))
        line = suffer(config, disk.run, functools.partial(fault.break_, disk))
        left = whole_steps(disk.run)
        fault.mend(disk)
        train(config, disk.run)
        same = trained(disk.run) == trained(folder / "whole")
        print(json.dumps({"fault": name, "line": line, "left": left, "same": same}), flush=True)


if __name__ == "__main__":
    main()
