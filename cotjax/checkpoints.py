"""Checkpoints: parameters, optimizer state and a JSON note, the best and the latest of a run.

All of Orbax that cotjax uses. Saving is asynchronous, a checkpoint appears under its step when it
is whole, and restoring places every leaf on the mesh, and in the dtype, that the caller asks for.
"""

import json
import math
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from cotjax.errors import InputError


class Checkpoints:
    """The checkpoints of one folder, named by their steps.

    The `keep_latest` newest are kept, and the one with the highest metric (the newest of equals).
    With `read_only` nothing is created or removed, so a run that is still training can be read.
    """

    def __init__(self, folder: Path, *, keep_latest: int = 1, read_only: bool = False):
        self.folder = Path(folder).absolute()
        if read_only and not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder of checkpoints")
        self._read_only = read_only
        self._manager = ocp.CheckpointManager(self.folder, options=_options(keep_latest, read_only))

    def save(
        self,
        step: int,
        params: Any,
        opt_state: Any,
        meta: dict[str, Any],
        metric: float | None,
        wait: bool = False,
    ) -> None:
        """Saves in the background, or before it returns with `wait`; a step is saved only once.

        The best has the highest `metric`; a step without one, or with NaN, is never better than
        another. `meta` must be plain JSON.
        """
        if self._read_only:
            raise ValueError(f"{self.folder} was opened for reading only")
        json.dumps(meta, allow_nan=False)  # fails now, not half-way through in another thread
        if step not in self._manager.all_steps():
            items = ocp.args.Composite(
                params=ocp.args.StandardSave(params),
                optimizer=ocp.args.StandardSave(opt_state),
                meta=ocp.args.JsonSave(meta),
            )
            # Forced: Orbax would quietly skip a step that isn't after the latest.
            self._manager.save(step, args=items, metrics=_metrics(metric), force=True)
        if wait:
            self._manager.wait_until_finished()

    def latest_step(self) -> int | None:
        """The newest step, None in an empty folder."""
        return self._manager.latest_step()

    def best_step(self) -> int | None:
        """The step with the highest metric, None where no step has one."""
        return self._manager.best_step()

    def all_steps(self) -> list[int]:
        """All steps, oldest first."""
        return sorted(self._manager.all_steps())

    def resolve(self, name: str | int) -> int:
        """The step meant by 'best', 'latest' or a number; an InputError names those that exist."""
        named = {str(step): step for step in self.all_steps()}
        named |= {"best": self.best_step(), "latest": self.latest_step()}
        step = named.get(str(name))
        if step is None:
            existing = ", ".join(map(str, self.all_steps())) or "none"
            raise InputError(f"{self.folder}: no checkpoint {name!r}; steps that exist: {existing}")
        return step

    def restore(self, step: int, params_like: Any, optimizer_like: Any) -> tuple[Any, Any, dict]:
        """(params, optimizer state, meta) of a step.

        The trees of ShapeDtypeStructs say with which sharding and dtype; a tree that isn't the
        checkpoint's is an InputError.
        """
        items = self._restore(
            step,
            params=ocp.args.StandardRestore(params_like),
            optimizer=ocp.args.StandardRestore(optimizer_like),
            meta=ocp.args.JsonRestore(),
        )
        return items.params, items.optimizer, items.meta

    def restore_params(self, step: int, params_like: Any) -> Any:
        """The parameters of a step alone, placed as `restore` does."""
        return self._restore(step, params=ocp.args.StandardRestore(params_like)).params

    def meta(self, step: int) -> dict[str, Any]:
        """The JSON note of a step."""
        return self._restore(step, meta=ocp.args.JsonRestore()).meta

    def wait(self) -> None:
        """Returns when everything saved is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for what is being saved and lets go of the folder."""
        self._manager.close()

    def _restore(self, step: int, **items: Any) -> ocp.args.Composite:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except (ValueError, KeyError, FileNotFoundError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(":")
            raise InputError(
                f"{self.folder / str(step)}: does not fit this config, or is damaged: {reason}"
            ) from error


def _options(keep_latest: int, read_only: bool) -> ocp.CheckpointManagerOptions:
    """How Orbax keeps house.

    A checkpoint without a metric is kept while it is among the latest. `best_fn` says the same as
    the policy: without it Orbax's best step would be the latest.
    """
    best = preservation_policy.BestN(
        get_metric_fn=_metric, n=1, keep_checkpoints_without_metrics=False
    )
    latest = preservation_policy.LatestN(keep_latest)
    return ocp.CheckpointManagerOptions(
        best_fn=_metric,
        preservation_policy=preservation_policy.AnyPreservationPolicy([latest, best]),
        create=not read_only,
        cleanup_tmp_directories=not read_only,
    )


def _metric(metrics: dict[str, float]) -> float:
    return metrics["metric"]


def _metrics(metric: float | None) -> dict[str, float] | None:
    """What Orbax ranks: it would put NaN first and remove the true best."""
    if metric is None:
        return None
    return {"metric": float(metric) if math.isfinite(metric) else -math.inf}
