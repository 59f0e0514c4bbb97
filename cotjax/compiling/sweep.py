"""Meshes, batch sizes and remat policies to try, and which of them is best."""

import math
from collections.abc import Callable, Iterator

from ml_collections.config_dict import ConfigDict

from cotjax.compiling.measured import Measured

REMAT = ("none", "dots", "full")  # from the least recomputation on
BATCHES = (1, 2, 4)  # times the config's
TENSOR = (1, 2, 4, 8)


def meshes(devices: int, heads: int) -> Iterator[dict[str, int]]:
    """Meshes worth trying: parameters copied, split, and split with wide layers split too."""
    if devices > 1:
        yield {"data": devices, "fsdp": 1, "tensor": 1}
    for tensor in TENSOR:
        if devices % tensor == 0 and heads % tensor == 0:
            yield {"data": 1, "fsdp": devices // tensor, "tensor": tensor}
    if devices > 8 and devices % 8 == 0:
        yield {"data": devices // 8, "fsdp": 8, "tensor": 1}


def sweep(
    config: ConfigDict,
    devices: int,
    heads: int,
    measure: Callable[[ConfigDict], Measured],
) -> Iterator[Measured]:
    """Measures what can be the best: nothing larger than what does not fit.

    Where a policy fits, one that recomputes more is not tried: it computes the same and more.
    """
    for mesh in meshes(devices, heads):
        too_large: dict[str, int] = {}
        for times in BATCHES:
            for remat in REMAT:
                if too_large.get(remat, math.inf) < times:
                    continue
                measured = measure(_changed(config, mesh, times, remat))
                yield measured
                if measured.fits is not False:
                    break
                too_large[remat] = times


def ranked(all_measured: list[Measured]) -> list[Measured]:
    """What fits by its ceiling, the highest first; then what does not."""

    def place(one: Measured) -> tuple[bool, float]:
        return one.fits is False, -(one.roofline.ceiling if one.roofline else 0.0)

    return sorted(all_measured, key=place)


def _changed(config: ConfigDict, mesh: dict[str, int], times: int, remat: str) -> ConfigDict:
    changed = config.copy_and_resolve_references()
    changed.mesh.update(mesh)
    changed.data.batch_size = times * config.data.batch_size
    changed.model.remat = remat
    return changed
