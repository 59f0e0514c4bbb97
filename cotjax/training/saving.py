"""What a run saves and goes on from: never a state that holds NaN or infinity."""

import math
from pathlib import Path

import jax
from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict

import cotjax
from cotjax import config as configs
from cotjax.checkpoints import Checkpoints
from cotjax.errors import InputError, NotFiniteError
from cotjax.training.faults import shortened
from cotjax.training.poison import poisoned_leaves
from cotjax.training.prepare import Experiment, optimizer_of
from cotjax.training.step import TrainState, abstract_state


class Saves:
    """The checkpoints of a run, with what a resumed one must know of it."""

    def __init__(self, config: ConfigDict, experiment: Experiment, mesh: Mesh, workdir: Path):
        """Opens, and makes, the folder of checkpoints."""
        self._config, self._experiment, self._mesh = config, experiment, mesh
        self._workdir = workdir
        self._checkpoints = Checkpoints(
            workdir / "checkpoints", keep_latest=config.checkpoint.keep_latest
        )

    def latest_step(self) -> int | None:
        """The newest step that is saved, or is being saved."""
        return self._checkpoints.latest_step()

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
    ) -> None:
        """Saves a state that was checked; `best` is the highest metric, -inf where there is none.

        `losses` are the recent ones, which a resumed run compares its own with.
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
            "versions": {"cotjax": cotjax.__version__, "jax": jax.__version__},
        }
        self._checkpoints.save(step, state.params, state.opt_state, meta, metric, wait=wait)

    def restore(self, step: int) -> tuple[TrainState, float, list[float]]:
        """State, best metric and recent losses of a step."""
        like = abstract_state(self._experiment.model, optimizer_of(self._config)[0], self._mesh)
        params, opt_state, meta = self._checkpoints.restore(step, like.params, like.opt_state)
        best = meta["best"] if meta["best"] is not None else -math.inf
        losses = meta.get("losses", [])  # older checkpoints have none
        return TrainState(jax.numpy.int32(step), params, opt_state), best, losses

    def wait(self) -> None:
        """Returns when everything saved is on disk."""
        self._checkpoints.wait()

    def close(self) -> None:
        """Waits for what is being saved and lets go of the folder."""
        self._checkpoints.close()


def check_same_data(experiment: Experiment, workdir: Path) -> None:
    """Refuses to go on where a checkpoint was trained on other data; nothing is written before."""
    if not (workdir / "checkpoints").is_dir():
        return
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    try:
        latest = checkpoints.latest_step()
        if latest is None or checkpoints.meta(latest)["data_fingerprint"] == experiment.fingerprint:
            return
    finally:
        checkpoints.close()
    raise InputError(
        f"{workdir}: its run was trained on other data than config.data.records and "
        "config.task.source give now; restore the data or choose another --workdir"
    )
