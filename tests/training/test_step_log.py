"""Lines for several steps: means over all of them, rates without what compilation took."""

import math

import jax
import jax.numpy as jnp
import pytest

from cotjax.data.work import Work
from cotjax.laps import Laps
from cotjax.mesh import make_mesh
from cotjax.models.t5_config import PRESETS
from cotjax.targets.segments import Kind
from cotjax.training import throughput
from cotjax.training.step_log import StepLog
from cotjax.training.writers import RunWriter, read_scalars

RATES = {"examples_per_second", "supervised_tokens_per_second", "tokens_per_second", "mfu"}


class Run:
    """Takes steps on a clock that the test turns."""

    def __init__(self, writer: RunWriter):
        self.now, self.seen, self.compiled = 0.0, [], []
        self.laps = Laps(lambda: self.now)
        mesh = make_mesh({}, jax.devices()[:1])
        model = PRESETS["t5-small"]
        self.log = StepLog(model, mesh, writer, self._see, self.laps, self.compiled)
        self.log._throughput._clock = lambda: self.now
        self.log.start(0, 10)

    def _see(self, last: int, metrics: list[dict]) -> None:
        self.seen.append((last, metrics))

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
        run = Run(writer)
        yield run
        run.log.close()


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


def test_a_line_splits_the_time_among_what_took_it(run, tmp_path):
    run.now += 7
    run.laps("imports")
    run.step(seconds=100)  # compiles
    run.compiled += [60.0, 30.0]
    for seconds in (1, 2):
        run.now += 4
        run.laps("data")
        run.step(seconds)
    run.now += 0.5
    run.log.flush(3)
    run.step(seconds=1)
    run.log.flush(4)
    first, second = read_scalars(tmp_path)
    names = ("imports", "compile", "data", "step", "other")
    assert [first[f"{name}_seconds"] for name in names] == [7, 100, 8, 3, 0.5]
    assert first["compilations"] == 2
    spent = {name: value for name, value in second.items() if name.endswith("_seconds")}
    assert spent == {"step_seconds": 1, "other_seconds": 0}
    assert "compilations" not in second
    assert "first step after 107.0 s: imports 7.0, compile 100.0\n" in (
        tmp_path / "log.txt"
    ).read_text("utf-8")
