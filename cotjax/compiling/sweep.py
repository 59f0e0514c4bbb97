"""Meshes, batch sizes and remat policies to try, and which of them is best."""

import math
from collections.abc import Callable, Iterator

from ml_collections.config_dict import ConfigDict

from cotjax.compiling.measured import Measured

REMAT = ("full", "dots", "none")  # what fits first, as a rule
BATCHES = (1 / 2, 1, 2)  # times the config's
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

    No larger batch of what does not fit; and no policy whose products, which are the same on every
    mesh and for every batch, keep it from being better than what was found.
    """
    best, bounds = 0.0, dict.fromkeys(REMAT, math.inf)
    for mesh in meshes(devices, heads):
        too_large = set()
        for times in BATCHES:
            for remat in REMAT:
                if remat in too_large or bounds[remat] < MARGIN * best:
                    continue
                measured = measure(_changed(config, mesh, times, remat))
                yield measured
                if measured.counts:
                    bounds[remat] = measured.counts.bound
                if measured.fits is False:
                    too_large.add(remat)
                elif measured.roofline:
                    best = max(best, measured.roofline.ceiling)


def ranked(all_measured: list[Measured]) -> list[Measured]:
    """What fits by its ceiling, the highest first; then what does not."""

    def place(one: Measured) -> tuple[bool, float]:
        return one.fits is False, -(one.roofline.ceiling if one.roofline else 0.0)

    return sorted(all_measured, key=place)


def _changed(config: ConfigDict, mesh: dict[str, int], times: int, remat: str) -> ConfigDict:
    changed = config.copy_and_resolve_references()
    changed.mesh.update(mesh)
    changed.data.batch_size = max(1, int(times * config.data.batch_size))
    changed.model.remat = remat
    return changed
