"""Lines for several steps: means over all of them, rates without what compilation took."""

import math

import jax
import jax.numpy as jnp
import pytest

from cotjax.data.work import Work
from cotjax.mesh import make_mesh
from cotjax.models.t5_config import PRESETS
from cotjax.targets.segments import Kind
from cotjax.training import throughput
from cotjax.training.step_log import StepLog
from cotjax.training.writers import RunWriter, read_scalars

RATES = {"examples_per_second", "supervised_tokens_per_second", "tokens_per_second", "mfu"}


class Run:
    """Takes steps on a clock that the test turns."""

    def __init__(self, log: StepLog, seen: list):
        self.now, self.log, self.seen = 0.0, log, seen
        log._throughput._clock = lambda: self.now
        log.start(0, 10)

    def step(self, seconds: float, loss: float = 1.0, rows: int = 1) -> None:
        """A step of four examples a row, after which `seconds` have passed."""
        self.now += seconds
        work = Work(examples=4 * rows, encoder_positions=8 * rows, decoder_positions=6 * rows)
        by_kind = jnp.ones(len(Kind))
        metrics = {
            "loss": jnp.float32(loss),
            "skipped": ~jnp.isfinite(loss),
            "nll": by_kind,
            "right": by_kind,
            "count": by_kind,
        }
        self.log.add(work, metrics | {"grad_norm": jnp.ones(()), "learning_rate": jnp.ones(())})


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(throughput, "_measured_cpu_peak", lambda: 1e9)
    with RunWriter(tmp_path) as writer:
        seen, mesh = [], make_mesh({}, jax.devices()[:1])
        log = StepLog(PRESETS["t5-small"], mesh, writer, lambda *some: seen.append(some))
        yield Run(log, seen)
        log.close()


def test_compilation_stays_out_of_the_rates_but_not_out_of_the_losses(run, tmp_path):
    run.step(seconds=100, loss=4.0)  # compiles
    run.step(seconds=1, loss=1.0)
    run.step(seconds=1, loss=1.0)
    run.log.flush(3)
    run.step(seconds=1)
    run.step(seconds=100, rows=2)  # compiles another shape
    run.step(seconds=1, rows=2)
    run.step(seconds=1)
    run.log.flush(7)
    first, second = read_scalars(tmp_path)
    assert first["examples_per_second"] == 2 * 4 / 2
    assert first["loss"] == 2.0
    assert second["examples_per_second"] == (8 + 4) / 2


def test_a_line_without_a_timed_step_has_no_rates(run, tmp_path):
    run.step(seconds=100)
    run.log.flush(1)
    run.step(seconds=2)
    run.log.flush(2)
    first, second = read_scalars(tmp_path)
    assert not RATES & first.keys()
    assert first["encoder_non_pad"] == 0
    assert second.keys() >= RATES
    assert second["examples_per_second"] == 2


def test_what_is_not_training_stays_out(run, tmp_path):
    run.step(seconds=100)
    run.log.flush(1)
    run.now += 50  # an evaluation
    run.log.restart_clock()
    run.step(seconds=4)
    run.log.flush(2)
    assert read_scalars(tmp_path)[-1]["examples_per_second"] == 1


def test_skipped_steps_are_counted_and_left_out_of_the_means(run, tmp_path):
    run.step(seconds=1, loss=2.0)
    run.step(seconds=1, loss=float("nan"))
    run.step(seconds=1, loss=4.0)
    run.log.flush(3)
    run.step(seconds=1, loss=float("inf"))
    run.log.flush(4)
    some, none = read_scalars(tmp_path)
    assert (some["loss"], some["skipped_steps"], some["label_loss"]) == (3.0, 1, 1.0)
    assert math.isnan(none["loss"])
    assert none["skipped_steps"] == 1
    assert "label_loss" not in none
    assert [(last, len(metrics)) for last, metrics in run.seen] == [(3, 3), (4, 1)]


def test_a_line_without_a_skipped_step_does_not_speak_of_them(run, tmp_path):
    run.step(seconds=1)
    run.log.flush(1)
    assert "skipped_steps" not in read_scalars(tmp_path)[0]
