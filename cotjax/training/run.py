"""Training: check the workdir, prepare the data, then run the loop in a folder of one's own."""

import dataclasses
import os
import time
from pathlib import Path

import jax
from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict
from rich.progress import Progress

from cotjax import config as configs
from cotjax.claims import alone_in, refuse_if_in_use
from cotjax.compilations import keep_compiled
from cotjax.group import initialize_distributed, wait_for_all
from cotjax.laps import Laps
from cotjax.mesh import batch_parts, make_mesh
from cotjax.models.t5_config import check_attention, check_rows
from cotjax.training.description import description
from cotjax.training.loop import Loop
from cotjax.training.prepare import Experiment, prepare, save_run_files
from cotjax.training.saving import check_same_data
from cotjax.training.writers import RunWriter


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
      step: Steps done.
      metrics: The last evaluation of each split, by `<split>/<metric>`.
      seconds: Wall time of this call.
    """

    step: int
    metrics: dict[str, float]
    seconds: float


def train(
    config: ConfigDict,
    workdir: str | os.PathLike,
    progress: Progress | None = None,
    laps: Laps | None = None,
) -> TrainResult:
    """Trains what a config names, or goes on with what `workdir` holds of it.

    Args:
      config: Validated; see configs/default.py.
      workdir: Takes all that the run makes. A rerun with the same config resumes it.
      progress: A bar of the caller's to report into; by default the run shows its own.
      laps: Wall time since the program began, to be told with that of the run.

    Raises:
      InputError: for a config, data or workdir that don't fit.
      NotFiniteError: if the numbers go wrong for good; see the `guard` section of the config.
    """
    start, laps = time.monotonic(), laps or Laps()
    initialize_distributed()
    keep_compiled(config.compilation_cache_dir)
    mesh = make_mesh(config.mesh.to_dict())
    workdir = Path(workdir).absolute()
    refuse_if_in_use(workdir)
    configs.check_same_run(config, workdir)
    row_multiple = batch_parts(mesh)
    check_attention(config.model.attention, jax.default_backend())
    experiment = prepare(config, row_multiple * config.optimizer.accumulation)
    shape = experiment.steps.shape
    check_rows(config.model.attention, encoder=shape.encoder, decoder=shape.decoder)
    laps("prepare")
    check_same_data(experiment, workdir)
    wait_for_all("training: every host has checked the workdir")
    with alone_in(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        if jax.process_index() == 0:
            configs.dump(config, workdir / "config.json")
            save_run_files(experiment, workdir)
        step, metrics = _train_in(workdir, config, experiment, mesh, progress, laps)
        return TrainResult(step, metrics, time.monotonic() - start)


def _train_in(
    workdir: Path,
    config: ConfigDict,
    experiment: Experiment,
    mesh: Mesh,
    progress: Progress | None,
    laps: Laps,
) -> tuple[int, dict[str, float]]:
    """Trains in a folder that is this job's; returns the steps done and the last metrics."""
    with RunWriter(workdir, progress) as writer:
        loop = Loop(config, experiment, mesh, workdir, writer, laps)
        with loop.saves:
            for line in description(experiment, mesh):
                writer.say(line)
            state = loop.start_or_resume()
            loop.train(state)
        return loop.step, loop.metrics
