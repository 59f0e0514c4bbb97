"""The processes of a TPU pod, a SLURM step or an Open MPI job: how they join, and wait for all."""

import glob
import importlib.util
import itertools
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from cotjax import lost
from cotjax.errors import InputError
from cotjax.signals import keep_jaxs_handler
from cotjax.watch import watch_others

WEEK = 7 * 24 * 3600 * 1000  # milliseconds; one host may be done long before another


def initialize_distributed() -> None:
    """Joins the processes of a TPU pod, a SLURM step, an Open MPI job or a group made by hand.

    Does nothing for a single process. A group made by hand sets JAX_COORDINATOR_ADDRESS,
    JAX_NUM_PROCESSES and JAX_PROCESS_ID; under Open MPI the first of them is enough. Must run
    before anything asks JAX for its devices. Process 0 prints a table of all devices. From then on
    the processes watch each other. Where not all of them come, those that do end with one line.

    Raises:
      InputError: where the environment describes a group badly or by half.
    """
    if jax.distributed.is_initialized() or (group := _group(os.environ)) is None:
        return
    with lost.ending_unless_joined():  # before JAX gives up
        jax.distributed.initialize(**group, initialization_timeout=2 * lost.JOINED_WITHIN)
    keep_jaxs_handler()
    _print_group()
    watch_others()


def wait_for_all(moment: str) -> None:
    """Waits until all processes have come to a moment.

    By the service that they have joined: JAX's own barrier is a computation, which would fail when
    one host is half a minute behind.
    """
    if jax.process_count() > 1:
        from orbax.checkpoint import multihost

        multihost.get_barrier_sync_fn()(key=f"cotjax {moment}", timeout_ms=WEEK)


def processes_where(is_so: bool, moment: str) -> list[int]:
    """Numbers of the processes where something is so; all must ask at the same moment."""
    if jax.process_count() == 1:
        return [0] if is_so else []
    wait_for_all(moment)
    return np.flatnonzero(multihost_utils.process_allgather(np.array(is_so))).tolist()


def _group(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """The arguments of jax.distributed.initialize; None for a process alone.

    Raises:
      InputError: where the environment describes a group badly or by half.
    """
    if group := _group_by_hand(environment):
        return group | {"cluster_detection_method": "deactivate"}
    if "SLURM_STEP_NODELIST" in environment and int(environment.get("SLURM_NTASKS", 1)) > 1:
        return {"local_device_ids": _slurm_devices(environment)}
    if int(environment.get("OMPI_COMM_WORLD_SIZE", 1)) > 1:
        raise InputError(
            "Open MPI: name the host of rank 0 and a free port of it, such as "
            "mpirun -x JAX_COORDINATOR_ADDRESS=node1:12345 ..."
        )
    return {} if _on_tpu_machine() else None


def _group_by_hand(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """The arguments of jax.distributed.initialize that the environment spells out, if it does."""
    address = environment.get("JAX_COORDINATOR_ADDRESS")
    given = {name for name in environment if name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID")}
    if not given and (address is None or "SLURM_STEP_NODELIST" in environment):
        return None  # SLURM counts its tasks, and JAX reads the address by itself
    if not address or not re.fullmatch(r".+:\d+", address):
        raise InputError(f"JAX_COORDINATOR_ADDRESS={address or ''}: write host:port of process 0")
    count = _whole_number(environment, "JAX_NUM_PROCESSES", "OMPI_COMM_WORLD_SIZE")
    number = _whole_number(environment, "JAX_PROCESS_ID", "OMPI_COMM_WORLD_RANK")
    if not number < count:
        raise InputError(f"JAX_PROCESS_ID={number}: {count} process(es) count from 0")
    group = {"coordinator_address": address, "num_processes": count, "process_id": number}
    if not given and int(environment.get("OMPI_COMM_WORLD_LOCAL_SIZE", 1)) > 1:
        group["local_device_ids"] = [int(environment["OMPI_COMM_WORLD_LOCAL_RANK"])]
    return group


def _whole_number(environment: Mapping[str, str], name: str, instead: str) -> int:
    """The number under one of two names, the first counting more."""
    text = environment.get(name, environment.get(instead))
    if text is None:
        raise InputError(f"{name} is not set, though the environment names a group of processes")
    if not text.isdecimal():
        raise InputError(f"{name}={text}: write a whole number")
    return int(text)


def _slurm_devices(environment: Mapping[str, str]) -> list[int] | None:
    """Numbers of the GPUs of this SLURM task; None leaves JAX's rule, the task's own number.

    JAX's rule gives every task one GPU, which is wrong for one task a node (it would leave seven of
    eight idle) and for tasks that SLURM has shown a single GPU already, which is always number 0.
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    count = len(visible.split(",")) if visible else int(environment.get("SLURM_GPUS_ON_NODE", 0))
    one_task_a_node = environment["SLURM_NTASKS"] == environment.get("SLURM_STEP_NUM_NODES")
    return list(range(count)) if count == 1 or (count and one_task_a_node) else None


def _on_tpu_machine() -> bool:
    """Whether a TPU is attached: libtpu alone may be installed to compile for one."""
    wanted = "cpu" not in os.environ.get("JAX_PLATFORMS", "")
    chips = glob.glob("/dev/accel*") or glob.glob("/dev/vfio/[0-9]*")
    return wanted and bool(chips) and importlib.util.find_spec("libtpu") is not None


def _print_group() -> None:
    """Tells on stderr which process has which devices; all take part, process 0 prints."""
    if jax.process_count() == 1:
        return
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    lines = [f"{jax.process_count()} processes, {len(devices)} devices"]
    for process, its in itertools.groupby(devices, key=lambda device: device.process_index):
        own = list(its)
        ids = ", ".join(str(device.id) for device in own)
        lines.append(f"  process {process}: {len(own)} x {own[0].device_kind} ({ids})")
    if jax.process_index() == 0:
        print("\n".join(lines), file=sys.stderr, flush=True)
