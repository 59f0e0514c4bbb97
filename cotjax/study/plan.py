"""Which runs of a study are to be done here, and how far each one is.

Nothing here imports JAX or TensorFlow, so a mistake is told in the first second.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cotjax.claims import holder_of
from cotjax.config_checks import nearest
from cotjax.errors import InputError
from cotjax.study.definition import Study
from cotjax.study.grid import PlannedRun, plan, plan_tuning
from cotjax.study.kept import FAILURE, RESULT, VOTE, read_kept


@dataclasses.dataclass(frozen=True)
class Part:
    """What of a study is done here.

    Attributes:
      names: Of the runs that are; None for all.
    """

    names: frozenset[str] | None = None

    @classmethod
    def parse(cls, study: Study, only: str | None, shard: str | None) -> "Part":
        """Reads `NAME,NAME` and `i/n`; raises InputError for unknown names and odd numbers.

        A shard has every n-th run of a list that is fixed by the study: no run changes machines
        while tuning makes its choices.
        """
        variants = _variants(study, only)
        numbers = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", "1/1" if shard is None else shard)
        if not numbers or int(numbers[1]) > int(numbers[2]):
            raise InputError(f"--shard={shard}: write i/n, such as 1/4, with i from 1 to n")
        if only is None and shard is None:
            return cls()
        first, step = int(numbers[1]) - 1, int(numbers[2])
        names = [
            run.name
            for runs in (plan_tuning(study), plan(study))
            for run in [run for run in runs if run.variant.name in variants][first::step]
        ]
        return cls(frozenset(names))

    def of(self, runs: Iterable[PlannedRun]) -> list[PlannedRun]:
        """Those of some runs that are done here; one at shared settings where its own is done."""
        return [run for run in runs if self.names is None or run.name in self.names]


@dataclasses.dataclass(frozen=True)
class State:
    """How far a run is.

    Attributes:
      word: `finished`, `failed`, `running` (elsewhere), `interrupted` or `waiting`.
      step: Of its latest checkpoint; 0 where there is none.
      reason: Why it failed, or by whom it is run.
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
    if holder := holder_of(folder):
        return State("running", step, f"being run by {holder}")
    if (folder / FAILURE).exists():
        return State("failed", step, read_kept(folder / FAILURE, "reason")["reason"])
    return State("interrupted" if saved else "waiting", step)


def takes_vote(run: PlannedRun, samples: int | None) -> bool:
    """Whether a run answers the test questions by vote too."""
    return samples is not None and run.group != "tuning" and run.can_vote


def lacks_vote(workdir: Path, run: PlannedRun, samples: int | None) -> bool:
    """Whether a finished run has still to answer the test questions by vote."""
    if not takes_vote(run, samples):
        return False
    return read_kept(workdir / run.folder / RESULT).get(VOTE, {}).get("samples") != samples


def _variants(study: Study, only: str | None) -> Sequence[str]:
    """The names in a list, or of all variants."""
    names = [variant.name for variant in study.variants]
    wanted = only.split(",") if only is not None else names
    for name in wanted:
        if name not in names:
            raise InputError(
                f"--only={only}: the study has no variant {name!r}{nearest(name, names)}"
            )
    return wanted
