"""What a sweep tries, and how it ranks."""

from types import SimpleNamespace

from cotjax import config as configs
from cotjax.compiling.measured import Roofline
from cotjax.compiling.sweep import meshes, ranked, sweep


def test_meshes_use_all_devices_and_divide_the_heads():
    assert list(meshes(1, 6)) == [{"data": 1, "fsdp": 1, "tensor": 1}]
    found = list(meshes(16, 6))
    assert {"data": 16, "fsdp": 1, "tensor": 1} in found
    assert {"data": 2, "fsdp": 8, "tensor": 1} in found
    assert {"data": 1, "fsdp": 8, "tensor": 2} in found
    assert all(one["data"] * one["fsdp"] * one["tensor"] == 16 for one in found)
    assert all(6 % one["tensor"] == 0 for one in found)


def swept(repository, figures, devices=1):
    """What is tried, as (batch, remat), where figures(changed) are (fits, seconds by resource)."""
    config = configs.load(repository / "configs" / "default.py")
    tried = []

    def measure(changed):
        tried.append((changed.data.batch_size, changed.model.remat))
        fits, seconds = figures(changed)
        binds = max(seconds, key=seconds.get)
        return SimpleNamespace(fits=fits, roofline=Roofline(seconds, binds, 1 / seconds[binds]))

    list(sweep(config, devices, 4, measure))
    assert config.model.remat == "none"
    return tried


def test_nothing_larger_than_what_does_not_fit_is_tried(repository):
    def figures(changed):
        fits = changed.model.remat == "full" and changed.data.batch_size == 32
        return fits, {"compute": 1.3, "memory": 2.0}

    assert swept(repository, figures) == [(32, "full"), (32, "dots"), (64, "full")]


def test_what_recomputes_more_is_best_where_memory_binds(repository):
    """No compute is saved by keeping what takes longer to read than to compute again."""
    times = {"full": (1.3, 1.4), "dots": (1.1, 1.5), "none": (1.0, 1.6)}

    def figures(changed):
        return True, dict(zip(("compute", "memory"), times[changed.model.remat], strict=True))

    tried = swept(repository, figures)
    assert len(tried) == 9
    assert set(tried[:3]) == {(32, "full"), (32, "dots"), (32, "none")}


def test_what_products_alone_keep_below_the_best_is_not_tried_again(repository):
    """Neither with more replies nor on another mesh: both leave the products as they are."""
    times = {"full": (1.3, 1.4), "dots": (1.1, 1.0), "none": (1.0, 1.2)}

    def figures(changed):
        return True, dict(zip(("compute", "memory"), times[changed.model.remat], strict=True))

    none = [(batch, "none") for batch in (64, 128)]
    first = [(32, "full"), (32, "dots"), (32, "none"), *none]
    assert swept(repository, figures) == first
    assert set(swept(repository, figures, 4)) == set(first)
    assert len(swept(repository, figures, 4)) == 5 + 3 * 3


def test_the_highest_ceiling_of_what_fits_is_first():
    def one(fits, ceiling):
        return SimpleNamespace(fits=fits, roofline=SimpleNamespace(ceiling=ceiling))

    worse, best, too_large = one(True, 0.3), one(True, 0.5), one(False, 0.9)
    assert ranked([worse, too_large, best]) == [best, worse, too_large]
