"""Meshes, batch sizes and remat policies to try, and which of them is best."""

import math
from collections.abc import Callable, Iterator

from ml_collections.config_dict import ConfigDict

from cotjax.compiling.measured import Measured

REMAT = ("full", "dots", "none")  # from the least memory on
BATCHES = (1, 2, 4)  # times the config's
TENSOR = (1, 2, 4, 8)
MARGIN = 1.005  # a ceiling that could be higher by less is not worth minutes


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
    """Measures what can be the best, by mesh, batch size and policy.

    Nothing larger than what does not fit; and no policy whose products alone, which are the same on
    every mesh and for every batch, keep it below what was found.
    """
    best, promised = 0.0, dict.fromkeys(REMAT, math.inf)
    for mesh in meshes(devices, heads):
        too_large = dict.fromkeys(REMAT, math.inf)
        for times in BATCHES:
            for place, remat in enumerate(REMAT):
                if too_large[remat] <= times or promised[remat] < MARGIN * best:
                    continue
                measured = measure(_changed(config, mesh, times, remat))
                yield measured
                if measured.fits is False:
                    too_large |= dict.fromkeys(REMAT[place:], times)
                elif measured.roofline:
                    best = max(best, measured.roofline.ceiling)
                if measured.roofline:
                    promised[remat] = measured.roofline.by_compute


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
