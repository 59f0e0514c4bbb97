"""Moments in the life of a job, as its folders show them to whoever wants to kill it then."""

import time
from pathlib import Path

from tests.faults.jobs import Moment, compiled, tokens


def tokenising(shared: Path) -> Moment:
    """Tokens are being written, or were just now; there must have been none."""
    return lambda: any(tokens(shared).iterdir())


def compiling(shared: Path, programs: int = 1) -> Moment:
    """So many more programs are compiled, and the next one is at work."""
    before = len(list(compiled(shared).glob("*")))
    return lambda: len(list(compiled(shared).iterdir())) >= before + programs


def preparing(workdir: Path) -> Moment:
    """The run's description is written, and nothing is computed yet."""
    return (workdir / "config.json").exists


def evaluating(workdir: Path) -> Moment:
    """The untouched student is being asked, or was just now."""
    return lambda: any((workdir / "eval").iterdir())


def stepping(workdir: Path, step: int) -> Moment:
    """Some step is logged."""
    return lambda: (workdir / "metrics.jsonl").read_bytes().count(b'"grad_norm"') >= step


def saving(workdir: Path) -> Moment:
    """A checkpoint is being written."""
    return lambda: any("tmp" in path.name for path in (workdir / "checkpoints").iterdir())


def renamed(workdir: Path) -> Moment:
    """A checkpoint has got its name just now."""
    before = _named(workdir)
    return lambda: bool(_named(workdir) - before)


def _named(workdir: Path) -> set[str]:
    folder = workdir / "checkpoints"
    return {path.name for path in folder.glob("*") if path.name.isdigit()}


def lines(file: Path, more: int) -> Moment:
    """A file has so many more lines."""
    before = _count(file)
    return lambda: _count(file) >= before + more


def _count(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def appearing(folder: Path, pattern: str) -> Moment:
    """There is one file more of a kind."""
    before = set(folder.glob(pattern))
    return lambda: bool(set(folder.glob(pattern)) - before)


def after(seconds: float) -> Moment:
    """Whenever that is."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
