"""One train step of cotjax: compiled, looked at and run."""

from cotjax.memory_watch import manage_memory

if __name__ == "__main__":
    manage_memory()  # as scripts do, before what is imported starts threads

import dataclasses
import statistics
import sys
import time

import numpy as np

from benchmarks.train_ours import initial_state, prepared
from benchmarks.turns import Figures, Order, answer
from cotjax import config as configs
from cotjax.mesh import make_mesh
from cotjax.training.feeding import global_batches
from cotjax.training.pace import wait
from cotjax.training.prepare import optimizer_of
from cotjax.training.state import without_rate
from cotjax.training.step import compiled_step

GIB = 2**30


def measure(order: Order) -> Figures:
    """Compiles the step that the command line says, and takes it a few times."""
    config = configs.load(sys.argv[1], sys.argv[2:])
    mesh = make_mesh(config.mesh.to_dict())
    experiment = prepared(config, mesh)
    state = initial_state(config, experiment, mesh)
    ((work, batch),) = global_batches(experiment.steps, experiment.tokenizer.eos, 0, 1, mesh)
    step, rest = _step(config, experiment.model, mesh)
    start = time.perf_counter()
    compiled = step.lower(state, batch, np.uint32(0), *rest).compile()
    compiling = time.perf_counter() - start
    stats, seconds = compiled.memory_analysis(), []
    for _ in range(order["repetitions"] + 1):
        start = time.perf_counter()
        state, metrics = compiled(state, batch, np.uint32(0), *rest)
        wait(metrics["loss"])
        seconds.append(time.perf_counter() - start)
    return {
        "arguments": stats.argument_size_in_bytes / GIB,
        "temporaries": stats.temp_size_in_bytes / GIB,
        "outputs": (stats.output_size_in_bytes - stats.alias_size_in_bytes) / GIB,
        "compile_seconds": compiling,
        "seconds": statistics.median(seconds[1:]),
        "examples": work.examples,
        "rows": work.encoder_positions // experiment.steps.shape.encoder,
        "encoder": experiment.steps.shape.encoder,
        "decoder": experiment.steps.shape.decoder,
    }


def _step(config, model, mesh):
    """The jitted step, and its arguments after state, batch and seed."""
    optimizer, schedule = optimizer_of(config)
    loss, accumulation = config.loss, config.optimizer.accumulation
    how = (schedule.name, loss.label_smoothing, loss.z_loss, accumulation, mesh)
    step = compiled_step(model, without_rate(optimizer), *how)
    return step, (optimizer.learning_rate, dataclasses.astuple(schedule)[1:])


if __name__ == "__main__":
    answer(measure)
