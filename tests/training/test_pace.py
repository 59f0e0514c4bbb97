"""How the host waits for the devices."""

import jax
import numpy as np
import pytest

from cotjax.training import pace
from cotjax.training.pace import PAUSE, STEPS_AHEAD, steps_ahead, wait


class Device:
    """A device of some platform; `devices()` of an array too."""

    def __init__(self, platform):
        self.platform = platform

    def devices(self):
        return {self}


def test_no_step_waits_on_a_cpu_and_some_do_elsewhere():
    on = {
        platform: steps_ahead(jax.sharding.Mesh(np.array([Device(platform)]), ("data",)))
        for platform in ("cpu", "gpu", "tpu")
    }
    assert on == {"cpu": 0, "gpu": STEPS_AHEAD, "tpu": STEPS_AHEAD}


@pytest.mark.parametrize(("platform", "share"), [("cpu", PAUSE), ("gpu", None), ("tpu", None)])
def test_a_pause_follows_a_step_on_a_cpu(platform, share, monkeypatch):
    """As long as a share of what the step took."""
    clock, waited, paused = iter((10.0, 14.0)), [], []
    monkeypatch.setattr(pace.jax, "block_until_ready", waited.append)
    monkeypatch.setattr(pace.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(pace.time, "sleep", paused.append)
    result = Device(platform)
    wait(result)
    assert waited == [result]
    assert paused == ([] if share is None else [pytest.approx(4 * share)])
