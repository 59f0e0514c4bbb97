"""Checkpoints: parameters, optimizer state and a JSON note, the best and the latest of a run.

All of Orbax that cotjax uses. Saving is asynchronous, a checkpoint appears under its step when it
is whole, and restoring places every leaf on the mesh, and in the dtype, that the caller asks for.
What was damaged since is told by checksums, which stand in the note.
"""

import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from cotjax.checkpoint_note import OWN, checksums_of, is_whole, make_note, meta_of
from cotjax.checksums import changed, checksums
from cotjax.errors import InputError, first_line
from cotjax.group import processes_where, wait_for_all
from cotjax.json_files import dump_json, read_json, replace_file

NOTE = Path("meta", "metadata")  # where Orbax keeps the JSON of a step
DAMAGED = "damaged"  # begins the name of a checkpoint that was set aside


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
        self._reader = _reader()
        _tell_errors_once()
        self._manager = _Manager(self.folder, options=_options(keep_latest, read_only))

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

        Raises:
          InputError: if this checkpoint, or the one before it, could not be written.
        """
        if self._read_only:
            raise ValueError(f"{self.folder} was opened for reading only")
        json.dumps(meta, allow_nan=False)  # fails now, not half-way through in another thread
        if step not in self._manager.all_steps():
            sums = checksums({"params": params, "optimizer": opt_state})
            items = ocp.args.Composite(
                params=ocp.args.StandardSave(params),
                optimizer=ocp.args.StandardSave(opt_state),
                meta=ocp.args.JsonSave(make_note(meta, metric, sums)),
            )
            with self._writing():
                # Forced: Orbax would quietly skip a step that isn't after the latest.
                self._manager.save(step, args=items, metrics=_metrics(metric), force=True)
        if wait:
            self.wait()

    def rate(self, step: int, meta: dict[str, Any], metric: float | None) -> None:
        """Gives a step that was saved without one its metric, and the rest of its note anew."""
        self.wait()
        note = make_note(meta, metric, checksums_of(self._note(step)) or {})
        if jax.process_index() == 0:
            with self._writing():
                replace_file(self.folder / str(step) / NOTE, dump_json(note))
        wait_for_all(f"checkpoints: step {step} is rated")
        self._manager.reload()

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
        checkpoint's, or was changed since it was saved, is an InputError. All processes must call
        it, and it raises on all of them if one alone can't read its part.
        """
        found, meta = self._restore(
            step,
            params=ocp.args.StandardRestore(params_like),
            optimizer=ocp.args.StandardRestore(optimizer_like),
        )
        return found["params"], found["optimizer"], meta

    def restore_params(self, step: int, params_like: Any) -> Any:
        """The parameters of a step alone, placed as `restore` does."""
        return self._restore(step, params=ocp.args.StandardRestore(params_like))[0]["params"]

    def meta(self, step: int) -> dict[str, Any]:
        """The JSON note of a step."""
        return meta_of(self._note(step))

    def set_aside(self, step: int) -> Path:
        """Renames a damaged step, so that it is none any more; returns where it is."""
        self.wait()
        aside = self.folder / f"{DAMAGED}-{step}"
        if jax.process_index() == 0:
            while aside.exists():
                aside = aside.with_name(f"{aside.name}-again")
            (self.folder / str(step)).rename(aside)
        wait_for_all(f"checkpoints: {aside.name} is set aside")
        self._manager.reload()
        return aside

    def wait(self) -> None:
        """Returns when everything saved is on disk; InputError if it could not be written."""
        with self._writing():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits for what is being saved and lets go of the folder."""
        with self._writing():
            self._manager.close()

    def _restore(self, step: int, **items: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is asked for of a step, by name, and its meta, as they were saved."""
        found, note = self._read_by_all(step, items)
        expected = checksums_of(note)
        if expected and (names := changed(expected, checksums(found))):
            raise InputError(
                f"{self.folder / str(step)}: damaged: checksum of {names[0]}"
                + (f" and {len(names) - 1} more" if names[1:] else "")
            )
        return found, meta_of(note)

    def _read_by_all(
        self, step: int, items: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is asked for, and the note; raises on all processes if one can't read its part."""
        problem = None
        try:
            with self._reading(step):
                restored = self._read(step, **items)
                found = {name: restored[name] for name in items}
            note = self._note(step)
        except InputError as error:
            problem = error
        failed = processes_where(problem is not None, f"checkpoints: step {step} is read")
        if problem:
            raise problem
        if failed:
            raise InputError(
                f"{self.folder / str(step)}: damaged as process {failed[0]} finds it, whose output "
                "says more"
            )
        return found, note

    def _note(self, step: int) -> dict[str, Any]:
        with self._reading(step):
            note = dict(self._read(step, meta=ocp.args.JsonRestore())["meta"])
            if not is_whole(note):
                raise ValueError("checksum of meta")
            return note

    def _read(self, step: int, **items: Any) -> Any:
        return self._reader.restore(self.folder / str(step), ocp.args.Composite(**items))

    @contextmanager
    def _reading(self, step: int) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of damaged files Orbax raises whatever comes, itself too
            reason = first_line(error.__cause__ or error).rstrip(":")
            raise InputError(
                f"{self.folder / str(step)}: does not fit this config, or is damaged: {reason}"
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Tells in one line what went wrong in Orbax's threads: it raises many kinds of errors."""
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            reason = first_line(error).rstrip(":")
            raise InputError(
                f"{self.folder}: a checkpoint could not be written ({reason}); those "
                "before it are as they were: make room, or the folder writable, and run the same "
                "command to go on"
            ) from error


class _Manager(ocp.CheckpointManager):
    """Orbax's, which leaves signals to the run, and opens folders with damaged metrics."""

    def reached_preemption(self, step: int) -> bool:
        """Never: the run asks JAX, which counts its questions, and Orbax's would be others."""
        return False

    def metrics(self, step: int) -> dict[str, float] | None:
        """What the note of a step says of its metric; older ones leave that to a file of Orbax."""
        try:
            note = read_json(Path(self.directory) / str(step) / NOTE)
            if OWN in note and is_whole(note):
                return _metrics(note[OWN]["metric"])
            found = super().metrics(step)
            return found if found is None else _metrics(found["metric"])
        except (OSError, ValueError, KeyError, TypeError):  # it is named when it is restored
            return None


def _reader() -> ocp.Checkpointer:
    """Reads what one process needs: Orbax would wait for others, who may have failed already."""
    own = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=own, active_processes={own})
    options = ocp.CompositeOptions(multiprocessing_options=alone)
    handler = ocp.CompositeCheckpointHandler(composite_options=options)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _tell_errors_once() -> None:
    """Leaves the errors of Orbax's threads to whoever waits for them: they are raised there."""
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_is_not_of_orbax)
    report = sys.unraisablehook
    if report.__module__ == __name__:
        return

    def report_others(told: Any) -> None:
        # TensorStore says of every array that nobody waits any more for a save that failed.
        if str(told.exc_value) != "Event loop is closed":
            report(told)

    sys.unraisablehook = report_others


def _is_not_of_orbax(record: logging.LogRecord) -> bool:
    told, error = record.getMessage(), (record.exc_info or (None, None))[1]
    is_a_write = "never retrieved" in told and isinstance(error, OSError)  # Orbax waits for one
    is_of_orbax = "orbax" in record.pathname or "orbax" in told or is_a_write
    return not is_of_orbax or record.levelno < logging.ERROR


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
