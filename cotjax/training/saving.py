"""What a run saves and goes on from: never a state that holds NaN or infinity."""

import dataclasses
import math
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict

import cotjax
from cotjax import config as configs
from cotjax.checkpoints import Checkpoints
from cotjax.errors import InputError, NotFiniteError
from cotjax.lost import anothers_end
from cotjax.mesh import replicated
from cotjax.training.faults import shortened
from cotjax.training.poison import poisoned_leaves
from cotjax.training.prepare import Experiment, optimizer_of
from cotjax.training.state import TrainState, abstract_state


@dataclasses.dataclass(frozen=True)
class Restored:
    """What a run goes on from.

    Attributes:
      step: Steps done.
      state: After them.
      best: The highest metric until then, -inf where there was none.
      losses: Recent ones, oldest first.
      is_evaluated: False where a signal cut the evaluation short that was due then.
      problems: What was wrong with newer checkpoints, a line each.
    """

    step: int
    state: TrainState
    best: float
    losses: list[float]
    is_evaluated: bool
    problems: tuple[str, ...]


class Saves:
    """The checkpoints of a run, with what a resumed one must know of it."""

    def __init__(self, config: ConfigDict, experiment: Experiment, mesh: Mesh, workdir: Path):
        """Opens, and makes, the folder of checkpoints."""
        self._config, self._experiment, self._mesh = config, experiment, mesh
        self._workdir = workdir
        self._folder = workdir / "checkpoints"
        self._checkpoints = Checkpoints(self._folder, keep_latest=config.checkpoint.keep_latest)

    def latest_step(self) -> int | None:
        """The newest step that is saved, or is being saved."""
        return self._checkpoints.latest_step()

    def whole_step(self) -> int:
        """The newest step that is saved, and not only being saved; 0 where none is."""
        names = [path.name for path in self._folder.glob("*")]
        return max((int(name) for name in names if name.isdigit()), default=0)

    def check(self, state: TrainState, step: int) -> None:
        """Raises NotFiniteError, naming the leaves, for a state that is not to be saved."""
        if poisoned := poisoned_leaves({"params": state.params, "optimizer": state.opt_state}):
            raise NotFiniteError(
                f"{self._workdir}: the student is not finite after step {step} "
                f"({shortened(poisoned)}) and is not saved; the last checkpoint is of step "
                f"{self.latest_step() or 0}: look at config.optimizer.learning_rate and "
                "config.optimizer.epsilon"
            )

    def save(
        self,
        state: TrainState,
        step: int,
        best: float,
        metric: float | None,
        losses: list[float],
        wait: bool = False,
        is_evaluated: bool = True,
    ) -> None:
        """Saves a state that was checked; `best` is the highest metric, -inf where there is none.

        `losses` are the recent ones, which a resumed run compares its own with. Unless
        `is_evaluated`, it makes up for an evaluation that was due.
        """
        config, experiment = self._config, self._experiment
        meta = {
            "step": step,
            "examples": experiment.steps.targets_before(step),
            "config": config.to_dict(),
            "config_hash": configs.config_hash(config),
            "data_fingerprint": experiment.fingerprint,
            "tokenizer_hash": experiment.tokenizer.content_hash(),
            "best": best if math.isfinite(best) else None,
            "losses": losses,
            "is_evaluated": is_evaluated,
            "versions": {"cotjax": cotjax.__version__, "jax": jax.__version__},
        }
        self._checkpoints.save(step, state.params, state.opt_state, meta, metric, wait=wait)

    def rate(self, step: int, best: float, metric: float | None) -> None:
        """Notes of a step that was saved before its evaluation the metric of it, if it counts."""
        meta = self._checkpoints.meta(step)
        finite = best if math.isfinite(best) else None
        self._checkpoints.rate(step, meta | {"best": finite, "is_evaluated": True}, metric)

    def restore(self) -> Restored | None:
        """The newest checkpoint that is whole, None where there is none at all.

        Newer ones that are damaged are set aside, so that a run saves these steps anew.

        Raises:
          InputError: if none is whole, naming what is wrong with the newest.
        """
        problems: dict[int, InputError] = {}
        for step in reversed(self._checkpoints.all_steps()):
            try:
                state, meta = self._restore(step)
            except InputError as error:
                problems[step] = error
                continue
            asides = {damaged: self._checkpoints.set_aside(damaged).name for damaged in problems}
            told = tuple(
                f"{problem}: it is now {asides[damaged]}, and step {step} is gone on with"
                for damaged, problem in problems.items()
            )
            best = meta["best"] if meta["best"] is not None else -math.inf
            # Older checkpoints have neither of these.
            losses, is_evaluated = meta.get("losses", []), meta.get("is_evaluated", True)
            return Restored(step, state, best, losses, is_evaluated, told)
        if problems:
            raise next(iter(problems.values()))
        return None

    def _restore(self, step: int) -> tuple[TrainState, dict[str, Any]]:
        like = abstract_state(self._experiment.model, optimizer_of(self._config)[0], self._mesh)
        params, opt_state, meta = self._checkpoints.restore(step, like.params, like.opt_state)
        return TrainState(replicated(np.int32(step), self._mesh), params, opt_state), meta

    def wait(self) -> None:
        """Returns when everything saved is on disk."""
        self._checkpoints.wait()

    def __enter__(self) -> "Saves":
        return self

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        """Waits for what is being saved and lets go of the folder."""
        if anothers_end(error) is None:  # or the save would wait for the process that is gone
            self._checkpoints.close()


def check_same_data(experiment: Experiment, workdir: Path) -> None:
    """Refuses to go on where a checkpoint was trained on other data; nothing is written before."""
    if not (workdir / "checkpoints").is_dir():
        return
    with closing(Checkpoints(workdir / "checkpoints", read_only=True)) as checkpoints:
        for step in reversed(checkpoints.all_steps()):
            try:
                fingerprint = checkpoints.meta(step)["data_fingerprint"]
            except InputError:  # damaged: it is not gone on with
                continue
            if fingerprint == experiment.fingerprint:
                return
            raise InputError(
                f"{workdir}: its run was trained on other data than config.data.records and "
                "config.task.source give now; restore the data or choose another --workdir"
            )
