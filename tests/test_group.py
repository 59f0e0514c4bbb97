"""Processes that join a group, by what their environment says of it."""

import ctypes
import signal

import jax
import pytest

from cotjax import group
from cotjax.errors import InputError
from cotjax.group import initialize_distributed
from cotjax.lost import ALONE
from cotjax.signals import c_handler
from tests.processes import run_processes


def test_a_single_process_starts_nothing(monkeypatch):
    for name in ("JAX_COORDINATOR_ADDRESS", "SLURM_STEP_NODELIST"):
        monkeypatch.delenv(name, raising=False)
    initialize_distributed()
    assert not jax.distributed.is_initialized()


@pytest.mark.parametrize(
    ("environment", "devices"),
    [
        ({"SLURM_NTASKS": "2", "SLURM_STEP_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "8"}, 8),
        ({"SLURM_NTASKS": "2", "SLURM_STEP_NUM_NODES": "2", "CUDA_VISIBLE_DEVICES": "4,5"}, 2),
        ({"SLURM_NTASKS": "8", "SLURM_STEP_NUM_NODES": "1", "CUDA_VISIBLE_DEVICES": "3"}, 1),
        ({"SLURM_NTASKS": "8", "SLURM_STEP_NUM_NODES": "1", "SLURM_GPUS_ON_NODE": "8"}, None),
        ({"SLURM_NTASKS": "2", "SLURM_STEP_NUM_NODES": "2"}, None),
    ],
)
def test_gpus_of_a_slurm_task(environment, devices):
    expected = None if devices is None else list(range(devices))
    assert group._slurm_devices(environment) == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"JAX_COORDINATOR_ADDRESS": "h:1", "SLURM_STEP_NODELIST": "h"}, None),
        (
            {
                "JAX_COORDINATOR_ADDRESS": "h:1",
                "JAX_NUM_PROCESSES": "4",
                "JAX_PROCESS_ID": "3",
                "OMPI_COMM_WORLD_SIZE": "8",
            },
            {"coordinator_address": "h:1", "num_processes": 4, "process_id": 3},
        ),
        (
            {
                "JAX_COORDINATOR_ADDRESS": "h:1",
                "OMPI_COMM_WORLD_SIZE": "8",
                "OMPI_COMM_WORLD_RANK": "5",
                "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
                "OMPI_COMM_WORLD_LOCAL_RANK": "1",
            },
            {
                "coordinator_address": "h:1",
                "num_processes": 8,
                "process_id": 5,
                "local_device_ids": [1],
            },
        ),
    ],
)
def test_a_group_of_the_environment(environment, expected):
    assert group._group_by_hand(environment) == expected


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"JAX_NUM_PROCESSES": "2"}, "JAX_COORDINATOR_ADDRESS=: write host:port"),
        ({"JAX_COORDINATOR_ADDRESS": "h"}, "JAX_COORDINATOR_ADDRESS=h: write host:port"),
        ({"JAX_COORDINATOR_ADDRESS": "h:1"}, "JAX_NUM_PROCESSES is not set"),
        (
            {"JAX_COORDINATOR_ADDRESS": "h:1", "JAX_NUM_PROCESSES": "two"},
            "JAX_NUM_PROCESSES=two: write a whole number",
        ),
        (
            {"JAX_COORDINATOR_ADDRESS": "h:1", "JAX_NUM_PROCESSES": "2"},
            "JAX_PROCESS_ID is not set",
        ),
        (
            {
                "JAX_COORDINATOR_ADDRESS": "h:1",
                "JAX_NUM_PROCESSES": "2",
                "JAX_PROCESS_ID": "2",
            },
            "JAX_PROCESS_ID=2: 2 process",
        ),
    ],
)
def test_a_group_that_is_badly_described(environment, line):
    with pytest.raises(InputError, match=line):
        group._group_by_hand(environment)


def test_open_mpi_must_be_told_where_rank_0_is(monkeypatch):
    for name in ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "SLURM_STEP_NODELIST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    with pytest.raises(InputError, match="mpirun -x JAX_COORDINATOR_ADDRESS"):
        initialize_distributed()


def test_two_processes_share_a_batch():
    """Each supplies its half of the rows, and both see the sum over all."""
    program = """
        import json
        import numpy as np
        from cotjax.group import initialize_distributed
        from cotjax.mesh import local_rows, make_mesh, to_global

        initialize_distributed()
        mesh = make_mesh({"data": -1})
        rows = local_rows(mesh, 8)
        batch = to_global({"x": np.arange(8.0)[rows]}, mesh, 8)
        total = jax.jit(lambda x: x.sum())(batch["x"])
        print(json.dumps({"rows": [rows.start, rows.stop], "total": float(total)}))
    """
    first, second = run_processes(2, program)
    assert (first["rows"], second["rows"]) == ([0, 4], [4, 8])
    assert first["total"] == second["total"] == sum(range(8))


def test_a_group_that_does_not_come_together_ends_in_one_line(capfd):
    """Where one of its processes is gone before it has joined."""
    program = """
        import os, sys
        from cotjax import group, lost

        if os.environ["JAX_PROCESS_ID"] == "1":
            sys.exit(0)
        lost.JOINED_WITHIN = 1
        group.initialize_distributed()
    """
    run_processes(2, program, codes=[(ALONE,), (0,)])
    told = capfd.readouterr().err
    assert "error: not all processes of the group have come within 1 s: " in told
    assert not any(sign in told for sign in ("Traceback", "Fatal", "***"))


def test_a_process_alone_keeps_its_handlers():
    """Of a program that cotjax is a part of."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        in_c = ctypes.cast(c_handler(signal.SIGTERM), ctypes.c_void_p).value
        initialize_distributed()
        assert ctypes.cast(c_handler(signal.SIGTERM), ctypes.c_void_p).value == in_c
    finally:
        signal.signal(signal.SIGTERM, before)
