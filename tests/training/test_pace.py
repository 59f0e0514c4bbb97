"""How the host waits for the devices."""

import time

import jax
import jax.numpy as jnp
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
    paused, took = [], 0.2
    monkeypatch.setattr(pace.jax, "block_until_ready", lambda result: sleep(took))
    sleep = time.sleep
    monkeypatch.setattr(pace.time, "sleep", paused.append)
    wait(Device(platform))
    assert len(paused) == (share is not None)
    assert all(share * took <= seconds < 5 * share * took for seconds in paused)


def test_what_is_waited_for_is_ready():
    result = jax.jit(lambda matrix: matrix @ matrix)(jnp.ones((512, 512)))
    wait(result)
    assert result.is_ready()
