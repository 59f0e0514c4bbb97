"""Batches of steps, on the mesh."""

from collections.abc import Iterator
from typing import Any

from jax.sharding import Mesh

from cotjax.data.pipeline import batches
from cotjax.data.steps import Steps
from cotjax.data.work import Work
from cotjax.mesh import local_rows, to_global


def global_batches(
    steps: Steps, eos: int, first: int, last: int, mesh: Mesh
) -> Iterator[tuple[Work, dict[str, Any]]]:
    """What steps `first` to `last` - 1 hold, and their Batches as global arrays."""
    local = batches(steps, eos, first, last, lambda rows: local_rows(mesh, rows))
    for work, batch in local:
        rows = work.encoder_positions // steps.shape.encoder
        yield work, to_global(batch, mesh, rows)
