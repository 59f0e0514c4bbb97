"""Disks that fail: small ones, mounted where only this process and its children see them."""

import dataclasses
import errno
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path


class Disk:
    """A disk of a few MiB for the folder of a job."""

    def __init__(self, folder: Path, mib: int = 2):
        folder.mkdir()
        self.run, self._ballast = folder / "run", folder / "ballast"
        mount("-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder)

    def fill(self, kept: int = 0) -> None:
        """Leaves so many bytes free, or fewer, as the job writes too."""
        free = shutil.disk_usage(self._ballast.parent).free
        try:
            self._ballast.write_bytes(bytes(free - kept))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise

    def nearly_fill(self) -> None:
        """Leaves enough for lines of logs, and too little for a checkpoint."""
        self.fill(kept=48 * 1024)

    def empty(self) -> None:
        self._ballast.unlink()

    def lock(self) -> None:
        """Makes the folder of the job read-only; even root may not write there then."""
        mount("--bind", self.run, self.run)
        mount("-o", "remount,bind,ro", self.run)

    def unlock(self) -> None:
        subprocess.run(["umount", "--lazy", self.run], check=True)

    def remove(self) -> None:
        shutil.rmtree(self.run)

    def bring_back(self) -> None:
        """Nothing is left of it: the job begins again."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """How a disk is broken, how it is mended, and what is said of it."""

    break_: Callable[[Disk], None]
    mend: Callable[[Disk], None]
    says: str


FAULTS: Mapping[str, Fault] = {
    "full": Fault(Disk.fill, Disk.empty, "No space left on device"),
    "nearly full": Fault(Disk.nearly_fill, Disk.empty, "No space left on device"),
    "read-only": Fault(Disk.lock, Disk.unlock, "Read-only file system"),
    "gone": Fault(Disk.remove, Disk.bring_back, "No such file or directory"),
}


def mount(*words) -> None:
    subprocess.run(["mount", *words], check=True)
