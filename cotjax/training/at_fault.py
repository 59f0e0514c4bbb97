"""Which targets make a step's loss or gradients not finite, found from a state that is good."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict

from cotjax.data.steps import Step, Steps
from cotjax.training.feeding import global_batches
from cotjax.training.prepare import Experiment, optimizer_of
from cotjax.training.state import Params
from cotjax.training.step import finite_check


@dataclasses.dataclass(frozen=True)
class Part:
    """Some of the targets of a step: rows of the run's table; steps count from 0."""

    step: int
    rows: np.ndarray

    def halves(self) -> tuple["Part", "Part"]:
        """Two parts that make up this one."""
        first, second = np.array_split(self.rows, 2)
        return Part(self.step, first), Part(self.step, second)


Finite = Callable[[Sequence[Part]], Sequence[bool]]


def whole(steps: Steps, step: int) -> Part:
    """All that a step trains."""
    return Part(step, steps.targets(step)[0])


def rows_at_fault(steps: Steps, skipped: range, to_step: int, are_finite: Finite) -> list[int]:
    """Rows of the table of targets, without which a run is to go on from a checkpoint.

    They are those that alone, or at least together, give no finite gradients to the checkpoint's
    own parameters. Where all of them give finite ones, the parameters had gone wrong before, and
    nothing says by which target: then all targets count that the skipped steps and as many before
    them held. (PaLM, arXiv:2204.02311, section 5.1, left out some hundred batches around a spike:
    they did no harm to another state.)

    Args:
      steps: As the run took them.
      skipped: Those whose loss or gradients were not finite.
      to_step: The checkpoint's.
      are_finite: What `finite_parts` gives for its parameters.
    """
    rows = smallest_bad([whole(steps, step) for step in skipped], are_finite)
    if not len(rows):
        around = range(max(to_step, skipped.start - len(skipped)), skipped.stop)
        rows = np.unique(np.concatenate([whole(steps, step).rows for step in around]))
    return rows.tolist()


def smallest_bad(parts: Sequence[Part], are_finite: Finite) -> np.ndarray:
    """Rows without which every part is finite, sorted: the smallest bad parts, by halving.

    A part may be bad though neither half is: then all of it counts.
    """
    found = np.zeros(0, np.int64)
    while len(more := _halved(parts, are_finite)):
        found = np.union1d(found, more)
        rest = [Part(part.step, np.setdiff1d(part.rows, found)) for part in parts]
        parts = [part for part in rest if len(part.rows)]
    return found


def _halved(parts: Sequence[Part], are_finite: Finite) -> np.ndarray:
    """The rows of the smallest bad parts; a bad half hides what is bad only over both halves."""
    found: list[Part] = []
    bad = _bad(parts, are_finite)
    while bad:
        found += [part for part in bad if len(part.rows) == 1]
        wide = [part for part in bad if len(part.rows) > 1]
        pairs = [part.halves() for part in wide]
        worse = _bad([half for pair in pairs for half in pair], are_finite)
        found += [part for part, pair in zip(wide, pairs, strict=True) if not _any(pair, worse)]
        bad = worse
    return np.concatenate([np.zeros(0, np.int64), *(part.rows for part in found)])


def _bad(parts: Sequence[Part], are_finite: Finite) -> list[Part]:
    answers = are_finite(parts) if parts else ()
    return [part for part, finite in zip(parts, answers, strict=True) if not finite]


def _any(pair: tuple[Part, Part], parts: Sequence[Part]) -> bool:
    return any(half is part for half in pair for part in parts)


def finite_parts(
    config: ConfigDict, experiment: Experiment, steps: Steps, mesh: Mesh, params: Params
) -> Finite:
    """The function that says of each part whether a train step with it alone would be finite."""
    check = finite_check(
        experiment.model,
        optimizer_of(config)[0],
        config.loss.label_smoothing,
        config.loss.z_loss,
        config.optimizer.accumulation,
        mesh,
    )
    seed = np.uint32(config.seed)

    def are_finite(parts: Sequence[Part]) -> list[bool]:
        eos, count = experiment.tokenizer.eos, len(parts)
        fed = global_batches(_Parts(steps, parts), eos, 0, count, mesh)
        answers = [
            check(params, batch, seed, np.int32(part.step))
            for part, (_, batch) in zip(parts, fed, strict=True)
        ]
        return [bool(answer) for answer in jax.device_get(answers)]

    return are_finite


class _Parts:
    """Steps that hold one part each, laid out as those of the run."""

    def __init__(self, steps: Steps, parts: Sequence[Part]):
        self._steps, self._parts = steps, parts
        self.table, self.config, self.shape = steps.table, steps.config, steps.shape

    def __getitem__(self, number: int) -> Step:
        part = self._parts[number]
        return self._steps.lay_out(part.rows, part.step // self._steps.per_epoch)
