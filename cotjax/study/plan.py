"""Which runs of a study are to be done here, and how far each one is.

Nothing here imports JAX or TensorFlow, so a mistake is told in the first second.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from cotjax.config_checks import nearest
from cotjax.errors import InputError
from cotjax.json_files import read_json
from cotjax.study.grid import PlannedRun, Study

RESULT = "result.json"  # in the folder of a finished run
FAILURE = "failure.json"  # in that of a run that could not be finished


@dataclasses.dataclass(frozen=True)
class Part:
    """What of a study is done here.

    Attributes:
      variants: Names of those that are run; None for all.
      shard, shards: Of their runs every `shards`-th, from the `shard`-th on, counted from 1.
    """

    variants: tuple[str, ...] | None = None
    shard: int = 1
    shards: int = 1

    @classmethod
    def parse(cls, study: Study, only: str | None, shard: str | None) -> "Part":
        """Reads `NAME,NAME` and `i/n`; raises InputError for unknown names and odd numbers."""
        names = [variant.name for variant in study.variants]
        wanted = tuple(only.split(",")) if only is not None else None
        for name in wanted or ():
            if name not in names:
                raise InputError(
                    f"--only={only}: the study has no variant {name!r}{nearest(name, names)}"
                )
        numbers = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", "1/1" if shard is None else shard)
        if not numbers or int(numbers[1]) > int(numbers[2]):
            raise InputError(f"--shard={shard}: write i/n, such as 1/4, with i from 1 to n")
        return cls(wanted, int(numbers[1]), int(numbers[2]))

    def of(self, runs: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Those of some runs that are done here."""
        wanted = [run for run in runs if not self.variants or run.variant.name in self.variants]
        return wanted[self.shard - 1 :: self.shards]


@dataclasses.dataclass(frozen=True)
class State:
    """How far a run is: `finished`, `failed`, `interrupted` or `waiting`.

    Attributes:
      word: One of these.
      step: Of its latest checkpoint; 0 where there is none.
      reason: Why it failed.
    """

    word: str
    step: int = 0
    reason: str = ""


def state_of(folder: Path) -> State:
    """How far the run in a folder is."""
    saved = [int(one.name) for one in (folder / "checkpoints").glob("*") if one.name.isdigit()]
    step = max(saved, default=0)
    if (folder / RESULT).exists():
        return State("finished", step)
    if (folder / FAILURE).exists():
        return State("failed", step, read_json(folder / FAILURE)["reason"])
    return State("interrupted" if saved else "waiting", step)
