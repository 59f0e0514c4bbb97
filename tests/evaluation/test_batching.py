"""Every example in one batch, in few shapes."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.evaluation.batching import group, to_devices, to_host
from cotjax.mesh import make_mesh


def mesh(devices: int):
    return make_mesh({"data": -1}, jax.devices()[:devices])


def test_long_ones_first_in_powers_of_two():
    lengths = [(3,), (100,), (40,), (70,), (31,), (5,)]
    got = [(rows.members, rows.count, rows.lengths) for rows in group(lengths, mesh(1), 2)]
    assert got == [
        ([1, 3], 2, (104,)),  # no row is longer than the longest needs
        ([2, 4], 2, (64,)),
        ([5, 0], 2, (32,)),
    ]


def test_the_mesh_divides_the_rows():
    (rows,) = group([(5,), (7,), (6,)], mesh(8), 64)
    assert (rows.members, rows.count, rows.lengths) == ([1, 2, 0], 8, (8,))
    filled = rows.fill([[1, 2], [3], [4]])
    assert filled.tolist() == [
        [1, 2, 0, 0, 0, 0, 0, 0],
        [3, 0, 0, 0, 0, 0, 0, 0],
        [4, 0, 0, 0, 0, 0, 0, 0],
        *[[0] * 8] * 5,
    ]


def test_positions_limit_the_rows():
    lengths = [(250, 3)] * 3 + [(10, 9)] * 5
    got = [(rows.count, rows.lengths) for rows in group(lengths, mesh(1), 4, most_positions=512)]
    assert got == [(2, (256, 16)), (2, (256, 16)), (4, (32, 16))]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 600), st.integers(1, 80)), max_size=40),
    batch_size=st.integers(1, 50),
    devices=st.sampled_from([1, 2, 8]),
    most_positions=st.sampled_from([None, 100, 2048]),
)
def test_every_example_once_and_fits(lengths, batch_size, devices, most_positions):
    batches = list(group(lengths, mesh(devices), batch_size, most_positions))
    members = [member for rows in batches for member in rows.members]
    assert sorted(members) == list(range(len(lengths)))
    for rows in batches:
        assert rows.count % devices == 0
        assert len(rows.members) <= rows.count
        longest = np.max([lengths[member] for member in rows.members], axis=0)
        assert (longest <= rows.lengths).all()
        if most_positions:
            own = rows.count // devices
            assert own == 1 or own * rows.lengths[0] <= most_positions


@pytest.mark.parametrize("devices", [1, 8])
def test_there_and_back(devices):
    batch = {"tokens": np.arange(16, dtype=np.int32).reshape(8, 2)}
    there = to_devices(batch, mesh(devices))
    assert len(there["tokens"].sharding.device_set) == devices
    np.testing.assert_array_equal(to_host(there)["tokens"], batch["tokens"])
