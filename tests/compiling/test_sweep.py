"""What a sweep tries, and how it ranks."""

from types import SimpleNamespace

from cotjax import config as configs
from cotjax.compiling.sweep import meshes, ranked, sweep


def test_meshes_use_all_devices_and_divide_the_heads():
    assert list(meshes(1, 6)) == [{"data": 1, "fsdp": 1, "tensor": 1}]
    found = list(meshes(16, 6))
    assert {"data": 16, "fsdp": 1, "tensor": 1} in found
    assert {"data": 2, "fsdp": 8, "tensor": 1} in found
    assert {"data": 1, "fsdp": 8, "tensor": 2} in found
    assert all(one["data"] * one["fsdp"] * one["tensor"] == 16 for one in found)
    assert all(6 % one["tensor"] == 0 for one in found)


def test_nothing_larger_than_what_does_not_fit_is_tried(repository):
    config = configs.load(repository / "configs" / "default.py")
    tried = []

    def measure(changed):
        fits = changed.model.remat == "full" and changed.data.batch_size == 32
        tried.append((changed.data.batch_size, changed.model.remat))
        return SimpleNamespace(fits=fits)

    list(sweep(config, 1, 4, measure))
    assert tried == [(32, "none"), (32, "dots"), (32, "full"), (64, "full")]
    assert config.model.remat == "none"


def test_the_highest_ceiling_of_what_fits_is_first():
    def one(fits, ceiling):
        return SimpleNamespace(fits=fits, roofline=SimpleNamespace(ceiling=ceiling))

    worse, best, too_large = one(True, 0.3), one(True, 0.5), one(False, 0.9)
    assert ranked([worse, too_large, best]) == [best, worse, too_large]
