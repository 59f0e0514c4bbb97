"""What becomes of a run when its disk is full, read-only or gone; prints a JSON line a fault.

    unshare -rm python -m tests.faults.disk FOLDER

In a mount namespace of its own, where it may mount a disk of two MiB.
"""

import json
import shutil
import subprocess
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
from tests.training.runs import SMALL, trained

AT_STEP, WHOLE = 6, 4  # the fault comes after a step, when an earlier one's checkpoint is whole


class Disk:
    """A disk of two MiB with a run on it."""

    def __init__(self, folder: Path):
        folder.mkdir()
        self.run, self._ballast = folder / "run", folder / "ballast"
        mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", folder)

    def fill(self, kept: int = 0) -> None:
        """Leaves so many bytes free."""
        free = shutil.disk_usage(self._ballast.parent).free
        self._ballast.write_bytes(bytes(free - kept))

    def nearly_fill(self) -> None:
        """Leaves enough for lines of logs, and too little for a checkpoint."""
        self.fill(kept=48 * 1024)

    def empty(self) -> None:
        self._ballast.unlink()

    def lock(self) -> None:
        """Makes the folder of the run read-only; even root may not write there then."""
        mount("--bind", self.run, self.run)
        mount("-o", "remount,bind,ro", self.run)

    def unlock(self) -> None:
        subprocess.run(["umount", "--lazy", self.run], check=True)

    def remove(self) -> None:
        shutil.rmtree(self.run)

    def bring_back(self) -> None:
        """Nothing is left of it: it begins again."""


def mount(*words) -> None:
    subprocess.run(["mount", *words], check=True)


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
    faults = {
        "full": (Disk.fill, Disk.empty),
        "nearly full": (Disk.nearly_fill, Disk.empty),
        "read-only": (Disk.lock, Disk.unlock),
        "gone": (Disk.remove, Disk.bring_back),
    }
    for name, (break_it, mend) in faults.items():
        disk = Disk(folder / name.replace(" ", "-"))
        line = suffer(config, disk.run, lambda f=break_it, d=disk: f(d))
        left = whole_steps(disk.run)
        mend(disk)
        train(config, disk.run)
        same = trained(disk.run) == trained(folder / "whole")
        print(json.dumps({"fault": name, "line": line, "left": left, "same": same}), flush=True)


if __name__ == "__main__":
    main()
