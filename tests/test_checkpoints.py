"""What is kept, what comes back on another mesh, and what a killed run leaves behind."""

import gc
import json
import logging
import math
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cotjax.checkpoints import Checkpoints
from cotjax.errors import InputError
from cotjax.mesh import leaf_shardings, make_mesh
from tests.processes import run_processes

RULES = ((r"kernel", ("embed", "mlp")), (r"scale", (None,)))
OPTIMIZER = optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.masked(optax.add_decayed_weights(0.1), {"kernel": True, "scale": False}),
    optax.scale_by_adam(),
    optax.scale_by_schedule(optax.constant_schedule(-1e-3)),
)
META = {"step": 1, "config": {"seed": 0, "names": ["a", "b"]}, "best": None, "name": "día"}


def state():
    """Parameters and an optimizer state in which no leaf is zero."""
    kernel, scale = np.random.default_rng(0).normal(size=(2, 16, 32)).astype(np.float32)
    params = {"kernel": jnp.asarray(kernel), "scale": jnp.asarray(scale[0])}
    _, opt_state = OPTIMIZER.update(params, OPTIMIZER.init(params), params)
    return params, opt_state


def like(tree, mesh, dtype=None):
    """The tree as ShapeDtypeStructs on `mesh`, floating leaves in `dtype` where one is given."""

    def struct(leaf, sharding):
        floating = jnp.issubdtype(leaf.dtype, jnp.floating)
        return jax.ShapeDtypeStruct(
            leaf.shape, dtype if dtype and floating else leaf.dtype, sharding=sharding
        )

    return jax.tree.map(struct, tree, leaf_shardings(tree, mesh, RULES))


def one_device():
    return make_mesh({"data": 1}, jax.devices()[:1])


def save_all(folder, metrics, **options):
    """Saves a step a metric, from step 1 on, and waits."""
    checkpoints = Checkpoints(folder, **options)
    for step, metric in enumerate(metrics, start=1):
        checkpoints.save(step, *state(), {"step": step}, metric)
    checkpoints.close()


def check_refused(checkpoints, params_like):
    """Step 1 can't be restored, and one line says so."""
    line = "1: does not fit this config, or is damaged: [^\n]+$"
    with pytest.raises(InputError, match=line):
        checkpoints.restore_params(1, params_like)
    # Orbax opens every leaf before it reads the first: now, not in another test, it complains
    # about those that it never read.
    gc.collect()


class TestKeeping:
    """Which steps stay, in the run that saved them and for one that opens the folder later."""

    @pytest.mark.parametrize(
        ("metrics", "kept", "best"),
        [
            ([0.5, 0.9, 0.1], [2, 3], 2),
            ([0.1, 0.5, 0.9], [3], 3),
            ([0.5, 0.9, math.nan], [2, 3], 2),
            ([math.nan, 0.2, 0.1], [2, 3], 2),
            ([0.5, 0.9, math.inf], [2, 3], 2),
            ([0.5, None, 0.1], [1, 3], 1),
            ([0.5, 0.1, None], [1, 3], 1),
            ([None, None, 0.0], [3], 3),
            ([0.5, 0.5], [2], 2),
            ([None, None], [2], None),
        ],
    )
    def test_the_best_and_the_latest_are_kept(self, tmp_path, metrics, kept, best):
        save_all(tmp_path, metrics)
        for read_only in (False, True):
            checkpoints = Checkpoints(tmp_path, read_only=read_only)
            assert checkpoints.all_steps() == kept
            assert checkpoints.best_step() == best
            assert checkpoints.latest_step() == kept[-1]
            checkpoints.close()

    def test_more_of_the_latest(self, tmp_path):
        save_all(tmp_path, [0.9, 0.1, 0.2, 0.3], keep_latest=2)
        assert Checkpoints(tmp_path, read_only=True).all_steps() == [1, 3, 4]

    def test_a_step_that_is_saved_stays_as_it_is(self, tmp_path):
        checkpoints = Checkpoints(tmp_path)
        checkpoints.save(1, *state(), {"first": True}, 0.5, wait=True)
        checkpoints.save(1, *state(), {"first": False}, None, wait=True)
        assert checkpoints.meta(1) == {"first": True}
        assert checkpoints.best_step() == 1


class TestResolve:
    """The names that users give."""

    def test_names_and_numbers(self, tmp_path):
        save_all(tmp_path, [0.5, 0.9, 0.1])
        checkpoints = Checkpoints(tmp_path, read_only=True)
        found = [checkpoints.resolve(name) for name in ("best", "latest", 3, "3")]
        assert found == [2, 3, 3, 3]

    @pytest.mark.parametrize("name", ["best", 7, "newest", -1])
    def test_an_unknown_one_is_told_what_exists(self, tmp_path, name):
        save_all(tmp_path, [None])
        line = rf"{tmp_path}: no checkpoint .*{name}.*; steps that exist: 1$"
        with pytest.raises(InputError, match=line):
            Checkpoints(tmp_path, read_only=True).resolve(name)

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(InputError, match="no checkpoint 'latest'; steps that exist: none"):
            Checkpoints(tmp_path).resolve("latest")

    def test_a_missing_folder_is_not_made(self, tmp_path):
        with pytest.raises(InputError, match="no such folder of checkpoints"):
            Checkpoints(tmp_path / "missing", read_only=True)
        assert not (tmp_path / "missing").exists()

    def test_a_folder_opened_for_reading_is_not_written(self, tmp_path):
        with pytest.raises(ValueError, match="for reading only"):
            Checkpoints(tmp_path, read_only=True).save(1, *state(), {}, 0.5)
        assert not list(tmp_path.iterdir())


class TestRestoring:
    """The same numbers, wherever they are put."""

    @pytest.fixture(params=[{"data": 1}, {"data": 2, "fsdp": 2, "tensor": 2}])
    def saved(self, request, tmp_path):
        """A folder whose step 1 was saved from one device, or from eight."""
        size = math.prod(request.param.values())
        mesh = make_mesh(request.param, jax.devices()[:size])
        params, opt_state = state()
        params = jax.device_put(params, leaf_shardings(params, mesh, RULES))
        opt_state = jax.device_put(opt_state, leaf_shardings(opt_state, mesh, RULES))
        checkpoints = Checkpoints(tmp_path)
        checkpoints.save(1, params, opt_state, META, 0.5)
        checkpoints.close()
        return Checkpoints(tmp_path, read_only=True)

    @pytest.mark.parametrize(
        "sizes", [{"data": 1}, {"data": 8}, {"fsdp": 8}, {"fsdp": 4, "tensor": 2}]
    )
    def test_on_any_mesh(self, saved, sizes):
        mesh = make_mesh(sizes, jax.devices()[: math.prod(sizes.values())])
        expected = state()
        params_like, optimizer_like = (like(tree, mesh) for tree in expected)
        *found, meta = saved.restore(1, params_like, optimizer_like)
        assert meta == META
        assert jax.tree.structure(found) == jax.tree.structure(list(expected))
        jax.tree.map(np.testing.assert_array_equal, found, list(expected))
        wanted = jax.tree.leaves([params_like, optimizer_like])
        for leaf, struct in zip(jax.tree.leaves(found), wanted, strict=True):
            assert leaf.sharding.is_equivalent_to(struct.sharding, leaf.ndim)

    def test_parameters_alone_in_bfloat16(self, saved):
        params, _ = state()
        found = saved.restore_params(1, like(params, make_mesh({"fsdp": 8}), jnp.bfloat16))
        expected = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
        jax.tree.map(np.testing.assert_array_equal, found, expected)
        assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype(jnp.bfloat16)}

    def test_meta_alone(self, saved):
        assert saved.meta(1) == META

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("change", ["shape", "name"])
    def test_parameters_of_another_model(self, saved, change):
        params, _ = state()
        params["scale" if change == "shape" else "bias"] = jnp.zeros(8)
        wanted = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params)
        check_refused(saved, wanted)

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("damage", ["truncated", "missing"])
    def test_damaged_files(self, saved, damage):
        for path in (saved.folder / "1" / "params").rglob("d/*"):
            path.write_bytes(path.read_bytes()[:20]) if damage == "truncated" else path.unlink()
        check_refused(saved, like(state()[0], one_device()))


class TestSaving:
    """In the background, of buffers that training goes on to overwrite."""

    def test_donated_buffers_are_saved_as_they_were(self, tmp_path):
        checkpoints = Checkpoints(tmp_path)
        overwrite = jax.jit(lambda params: jax.tree.map(lambda x: -x, params), donate_argnums=0)
        params = {"kernel": jnp.arange(2048.0 * 2048).reshape(2048, 2048)}
        expected = np.array(params["kernel"])
        wanted = like(params, one_device())
        checkpoints.save(1, params, {"count": jnp.ones(())}, {}, 0.5)
        for _ in range(5):
            params = overwrite(params)
        jax.block_until_ready(params)
        checkpoints.wait()
        np.testing.assert_array_equal(checkpoints.restore_params(1, wanted)["kernel"], expected)

    @pytest.mark.parametrize("meta", [{"x": np.float32(1)}, {"x": math.nan}, {"x": {1, 2}}])
    def test_a_note_that_is_not_json_is_refused_at_once(self, tmp_path, meta):
        checkpoints = Checkpoints(tmp_path)
        with pytest.raises((TypeError, ValueError), match="JSON"):
            checkpoints.save(1, *state(), meta, 0.5)
        checkpoints.close()
        assert not list(tmp_path.iterdir())

    def test_a_killed_save_is_no_checkpoint(self, tmp_path):
        program = """
            import os, sys
            import jax.numpy as jnp
            from cotjax.checkpoints import Checkpoints

            checkpoints = Checkpoints(sys.argv[1])
            checkpoints.save(1, {"kernel": jnp.ones(8)}, {"count": jnp.ones(1)}, {}, 0.5, wait=True)
            large = {"kernel": jnp.ones((8192, 8192))}
            checkpoints.save(2, large, {"count": jnp.ones(1)}, {}, 0.9)
            while not any("tmp" in name for name in os.listdir(sys.argv[1])):
                pass
            os._exit(9)
        """
        command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
        assert subprocess.run(command, check=False).returncode == 9
        names = {path.name for path in tmp_path.iterdir()}
        assert "1" in names
        assert len(names) == 2, "the unfinished save should have left a temporary folder"
        assert Checkpoints(tmp_path, read_only=True).all_steps() == [1]
        assert {path.name for path in tmp_path.iterdir()} == names
        Checkpoints(tmp_path).save(2, *state(), {}, 0.7, wait=True)
        assert {path.name for path in tmp_path.iterdir()} == {"2"}


def test_two_processes_save_and_another_restores(tmp_path):
    program = """
        import json, sys
        import jax.numpy as jnp
        from cotjax.checkpoints import Checkpoints
        from cotjax.group import initialize_distributed
        from cotjax.mesh import leaf_shardings, make_mesh

        initialize_distributed()
        mesh = make_mesh({"fsdp": 4})
        make = lambda: {"kernel": jnp.arange(64.0).reshape(8, 8)}
        rules = ((r"kernel", ("embed", "mlp")),)
        params = jax.jit(make, out_shardings=leaf_shardings(make(), mesh, rules))()
        checkpoints = Checkpoints(sys.argv[1])
        checkpoints.save(1, params, params, {"processes": 2}, 0.5)
        checkpoints.close()
        shards = params["kernel"].addressable_shards
        print(json.dumps([shard.index[0].start or 0 for shard in shards]))
    """
    outputs = run_processes(2, program, str(tmp_path))
    assert outputs == [[0, 2], [4, 6]]
    checkpoints = Checkpoints(tmp_path, read_only=True)
    assert checkpoints.meta(1) == {"processes": 2}
    wanted = like({"kernel": jnp.zeros((8, 8))}, make_mesh({"tensor": 8}))
    expected = np.arange(64.0).reshape(8, 8)
    np.testing.assert_array_equal(checkpoints.restore_params(1, wanted)["kernel"], expected)


def test_the_note_is_readable_without_orbax(tmp_path):
    save_all(tmp_path, [0.5])
    text = (tmp_path / "1" / "meta" / "metadata").read_text(encoding="utf-8")
    assert json.loads(text)["step"] == 1


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("else")])
def test_a_write_that_nobody_waits_for_is_not_told_beside_the_one_that_failed(error, tmp_path):
    """Of futures of Orbax's threads; other people's errors are told."""
    Checkpoints(tmp_path / "checkpoints").close()
    record = logging.LogRecord("asyncio", logging.ERROR, "base_events.py", 1, "%s", (), None)
    record.msg = "Future exception was never retrieved\nfuture: <Future finished>"
    record.exc_info = (type(error), error, None)
    assert bool(logging.getLogger("asyncio").filter(record)) == isinstance(error, ValueError)
