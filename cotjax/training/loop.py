"""The training loop: prepare, restore or start, then evaluate, save, step and log."""

import dataclasses
import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict
from rich.progress import Progress

import cotjax
from cotjax import config as configs
from cotjax.checkpoints import Checkpoints
from cotjax.data.pipeline import batches
from cotjax.data.work import Work
from cotjax.errors import InputError
from cotjax.evaluation.asking import Given
from cotjax.evaluation.given import given_rationales
from cotjax.evaluation.run import evaluate
from cotjax.evaluation.student import Student
from cotjax.mesh import (
    BATCH_AXES,
    initialize_distributed,
    local_rows,
    make_mesh,
    to_global,
    wait_for_all,
)
from cotjax.models.hf import load_params
from cotjax.tasks.splits import split_lines
from cotjax.training.prepare import (
    SELECTED,
    Experiment,
    optimizer_of,
    prepare,
    save_run_files,
    selection_lines,
)
from cotjax.training.profiler import Profiler
from cotjax.training.step import TrainState, abstract_state, init_state, train_step
from cotjax.training.step_log import StepLog, in_words
from cotjax.training.stopping import stop_signals
from cotjax.training.writers import RunWriter, read_scalars


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
      step: Steps done.
      metrics: The last evaluation of each split, by `<split>/<metric>`.
      seconds: Wall time of this call.
    """

    step: int
    metrics: dict[str, float]
    seconds: float


def train(
    config: ConfigDict, workdir: str | os.PathLike, progress: Progress | None = None
) -> TrainResult:
    """Trains what a config names, or goes on with what `workdir` holds of it.

    Args:
      config: Validated; see configs/default.py.
      workdir: Takes all that the run makes. A rerun with the same config resumes it.
      progress: A bar of the caller's to report into; by default the run shows its own.

    Raises:
      InputError: for a config, data or workdir that don't fit, or a loss that is not finite.
    """
    start = time.monotonic()
    initialize_distributed()
    mesh = make_mesh(config.mesh.to_dict())
    workdir = Path(workdir).absolute()
    configs.check_same_run(config, workdir)
    row_multiple = math.prod(mesh.shape[axis] for axis in BATCH_AXES)
    experiment = prepare(config, row_multiple * config.optimizer.accumulation)
    _check_same_data(experiment, workdir)
    wait_for_all("training: every host has checked the workdir")
    workdir.mkdir(parents=True, exist_ok=True)
    if jax.process_index() == 0:
        configs.dump(config, workdir / "config.json")
        save_run_files(experiment, workdir)
    with RunWriter(workdir, progress) as writer:
        run = _Run(config, experiment, mesh, workdir, writer)
        try:
            run.describe()
            state = run.start_or_resume()
            run.train(state)
        finally:
            run.checkpoints.close()
        return TrainResult(run.step, run.metrics, time.monotonic() - start)


class _Run:
    """A run in progress: what `train` would otherwise carry from stage to stage."""

    def __init__(
        self,
        config: ConfigDict,
        experiment: Experiment,
        mesh: Mesh,
        workdir: Path,
        writer: RunWriter,
    ):
        self.config, self.experiment, self.mesh = config, experiment, mesh
        self.workdir, self.writer = workdir, writer
        self.optimizer, self.schedule = optimizer_of(config)
        self.checkpoints = Checkpoints(
            workdir / "checkpoints", keep_latest=config.checkpoint.keep_latest
        )
        self.metrics: dict[str, float] = {}
        self.best = -math.inf
        self.step = 0
        self.given: dict[str, Given] = {}  # by split, of an order that reads rationales

    def describe(self) -> None:
        """Says what is trained on, and what was dropped, cut or unknown."""
        say, experiment, steps = self.writer.say, self.experiment, self.experiment.steps
        say(f"mesh {dict(self.mesh.shape)} of {self.mesh.size} x {jax.devices()[0].device_kind}")
        counts = experiment.counts.items()
        say(" ".join(f"{n}={count}" for n, count in counts if not n.startswith(SELECTED)))
        for line in selection_lines(experiment.counts):
            say(line)
        for line in split_lines(experiment.splits):
            say(line)
        say(
            f"rows of {steps.shape.encoder} encoder and {steps.shape.decoder} decoder tokens; "
            f"{' or '.join(map(str, steps.row_counts))} rows a step, "
            f"{steps.targets_per_epoch} targets in {steps.per_epoch} steps an epoch"
        )

    def start_or_resume(self) -> TrainState:
        """The latest checkpoint of the workdir, or pretrained weights, or random ones."""
        model, seed = self.experiment.model, self.config.seed
        latest = self.checkpoints.latest_step()
        if latest is not None:
            return self._restore(latest)
        self.writer.forget_after(-1)
        params = None
        if self.experiment.pretrained:
            params = load_params(self.experiment.pretrained, model, self.mesh)
        return init_state(model, self.optimizer, self.mesh, seed, params)

    def train(self, state: TrainState) -> None:
        """Steps to the end, with what is due between steps."""
        config, first = self.config, int(state.step)
        total = config.schedule.total_steps
        if first == 0:
            self._evaluate(state)  # the untouched student
        seed = np.uint32(config.seed)
        take_step = train_step(
            self.experiment.model,
            self.optimizer,
            self.schedule,
            config.loss.label_smoothing,
            config.loss.z_loss,
            config.optimizer.accumulation,
            self.mesh,
        )
        window = config.profile.first_step, config.profile.num_steps
        profiler = Profiler(*window, self.workdir / "profile")
        log = StepLog(self.experiment.model, self.mesh, self.writer)
        log.start(first, total)
        with stop_signals() as stopped, closing(log), closing(profiler):
            for work, batch in self._batches(first, total):
                with profiler.step(self.step):
                    state, metrics = take_step(state, batch, seed)
                self.step += 1
                log.add(work, metrics)
                if self._between_steps(state, log):
                    log.restart_clock()
                if self.step < total and (number := stopped(self.step)):
                    log.flush(self.step)
                    self._stop(state, number)

    def _between_steps(self, state: TrainState, log: StepLog) -> bool:
        """Logs, evaluates and saves where it is due; returns whether that took time."""
        config, last = self.config, self.step == self.config.schedule.total_steps
        to_save = last or self.step % config.checkpoint.every == 0
        to_evaluate = to_save or self.step % config.evaluation.every == 0
        if to_evaluate or self.step % config.profile.log_every == 0:
            log.flush(self.step)
        if not to_evaluate:
            return False
        metric = self._evaluate(state)
        if to_save or metric > self.best:
            self._save(state, metric)
        self.best = max(self.best, metric)
        return True

    def _batches(self, first: int, total: int) -> Iterator[tuple[Work, dict[str, Any]]]:
        steps = self.experiment.steps
        local = batches(
            steps,
            self.experiment.tokenizer.eos,
            first,
            total,
            lambda rows: local_rows(self.mesh, rows),
        )
        for work, batch in local:
            rows = work.encoder_positions // steps.shape.encoder
            yield work, to_global(batch, self.mesh, rows)

    def _evaluate(self, state: TrainState) -> float:
        """Evaluates the configured splits; returns the metric that chooses the best."""
        experiment = self.experiment
        student = Student(experiment.model, state.params, experiment.tokenizer, self.mesh)
        for split in self.config.evaluation.splits:
            if experiment.order.reads_rationale and split not in self.given:
                self.given[split] = given_rationales(
                    experiment.task,
                    self.config,
                    split,
                    experiment.splits[split],
                    experiment.tokenizer,
                )
            summary = evaluate(
                student,
                experiment.task,
                experiment.splits[split],
                experiment.order,
                self.config,
                split=split,
                step=self.step,
                folder=self.workdir / "eval",
                given=self.given.get(split),
                progress=self.writer.progress,
            )
            scalars = {f"{split}/{name}": value for name, value in summary.items()}
            scalars = {k: v for k, v in scalars.items() if isinstance(v, int | float)}
            self.metrics |= scalars
            self.writer.scalars(self.step, scalars)
            self.writer.say(f"step {self.step} {split}: {in_words(summary)}")
        return float(self.metrics[self.config.evaluation.best_metric])

    def _save(self, state: TrainState, metric: float | None, wait: bool = False) -> None:
        meta = {
            "step": self.step,
            "examples": self.experiment.steps.targets_before(self.step),
            "config": self.config.to_dict(),
            "config_hash": configs.config_hash(self.config),
            "data_fingerprint": self.experiment.fingerprint,
            "tokenizer_hash": self.experiment.tokenizer.content_hash(),
            "best": max(self.best, metric if metric is not None else -math.inf),
            "versions": {"cotjax": cotjax.__version__, "jax": jax.__version__},
        }
        meta["best"] = meta["best"] if math.isfinite(meta["best"]) else None
        self.checkpoints.save(self.step, state.params, state.opt_state, meta, metric, wait=wait)

    def _restore(self, step: int) -> TrainState:
        like = abstract_state(self.experiment.model, self.optimizer, self.mesh)
        params, opt_state, meta = self.checkpoints.restore(step, like.params, like.opt_state)
        self.step = step
        self.best = meta["best"] if meta["best"] is not None else -math.inf
        self.writer.forget_after(step)
        for line in read_scalars(self.workdir):
            self.metrics |= {name: value for name, value in line.items() if "/" in name}
        self.writer.say(f"resumed after step {step}")
        return TrainState(jax.numpy.int32(step), params, opt_state)

    def _stop(self, state: TrainState, number: int) -> None:
        """Saves without a metric and leaves, as the signal asked."""
        self._save(state, metric=None, wait=True)
        name = signal.Signals(number).name
        self.writer.say(f"{name}: saved step {self.step}; run the same command to go on")
        sys.exit(128 + number)


def _check_same_data(experiment: Experiment, workdir: Path) -> None:
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
