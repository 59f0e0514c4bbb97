"""Targets that a run leaves out from a checkpoint on to which it went back."""

import dataclasses
from pathlib import Path

import jax

from cotjax.data.steps import Steps
from cotjax.json_files import build, dump_json, read_json, replace_file, to_json

MOST_RETURNS = 10  # to one checkpoint: each leaves out more, so that many did not help


@dataclasses.dataclass(frozen=True)
class Return:
    """One return of a run to a checkpoint.

    Attributes:
      to_step: The checkpoint's; from here on the targets are left out. 0: the start.
      first, last: Steps, counted from 1, that were skipped in a row and so led to it.
      rows: Of the run's table of targets.
      targets: The same for people, as `id#sample`.
    """

    to_step: int
    first: int
    last: int
    rows: tuple[int, ...]
    targets: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Content:
    config_hash: str
    data_fingerprint: str
    returns: tuple[Return, ...]


class LeftOut:
    """What a run leaves out, kept in its folder so that it does the same when it is resumed.

    Attributes:
      returns: Oldest first.
    """

    def __init__(self, workdir: Path, config_hash: str, data_fingerprint: str):
        """Reads the file; one that another config or other data left there counts as none."""
        self._file = workdir / "left_out.json"
        self._of = config_hash, data_fingerprint
        self.returns: tuple[Return, ...] = ()
        if self._file.exists():
            content = build(_Content, read_json(self._file), str(self._file))
            if (content.config_hash, content.data_fingerprint) == self._of:
                self.returns = content.returns

    def add(self, new: Return) -> None:
        """Keeps a return; process 0 writes it."""
        self.returns += (new,)
        if jax.process_index() == 0:
            content = to_json(_Content(*self._of, self.returns))
            replace_file(self._file, dump_json(content, indent=1) + "\n")

    def of(self, steps: Steps) -> Steps:
        """The steps with other targets in the places of those that are left out."""
        for one in self.returns:
            steps = steps.without(one.rows, one.to_step)
        return steps

    def may_return_to(self, step: int) -> bool:
        """Whether going back to a checkpoint once more may help."""
        return sum(one.to_step == step for one in self.returns) < MOST_RETURNS
