"""How cotjax fine-tunes: the batches and the step of a training run, without its files."""

from cotjax.memory_watch import manage_memory

if __name__ == "__main__":
    manage_memory()  # as scripts do, before what is imported starts threads

import dataclasses
import sys
import time

import jax
import numpy as np

from benchmarks.turns import Figures, Order, answer
from cotjax import config as configs
from cotjax.compilations import compilations
from cotjax.data.work import Work
from cotjax.mesh import batch_parts, make_mesh
from cotjax.models.hf import load_params
from cotjax.training.feeding import global_batches
from cotjax.training.pace import steps_ahead, wait
from cotjax.training.prepare import Experiment, optimizer_of, prepare
from cotjax.training.state import TrainState, init_state
from cotjax.training.step import eval_step, train_step

FOREVER = 1_000_000  # steps, more than any benchmark takes


class Ours:
    """A student of cotjax's in training."""

    def __init__(self, file: str, *overrides: str):
        """Prepares what a config names, and loads the pretrained weights."""
        self._config = configs.load(file, overrides)
        self._mesh = make_mesh(self._config.mesh.to_dict())
        self._experiment = prepared(self._config, self._mesh)
        self._state = initial_state(self._config, self._experiment, self._mesh)
        self._step = step_of(self._config, self._experiment, self._mesh)
        self._fed = self._batches(FOREVER)

    def measure(self, order: Order) -> Figures:
        """Trains an epoch, or asks for the loss of one: what `order` says."""
        return self._loss() if order["what"] == "loss" else self._train()

    def _train(self) -> Figures:
        """Trains an epoch; batches of the next one are made ahead, as in a run."""
        work, losses, waited = Work(), [], 0.0
        ahead = steps_ahead(self._mesh)
        start = time.perf_counter()
        with compilations() as compiled:
            for _ in range(self._experiment.steps.per_epoch):
                asked = time.perf_counter()
                more, batch = next(self._fed)
                waited += time.perf_counter() - asked
                self._state, metrics = self._step(self._state, batch, np.uint32(0))
                work += more
                losses.append(metrics["loss"])
                wait(losses[max(len(losses) - 1 - ahead, 0)])
            jax.block_until_ready(self._state)
        figures = {"seconds": time.perf_counter() - start, "waited": waited}
        figures |= {"loss": float(np.mean(jax.device_get(losses)))}
        figures |= {"compilations": len(compiled), "compile_seconds": sum(compiled)}
        return figures | dataclasses.asdict(work)

    def _loss(self) -> Figures:
        """Negative log-likelihood of an epoch, without dropout."""
        measure = eval_step(self._experiment.model, self._mesh)
        sums = [
            jax.device_get(measure(self._state.params, batch))
            for _, batch in self._batches(self._experiment.steps.per_epoch)
        ]
        return {name: float(sum(one[name].sum() for one in sums)) for name in ("nll", "count")}

    def _batches(self, last: int):
        experiment = self._experiment
        return global_batches(experiment.steps, experiment.tokenizer.eos, 0, last, self._mesh)


def prepared(config, mesh) -> Experiment:
    """What a config names, its rows for a mesh."""
    rows = batch_parts(mesh)
    return prepare(config, rows * config.optimizer.accumulation)


def initial_state(config, experiment: Experiment, mesh) -> TrainState:
    """The pretrained student before its first step."""
    params = load_params(experiment.pretrained, experiment.model, mesh)
    return init_state(experiment.model, optimizer_of(config)[0], mesh, config.seed, params)


def step_of(config, experiment: Experiment, mesh):
    """The train step (state, batch, seed) -> (state, metrics) of a config."""
    loss, accumulation = config.loss, config.optimizer.accumulation
    how = (loss.label_smoothing, loss.z_loss, accumulation, mesh)
    return train_step(experiment.model, *optimizer_of(config), *how)


if __name__ == "__main__":
    answer(Ours(*sys.argv[1:]).measure)
