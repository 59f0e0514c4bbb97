"""What a run is trained on, in words."""

from collections.abc import Iterator

import jax
from jax.sharding import Mesh

from cotjax.tasks.splits import split_lines
from cotjax.training.prepare import SELECTED, Experiment, selection_lines


def description(experiment: Experiment, mesh: Mesh) -> Iterator[str]:
    """Lines on the devices, on what was dropped, cut or unknown, and on what a step holds."""
    steps, counts = experiment.steps, experiment.counts.items()
    shape = steps.shape
    said = f"{shape.decoder_rows} x " * (shape.decoder_rows > 1) + str(shape.decoder)
    yield f"mesh {dict(mesh.shape)} of {mesh.size} x {jax.devices()[0].device_kind}"
    yield " ".join(f"{name}={count}" for name, count in counts if not name.startswith(SELECTED))
    yield from selection_lines(experiment.counts)
    yield from split_lines(experiment.splits)
    yield (
        f"rows of {shape.encoder} encoder and {said} decoder tokens; "
        f"{' or '.join(map(str, steps.row_counts))} rows a step, "
        f"{steps.targets_per_epoch} targets in {steps.per_epoch} steps an epoch"
    )
