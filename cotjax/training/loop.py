"""The training loop: start or restore, then step, evaluate, save and log."""

import math
import signal
import sys
from contextlib import closing
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict

from cotjax import config as configs
from cotjax.compilations import compilations
from cotjax.data.steps import Steps
from cotjax.errors import InputError, NotFiniteError
from cotjax.laps import Laps
from cotjax.mesh import replicated
from cotjax.models.hf import load_params
from cotjax.training.at_fault import Finite, finite_parts, rows_at_fault, whole
from cotjax.training.evaluations import Evaluations
from cotjax.training.faults import FaultLog, shortened
from cotjax.training.feeding import global_batches
from cotjax.training.left_out import LeftOut, Return
from cotjax.training.poison import poisoned_leaves
from cotjax.training.prepare import Experiment, optimizer_of
from cotjax.training.profiler import Profiler
from cotjax.training.saving import Saves
from cotjax.training.state import TrainState, init_state
from cotjax.training.step import train_step
from cotjax.training.step_log import StepLog
from cotjax.training.stopping import Stop, Stopped, stop_signals
from cotjax.training.watch import Watch
from cotjax.training.writers import RunWriter, read_scalars


class Loop:
    """A run in progress: what would otherwise be carried from stage to stage.

    Attributes:
      saves: Its checkpoints.
      step: Steps done.
      is_evaluated: Whether what was due then is done.
      metrics: The last evaluation of each split.
    """

    def __init__(
        self,
        config: ConfigDict,
        experiment: Experiment,
        mesh: Mesh,
        workdir: Path,
        writer: RunWriter,
        laps: Laps,
    ):
        self.config, self.experiment, self.mesh = config, experiment, mesh
        self.workdir, self.writer, self.laps = workdir, writer, laps
        self.optimizer, self.schedule = optimizer_of(config)
        self.saves = Saves(config, experiment, mesh, workdir)
        self.evaluations = Evaluations(config, experiment, mesh, workdir, writer)
        self.faults = FaultLog(writer, experiment.splits["train"])
        self.watch = Watch(config.guard.skipped_in_a_row, config.guard.spike_score)
        self.left_out = LeftOut(workdir, configs.config_hash(config), experiment.fingerprint)
        self.steps = self.left_out.of(experiment.steps)
        self.metrics: dict[str, float] = {}
        self.best = -math.inf
        self.step = 0
        self.is_evaluated = False
        self._stop = Stop(self.saves.whole_step)  # of signals, while it trains

    def start_or_resume(self) -> TrainState:
        """The newest whole checkpoint of the workdir, or pretrained weights, or random ones."""
        restored = self.saves.restore()
        if restored is None:
            return self._start()
        for problem in restored.problems:
            self.writer.say(problem)
        self.step, self.best = restored.step, restored.best
        self.is_evaluated = restored.is_evaluated
        self.watch.start(self.step, restored.losses)
        lost = self.writer.forget_after(self.step, self.is_evaluated)
        for line in read_scalars(self.workdir):
            self.metrics |= {name: value for name, value in line.items() if "/" in name}
        if lost:
            self.writer.say(f"{lost} step(s) were logged but not saved: they are taken again")
        self.writer.say(f"resumed after step {self.step}")
        return restored.state

    def train(self, state: TrainState) -> None:
        """Steps to the end; goes back where the numbers go wrong and the config says so."""
        with stop_signals(self.saves.whole_step) as self._stop:
            while skipped := self._take_steps(state):
                state = self._go_back(*skipped)

    def _start(self) -> TrainState:
        """The student before its first step."""
        self.metrics, self.best, self.step = {}, -math.inf, 0
        self.is_evaluated = False
        self.watch.start()
        self.writer.forget_after(-1)
        params, pretrained = None, self.experiment.pretrained
        if pretrained:
            params = load_params(pretrained, self.experiment.model, self.mesh)
            if poisoned := poisoned_leaves(params):
                raise InputError(
                    f"config.model.pretrained: weights of {pretrained} are not finite "
                    f"({shortened(poisoned)}): load the folder anew, or use another"
                )
        model, seed = self.experiment.model, self.config.seed
        return init_state(model, self.optimizer, self.mesh, seed, params)

    def _take_steps(self, state: TrainState) -> tuple[int, int] | None:
        """Steps to the end, with what is due between steps.

        Returns:
          None, or the first and the last of as many skipped steps in a row as end a run.
        """
        config, first = self.config, int(state.step)
        total = config.schedule.total_steps
        self.laps("student")
        if not self.is_evaluated:  # the untouched student, or one whose evaluation was cut short
            self._catch_up(state)
        seed = replicated(np.uint32(config.seed), self.mesh)
        take_step = train_step(
            self.experiment.model,
            self.optimizer,
            self.schedule,
            config.loss.label_smoothing,
            config.loss.z_loss,
            config.optimizer.accumulation,
            self.mesh,
        )
        profiler = Profiler(config.profile.steps, self.workdir / "profile")
        fed = global_batches(self.steps, self.experiment.tokenizer.eos, first, total, self.mesh)
        with (
            compilations() as compiled,
            closing(self._log(first, total, compiled)) as log,
            closing(profiler),
            closing(fed),
        ):
            for work, batch in fed:
                self.laps("data")
                self.step += 1
                with profiler.step(self.step), jax.transfer_guard("disallow"):
                    state, metrics = take_step(state, batch, seed)
                log.add(work, metrics)
                if self._between_steps(state, log):
                    log.restart_clock()
                if self.watch.diverged:
                    return self.watch.diverged
                if self.step < total and (number := self._stop.asked()):
                    log.flush(self.step)
                    self._leave(state, number)
                self.laps("other")
        return None

    def _log(self, first: int, total: int, compiled: list[float]) -> StepLog:
        """Of the steps after the first ones, its bar shown."""
        model, writer = self.experiment.model, self.writer
        log = StepLog(model, self.mesh, writer, self._see, self.laps, compiled)
        log.start(first, total)
        return log

    def _between_steps(self, state: TrainState, log: StepLog) -> bool:
        """Logs, evaluates and saves where it is due; returns whether that took time."""
        config, last = self.config, self.step == self.config.schedule.total_steps
        to_save = self._is_to_save()
        to_evaluate = to_save or self.step % config.evaluation.every == 0
        if to_evaluate or self.step % config.profile.log_every == 0:
            log.flush(self.step)
        if last and self.watch.in_a_row and not self.watch.diverged:
            self._check_that_it_learns(state)
        if not to_evaluate or self.watch.diverged:
            return False
        self.saves.check(state, self.step)
        metric = self._evaluate(state)
        if (to_save or metric > self.best) and self._save(state, metric):
            self.best = max(self.best, metric)
        return True

    def _is_to_save(self) -> bool:
        """Whether a checkpoint is due, however good the student is."""
        last = self.step == self.config.schedule.total_steps
        return last or self.step % self.config.checkpoint.every == 0

    def _see(self, last: int, metrics: list[dict[str, np.ndarray]]) -> None:
        """Watches the numbers of some steps, of which `last` is the last one."""
        seen = [
            self.watch.see(step, float(one["loss"]), float(one["grad_norm"]), bool(one["skipped"]))
            for step, one in enumerate(metrics, start=last - len(metrics) + 1)
        ]
        self.faults.tell([fault for fault in seen if fault], self.steps)

    def _catch_up(self, state: TrainState) -> None:
        """Evaluates a student that is not saved, as it has learnt nothing, or saved already."""
        metric = self._evaluate(state)
        if self.step:
            # Undisturbed it would be saved with its metric, or not be saved.
            counts = self._is_to_save() or metric > self.best
            self.best = max(self.best, metric)
            self.saves.rate(self.step, self.best, metric if counts else None)

    def _evaluate(self, state: TrainState) -> float:
        """Evaluates the configured splits; returns the metric that chooses the best."""
        self.is_evaluated = False
        try:
            self.metrics |= self.evaluations.ask(state.params, self.step, self._stop.check)
        except Stopped as stopped:
            self._leave(state, stopped.number)
        self.is_evaluated = True
        self.laps("evaluation")
        return float(self.metrics[self.config.evaluation.best_metric])

    def _save(self, state: TrainState, metric: float | None, wait: bool = False) -> bool:
        """Saves a state that was checked; not amid skipped steps, which a bad one may cause."""
        amid = self.watch.in_a_row and self.step < self.config.schedule.total_steps
        if amid or self.watch.diverged:
            self.writer.say(
                f"step {self.step} is not saved, for the steps before it were skipped; the last "
                f"checkpoint is of step {self.saves.latest_step() or 0}"
            )
            return False
        best = max(self.best, metric if metric is not None else -math.inf)
        losses = self.watch.losses
        self.saves.save(state, self.step, best, metric, losses, wait, self.is_evaluated)
        self.laps("saving")
        return True

    def _leave(self, state: TrainState, number: int) -> None:
        """Saves without a metric and leaves, as the signal asked."""
        self.saves.check(state, self.step)
        saved = self.step > 0 and self._save(state, metric=None, wait=True)
        done = f"saved step {self.step}" if saved else f"stopped after step {self.step}"
        if not self.is_evaluated:
            done += ", amid its evaluation"
        self.writer.say(f"{signal.Signals(number).name}: {done}; run the same command to go on")
        sys.exit(128 + number)

    def _check_that_it_learns(self, state: TrainState) -> None:
        """Gives up if the last step that was taken would not be finite now."""
        taken = self.watch.last_taken
        are_finite = self._finite_parts(state, self.steps)
        if not taken or not all(are_finite([whole(self.steps, taken - 1)])):
            self.watch.give_up()

    def _finite_parts(self, state: TrainState, steps: Steps) -> Finite:
        return finite_parts(self.config, self.experiment, steps, self.mesh, state.params)

    def _go_back(self, first: int, last: int) -> TrainState:
        """The last checkpoint's state, or that before any step, to go on without some targets.

        Raises:
          NotFiniteError: if the config does not want that, or it did not help.
        """
        self.saves.wait()
        to_step = self.saves.latest_step() or 0
        wrong = f"loss or gradients were not finite in steps {first} to {last}"
        if self.config.guard.then == "stop":
            raise NotFiniteError(
                f"{self.workdir}: {wrong}; the last checkpoint is of step {to_step}: look at their "
                "targets (faults.jsonl), go on without those at fault by "
                "--config.guard.then=go_back, or choose a lower config.optimizer.learning_rate and "
                "another --workdir"
            )
        if not self.left_out.may_return_to(to_step):
            raise NotFiniteError(
                f"{self.workdir}: {wrong}, and to leave targets out from step {to_step} on "
                "(left_out.json) did not help: choose a lower config.optimizer.learning_rate and "
                "another --workdir"
            )
        state, steps = self.start_or_resume(), self.steps
        to_step = self.step
        are_finite = self._finite_parts(state, steps)
        rows = rows_at_fault(steps, range(first - 1, last), to_step, are_finite)
        self.steps = steps.without(rows, to_step)
        names = self.faults.names(steps, rows)
        self.left_out.add(Return(to_step, first, last, tuple(rows), tuple(names)))
        self.writer.say(
            f"{wrong}: back to step {to_step}, from where others stand in for {len(rows)} "
            f"target(s): {shortened(names)}; all are in left_out.json"
        )
        return state
