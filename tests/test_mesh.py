"""The mesh and where arrays live on it, on eight virtual CPU devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from cotjax.errors import InputError
from cotjax.mesh import (
    batch_sharding,
    constrain_batch,
    leaf_shardings,
    local_rows,
    make_mesh,
    to_global,
)

RULES = (
    (r"shared/embedding", ("vocab", "embed")),
    (r"layers/\w+/kernel", ("layers", "embed", "mlp")),
    (r"norm/scale", (None,)),
)


CUBE = {"data": 2, "fsdp": 2, "tensor": 2}


def params():
    return {
        "shared": {"embedding": jnp.zeros((256, 128))},
        "layers": {"wi": {"kernel": jnp.zeros((3, 128, 512))}},
        "norm": {"scale": jnp.zeros(128)},
    }


def specs(tree, mesh):
    """Path -> PartitionSpec of every leaf."""
    leaves = jax.tree_util.tree_leaves_with_path(leaf_shardings(tree, mesh, RULES))
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.spec for path, leaf in leaves
    }


class TestMakeMesh:
    """Sizes from the config, and sizes that are wrong."""

    def test_minus_one_takes_what_is_left(self):
        mesh = make_mesh({"data": -1, "fsdp": 2, "tensor": 2})
        assert dict(mesh.shape) == {"data": 2, "fsdp": 2, "tensor": 2}
        assert mesh.axis_types == (AxisType.Auto,) * 3

    def test_absent_axes_have_size_one(self):
        assert dict(make_mesh({"fsdp": 8}).shape) == {"data": 1, "fsdp": 8, "tensor": 1}

    def test_given_devices_alone_are_used(self):
        mesh = make_mesh({"data": -1}, jax.devices()[:1])
        assert list(mesh.devices.flat) == jax.devices()[:1]

    @pytest.mark.parametrize(
        ("sizes", "line"),
        [
            ({"data": 3, "fsdp": 1, "tensor": 1}, "config.mesh: data=3 x fsdp=1 x tensor=1 does"),
            ({"data": -1, "fsdp": 3}, "config.mesh: data=-1 x fsdp=3 x tensor=1 does not divide"),
            ({"data": 4}, "into 8 device"),
            ({"data": -1, "fsdp": -1}, "config.mesh: only one axis may be -1"),
            ({"data": 0}, "config.mesh.data=0"),
            ({"model": 8}, "config.mesh.model: unknown axis"),
        ],
    )
    def test_impossible_sizes_are_the_users_mistake(self, sizes, line):
        with pytest.raises(InputError, match=line) as error:
            make_mesh(sizes)
        assert "\n" not in str(error.value)


class TestLeafShardings:
    """Parameters and optimizer state by one table."""

    def test_parameters(self):
        assert specs(params(), make_mesh(CUBE)) == {
            "shared/embedding": P("tensor", "fsdp"),
            "layers/wi/kernel": P(None, "fsdp", "tensor"),
            "norm/scale": P(None),
        }

    def test_adamw_moments_lie_where_their_parameters_lie(self):
        state = optax.adamw(1e-3).init(params())
        assert specs(state, make_mesh(CUBE)) == {
            "0/count": P(),
            "0/mu/shared/embedding": P("tensor", "fsdp"),
            "0/mu/layers/wi/kernel": P(None, "fsdp", "tensor"),
            "0/mu/norm/scale": P(None),
            "0/nu/shared/embedding": P("tensor", "fsdp"),
            "0/nu/layers/wi/kernel": P(None, "fsdp", "tensor"),
            "0/nu/norm/scale": P(None),
        }

    def test_factored_statistics_and_placeholders_are_replicated(self):
        state = optax.adafactor(1e-3).init(params())
        shapes = {leaf.shape for leaf in jax.tree.leaves(state)}
        assert {(), (1,), (128,), (256,), (3, 128), (3, 512)} <= shapes
        for name, spec in specs(state, make_mesh(CUBE)).items():
            assert spec in (P(), P(None)), name

    def test_a_dimension_that_the_mesh_does_not_divide_is_whole(self):
        leaf = jax.ShapeDtypeStruct((3, 7, 512), jnp.float32)
        found = leaf_shardings({"layers": {"wi": {"kernel": leaf}}}, make_mesh({"fsdp": 8}), RULES)
        assert found["layers"]["wi"]["kernel"].spec == P(None, None, "tensor")

    def test_every_leaf_can_be_placed(self):
        state = optax.adafactor(1e-3).init(params())
        placed = jax.device_put(state, leaf_shardings(state, make_mesh({"fsdp": 8}), RULES))
        jax.tree.map(np.testing.assert_array_equal, state, placed)

    def test_an_unmatched_leaf_is_an_error_that_names_it(self):
        with pytest.raises(ValueError, match="no sharding rule matches the leaf 'head/bias'"):
            leaf_shardings({"head": {"bias": jnp.zeros(4)}}, make_mesh({"data": 8}), RULES)

    def test_a_rule_with_too_few_axes_is_an_error(self):
        with pytest.raises(ValueError, match="'norm/scale' does not cover its shape"):
            leaf_shardings({"norm": {"scale": jnp.zeros((2, 4))}}, make_mesh({"data": 8}), RULES)


class TestBatches:
    """Rows from the host to the devices."""

    def test_rows_are_split_over_data_and_fsdp(self):
        mesh = make_mesh(CUBE)
        batch = {"tokens": np.arange(24).reshape(8, 3), "weights": np.ones((8, 2), np.float32)}
        placed = to_global(batch, mesh, 8)
        for name, local in batch.items():
            np.testing.assert_array_equal(placed[name], local)
            assert placed[name].sharding == batch_sharding(mesh)
            assert {shard.data.shape[0] for shard in placed[name].addressable_shards} == {2}

    def test_a_single_process_supplies_all_rows(self):
        for sizes in ({"data": 8}, {"tensor": 8}, CUBE):
            assert local_rows(make_mesh(sizes), 16) == slice(0, 16)

    def test_rows_that_the_mesh_does_not_divide(self):
        with pytest.raises(InputError, match=r"config.mesh: data x fsdp = 8 does not divide .* 12"):
            local_rows(make_mesh({"data": 4, "fsdp": 2}), 12)


class TestConstrainBatch:
    """The constraint that the model puts on activations."""

    def test_it_splits_axis_zero_within_a_mesh(self):
        mesh = make_mesh({"data": 4, "tensor": 2})
        with jax.set_mesh(mesh):
            y = jax.jit(constrain_batch)(jnp.ones((8, 6)))
        assert {shard.data.shape for shard in y.addressable_shards} == {(2, 6)}

    def test_it_does_nothing_without_a_mesh(self):
        assert len(jax.jit(constrain_batch)(jnp.ones((8, 6))).devices()) == 1

    def test_it_lets_rows_be_that_the_mesh_does_not_divide(self):
        with jax.set_mesh(make_mesh({"data": 8})):
            np.testing.assert_array_equal(jax.jit(constrain_batch)(jnp.ones((3, 2))), 1)
