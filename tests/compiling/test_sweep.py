"""What a sweep tries, and how it ranks."""

from types import SimpleNamespace

import pytest

from cotjax import config as configs
from cotjax.compiling.hardware import Topology
from cotjax.compiling.measured import Counts, Roofline
from cotjax.compiling.run import compile_many
from cotjax.compiling.sweep import meshes, ranked, sweep
from cotjax.errors import InputError


def test_meshes_use_all_devices_and_divide_the_heads():
    assert list(meshes(1, 6)) == [{"data": 1, "fsdp": 1, "tensor": 1}]
    found = list(meshes(16, 6))
    assert {"data": 16, "fsdp": 1, "tensor": 1} in found
    assert {"data": 2, "fsdp": 8, "tensor": 1} in found
    assert {"data": 1, "fsdp": 8, "tensor": 2} in found
    assert all(one["data"] * one["fsdp"] * one["tensor"] == 16 for one in found)
    assert all(6 % one["tensor"] == 0 for one in found)


def swept(repository, figures, devices=1):
    """What is tried, where figures(changed) are (fits, seconds by resource, traced FLOPs).

    Returns:
      What was measured, in order; `tried` of it is (batch, remat).
    """
    config = configs.load(repository / "configs" / "default.py")

    def measure(changed):
        fits, seconds, traced = figures(changed)
        binds = max(seconds, key=seconds.get)
        return SimpleNamespace(
            tried=(changed.data.batch_size, changed.model.remat),
            mesh=changed.mesh.to_dict(),
            fits=fits,
            counts=Counts(1000, traced, traced, 1, {}),
            roofline=Roofline(seconds, binds, 1 / seconds[binds]),
        )

    done = list(sweep(config, devices, 4, measure))
    assert config.model.remat == "none"
    return done


def tried(done):
    """(batch, remat) of each."""
    return [one.tried for one in done]


TRACED = {"full": 1300, "dots": 1100, "none": 1000}


def test_nothing_larger_than_what_does_not_fit_is_tried(repository):
    """That one policy does not fit says nothing of another: a compiler may find more for it."""

    def figures(changed):
        fits = changed.model.remat == "dots" and changed.data.batch_size <= 32
        return fits, {"compute": 1.3, "memory": 2.0}, TRACED[changed.model.remat]

    first = [(16, "full"), (16, "dots"), (16, "none")]
    assert tried(swept(repository, figures)) == [*first, (32, "dots"), (64, "dots")]


def test_what_recomputes_more_is_best_where_memory_binds(repository):
    """No compute is saved by keeping what takes longer to read than to compute again."""
    memory = {"full": 1.4, "dots": 1.5, "none": 1.6}

    def figures(changed):
        seconds = {"compute": 1.0, "memory": memory[changed.model.remat]}
        return True, seconds, TRACED[changed.model.remat]

    done = swept(repository, figures)
    assert len(done) == 9
    assert ranked(done)[0].tried == (16, "full")


def test_what_products_keep_below_the_best_is_not_tried_again(repository):
    """Neither with more replies nor on another mesh: both leave the products as they are."""
    seconds = {"full": 1.4, "dots": 1.1, "none": 1.2}

    def figures(changed):
        remat = changed.model.remat
        return True, {"compute": 1.0, "memory": seconds[remat]}, TRACED[remat]

    first = [(16, "full"), (16, "dots"), (16, "none"), (32, "none"), (64, "none")]
    assert tried(swept(repository, figures)) == first
    assert tried(swept(repository, figures, 4))[5:] == 3 * [first[2], *first[3:]]


def test_a_mesh_that_is_bad_for_a_policy_does_not_end_it_on_others(repository):
    """Nor does one that computes more than was asked for."""

    def figures(changed):
        good = changed.mesh.fsdp == 4
        seconds = {"compute": 1.1 if good else 3.0, "memory": 1.0}
        return good, seconds, TRACED[changed.model.remat]

    best = ranked(swept(repository, figures, 4))[0]
    assert (best.mesh["fsdp"], best.fits) == (4, True)


def test_a_gain_of_less_than_the_margin_is_not_worth_a_compilation(repository):
    def figures(changed):
        return True, {"compute": 1.0, "memory": 1.001}, 1000

    assert tried(swept(repository, figures, 4)) == [(16, "full"), (16, "dots"), (16, "none")]


def test_hardware_without_peaks_has_no_best(repository):
    config = configs.load(repository / "configs" / "default.py")
    with pytest.raises(InputError, match="--topology=cpu:2 has no peaks to rank by"):
        compile_many(config, Topology.parse("cpu:2"), None)


def test_the_highest_ceiling_of_what_fits_is_first():
    def one(fits, ceiling):
        return SimpleNamespace(fits=fits, roofline=SimpleNamespace(ceiling=ceiling))

    worse, best, too_large = one(True, 0.3), one(True, 0.5), one(False, 0.9)
    assert ranked([worse, too_large, best]) == [best, worse, too_large]
