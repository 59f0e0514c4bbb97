"""Runs a planned step on the devices that are here: what the roofline of a described one bounds."""

import dataclasses
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
from rich.table import Table

from cotjax.compiling.hardware import GIB
from cotjax.compiling.planned import Planned
from cotjax.mesh import replicated
from cotjax.training.optimizer import OptimizerConfig
from cotjax.training.pace import wait
from cotjax.training.prepare import optimizer_of
from cotjax.training.state import init_state
from cotjax.training.throughput import peak_flops

WARM_UP = 3  # steps that are not counted; the first one compiles


@dataclasses.dataclass(frozen=True)
class Timed:
    """What a step took.

    Attributes:
      planned: The step.
      first: Seconds of the first one, compilation included.
      seconds: Median of the others.
      utilisation: Model FLOPs over the devices' peak; None where that is not known.
      peak: Most bytes that a device had in use; None where it does not tell.
    """

    planned: Planned
    first: float
    seconds: float
    utilisation: float | None
    peak: int | None


def run_steps(planned: Planned, steps: int) -> Timed:
    """Times so many steps of random weights on rows that are full of random tokens."""
    optimizer, schedule = optimizer_of(planned.config)
    state = init_state(planned.model, optimizer, planned.mesh, planned.config.seed)
    batch = _batch(planned, optimizer)
    numbers = replicated((optimizer.learning_rate, dataclasses.astuple(schedule)[1:]), planned.mesh)
    seconds = []
    for index in range(WARM_UP + steps):
        start = time.perf_counter()
        state, metrics = planned.step(state, batch, index, *numbers)
        wait(metrics["loss"])
        seconds.append(time.perf_counter() - start)
    median, devices = statistics.median(seconds[WARM_UP:]), planned.mesh.devices.ravel().tolist()
    top = peak_flops(devices)
    used = (devices[0].memory_stats() or {}).get("peak_bytes_in_use")
    utilisation = planned.model_flops / median / top if top else None
    return Timed(planned, seconds[0], median, utilisation, used)


def _batch(planned: Planned, optimizer: OptimizerConfig) -> dict[str, jax.Array]:
    """Rows of one reply each, no padding; a token's weight is its share of the loss."""
    _, shapes = planned.arrays(optimizer)
    key, batch = jax.random.key(0), {}
    for index, (name, leaf) in enumerate(shapes.items()):
        if name.endswith(("tokens", "inputs", "targets")):
            drawn = jax.random.fold_in(key, index)
            made = jax.random.randint(drawn, leaf.shape, 2, planned.model.vocab_size)
        elif name == "loss_weights":
            made = jnp.full(leaf.shape, 1 / (leaf.shape[0] * leaf.shape[1]))
        else:
            made = jnp.full(leaf.shape, int(name.endswith("_segments") or name == "segment_source"))
        batch[name] = jax.device_put(made.astype(leaf.dtype), leaf.sharding)
    return batch


def timed_table(timed: Timed) -> Table:
    """The figures, a line each."""
    planned = timed.planned
    device = planned.mesh.devices.ravel()[0].device_kind
    table = Table("a step", "", title=f"{planned.mesh.size} x {device}", min_width=60)
    shape = f"{planned.rows} rows of {planned.encoder} and {planned.decoder} tokens"
    model = planned.model
    table.add_row("batch", f"{planned.replies} replies in {shape}")
    table.add_row("computed in", f"{model.dtype}, remat {model.remat}, attention {model.attention}")
    table.add_row("took", f"{1e3 * timed.seconds:,.2f} ms (the first {timed.first:,.1f} s)")
    table.add_row("replies a second", f"{planned.replies / timed.seconds:,.1f}")
    if timed.utilisation:
        table.add_row("MFU", f"{timed.utilisation:.1%}")
    if timed.peak:
        table.add_row("most memory in use, a device", f"{timed.peak / GIB:,.2f} GiB")
    return table


def as_json(timed: Timed) -> dict[str, Any]:
    """What is written of it."""
    model = timed.planned.model
    return {
        "device": timed.planned.mesh.devices.ravel()[0].device_kind,
        "mesh": dict(timed.planned.mesh.shape),
        "rows": timed.planned.rows,
        "encoder": timed.planned.encoder,
        "decoder": timed.planned.decoder,
        "model": dataclasses.asdict(model),
        "model_flops": timed.planned.model_flops,
        "seconds": timed.seconds,
        "first_seconds": timed.first,
        "utilisation": timed.utilisation,
        "peak_bytes": timed.peak,
    }
