"""Moments in the life of a run, as its folder shows them to whoever wants to kill it then."""

from collections.abc import Callable
from pathlib import Path

Moment = Callable[[], bool]


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
