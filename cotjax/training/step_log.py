"""Gathers the metrics of steps on the device, and writes one line for several of them."""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from cotjax.data.work import Work
from cotjax.laps import Laps
from cotjax.models.t5_config import T5Config
from cotjax.targets.segments import Kind
from cotjax.training.pace import steps_ahead, wait
from cotjax.training.throughput import Throughput, train_flops
from cotjax.training.writers import RunWriter

LOGGED_KINDS = {"label": Kind.LABEL, "rationale": Kind.RATIONALE}


class StepLog:
    """Takes the metrics of every step; `flush` writes means and rates since the last line.

    Metrics stay on the device until then, and the host is at most `steps_ahead` of it. Rates are of
    the steps after the last compilation: each shape of a batch has one, in its first step. Losses
    are of the steps that were not skipped. A line has the wall time since the last one, by
    what took it: `data_seconds` of waiting for batches, `step_seconds`, `compile_seconds` and the
    like; and `compilations`, where there were any: a steady run has none after its first lines.
    """

    def __init__(
        self,
        model: T5Config,
        mesh: jax.sharding.Mesh,
        writer: RunWriter,
        see: Callable[[int, list[dict[str, np.ndarray]]], None],
        laps: Laps,
        compiled: list[float],
    ):
        """Begins with nothing to write.

        Args:
          model: Of the student, whose FLOPs are counted.
          mesh: What the run trains on.
          writer: Takes the lines.
          see: Is given the metrics of every step, the last one's number first.
          laps: Wall time since the run began, which is told after the first step.
          compiled: Gets an entry for every program that is compiled.
        """
        self._model = model
        self._throughput = Throughput(model, mesh.devices.flatten().tolist())
        self._writer, self._see = writer, see
        self._ahead = steps_ahead(mesh)
        self._laps, self._programs = laps, compiled
        self._waiting: list[tuple[Work, dict[str, jax.Array]]] = []
        self._compiled: set[tuple[int, int]] = set()  # positions of encoder and decoder
        self._bar = None

    def start(self, first: int, total: int) -> None:
        """Shows the bar, `first` of `total` steps done."""
        self._bar = self._writer.progress.add_task("train", total=total, completed=first, rate="")

    def restart_clock(self) -> None:
        """Leaves out of the rates what was done since the last line: it was not training."""
        self._throughput.restart()

    def add(self, work: Work, metrics: dict[str, jax.Array]) -> None:
        """Takes a step's metrics, still on the device; waits for those `steps_ahead` before.

        So the host is never far ahead: the bar tells the truth, and few batches wait in memory.
        """
        self._waiting.append((work, metrics))
        shape = (work.encoder_positions, work.decoder_positions)
        if shape in self._compiled:
            self._throughput.add(work)
            if len(self._waiting) > self._ahead:
                wait(self._waiting[-1 - self._ahead][1]["loss"])
            self._laps("step")
        else:  # what was done so far in this window can't be told from the compilation
            wait(metrics["loss"])
            self._laps("compile")
            if not self._compiled:
                self._tell_start()
            self._compiled.add(shape)
            self._throughput.restart()
        self._writer.progress.advance(self._bar)

    def flush(self, step: int) -> None:
        """Writes one line for the steps since the last one, `step` the last of them."""
        if not self._waiting:
            return
        work = sum((work for work, _ in self._waiting), Work())
        metrics = jax.device_get([metrics for _, metrics in self._waiting])
        self._waiting.clear()
        values = _means(metrics)
        values |= {
            "examples": work.examples,
            "supervised_tokens": work.supervised,
            "flops": float(train_flops(self._model, work)),
            "encoder_non_pad": work.encoder / work.encoder_positions,
            "decoder_non_pad": work.decoder / work.decoder_positions,
        }
        values |= self._throughput.report()
        if self._programs:
            values["compilations"] = len(self._programs)
            self._programs.clear()
        self._laps("other")
        values |= {f"{name}_seconds": seconds for name, seconds in self._laps.report().items()}
        self._writer.scalars(step, values)
        self._writer.say(f"step {step}: {in_words(values)}")
        self._see(step, metrics)
        speed = values.get("examples_per_second")
        rate = f"{speed:.1f} examples/s, " if speed is not None else ""
        self._writer.progress.update(self._bar, rate=f"{rate}loss {values['loss']:.3f}")

    def _tell_start(self) -> None:
        """Says what the time to the end of the first step went into."""
        seconds = self._laps.seconds
        parts = ", ".join(f"{name} {one:.1f}" for name, one in seconds.items())
        self._writer.say(f"first step after {sum(seconds.values()):.1f} s: {parts}")

    def close(self) -> None:
        """Takes the bar away."""
        self._writer.progress.remove_task(self._bar)


def in_words(values: dict[str, Any]) -> str:
    """The numbers among `values` on one line, to four digits."""
    shown = {name: value for name, value in values.items() if isinstance(value, int | float)}
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in shown.items()
    )


def _means(metrics: list[dict[str, np.ndarray]]) -> dict[str, float]:
    """Means over the steps that were not skipped: of their losses, and of tokens by kind.

    Where all were, there is a NaN for the loss, and nothing by kind.
    """
    taken = [one for one in metrics if not one["skipped"]]
    values = {
        "loss": float(np.mean([one["loss"] for one in taken])) if taken else math.nan,
        "grad_norm": float(np.mean([one["grad_norm"] for one in taken])) if taken else math.nan,
        "learning_rate": float(metrics[-1]["learning_rate"]),
    }
    if len(taken) < len(metrics):
        values["skipped_steps"] = len(metrics) - len(taken)
    if not taken:
        return values
    nll, right, count = (
        sum(one[name].astype(np.float64) for one in taken) for name in ("nll", "right", "count")
    )
    for name, kind in LOGGED_KINDS.items():
        if count[kind]:
            values[f"{name}_loss"] = float(nll[kind] / count[kind])
            values[f"{name}_accuracy"] = float(right[kind] / count[kind])
    return values
