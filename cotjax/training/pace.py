"""How far the host runs ahead of the devices, and how it waits for them."""

import time

import jax
from jax.sharding import Mesh

STEPS_AHEAD = 2  # enough to hide the host's own work
PAUSE = 0.01  # of the time waited: of seconds, what frees GiB; of milliseconds, nothing to speak of


def steps_ahead(mesh: Mesh) -> int:
    """How many steps may wait: none on a CPU, which does the host's work itself."""
    return 0 if _is_cpu(mesh.devices.flat[0]) else STEPS_AHEAD


def wait(result: jax.Array) -> None:
    """Waits for what a step returned, and on a CPU until its temporaries are freed as well.

    For XLA frees them some milliseconds after it says that results are ready, without a word: a
    step that begins at once allocates its own beside them, twice as much as is ever needed.
    """
    start = time.perf_counter()
    jax.block_until_ready(result)
    if all(map(_is_cpu, result.devices())):
        time.sleep(PAUSE * (time.perf_counter() - start))


def _is_cpu(device: jax.Device) -> bool:
    return device.platform == "cpu"
