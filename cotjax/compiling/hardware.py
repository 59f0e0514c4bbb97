"""Accelerators by description: what a device can do, and devices to compile for without any."""

import contextlib
import dataclasses
import importlib.util
import math
import os
import re
from collections.abc import Sequence

import jax
from jax.experimental import topologies

from cotjax.errors import InputError, first_line

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Hardware:
    """What one device of a kind can do, by its maker's data sheet.

    Attributes:
      platform: Of the compiler: tpu, cuda or cpu.
      memory: Bytes that a program may use; None is unknown.
      bandwidth: Of the memory, bytes/s.
      link: To other devices, bytes/s in one direction. Of a TPU: of one link, of which it has two
        in each dimension of the torus. Of a GPU: of all its NVLinks.
      peak: Dense bfloat16 FLOP/s.
    """

    platform: str
    memory: float | None = None
    bandwidth: float | None = None
    link: float | None = None
    peak: float | None = None


# Of a TPU's memory the compiler keeps a part; of a GPU's, CUDA, NCCL and fragments take some.
HARDWARE = {
    "v5e": Hardware("tpu", 15.75 * GIB, 819e9, 45e9, 197e12),
    "v5p": Hardware("tpu", 95 * GIB, 2765e9, 90e9, 459e12),
    "v6e": Hardware("tpu", 31.25 * GIB, 1640e9, 90e9, 918e12),
    "h100": Hardware("cuda", 0.92 * 84_942_979_072, 3352e9, 450e9, 989e12),
    "cpu": Hardware("cpu"),
}
EXTRAS = {"tpu": ("libtpu", "cotjax[tpu]"), "cuda": ("jax_cuda13_plugin", "cotjax[cuda]")}

# NVIDIA H100 SXM as XLA's GpuTargetConfigProto, in text form.
H100_TARGET = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152
  shared_memory_per_core: 233472 threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98
  device_memory_size: 84942979072 shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 minor: 0 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}
platform_name: "CUDA" dnn_version_info { major: 9 minor: 10 } runtime_version { major: 13 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


@dataclasses.dataclass(frozen=True)
class Topology:
    """Devices of one kind and how they are joined.

    Attributes:
      name: As the user writes it, `v5e:4x4` or `h100:8`.
      kind: Key of HARDWARE.
      shape: Devices by dimension of the torus; of GPUs and CPUs how many.
    """

    name: str
    kind: str
    shape: tuple[int, ...]

    @classmethod
    def parse(cls, name: str) -> "Topology":
        """Reads a topology's name; raises InputError for what is none."""
        kind, _, sizes = name.partition(":")
        if kind not in HARDWARE or not re.fullmatch(r"[1-9]\d{0,3}(x[1-9]\d{0,3}){0,2}", sizes):
            raise InputError(
                f"--topology={name}: write v5e:4x4, v6e:2x4, v5p:2x2x2, h100:8 or cpu:8"
            )
        shape = tuple(map(int, sizes.split("x")))
        dimensions = {"v5e": 2, "v6e": 2, "v5p": 3}.get(kind, 1)
        if len(shape) != dimensions:
            raise InputError(f"--topology={name}: {kind} has {dimensions} dimension(s)")
        if kind == "h100" and shape[0] > 8:
            raise InputError(f"--topology={name}: one host has 8 GPUs at most")
        return cls(name, kind, shape)

    @property
    def hardware(self) -> Hardware:
        """What each device can do."""
        return HARDWARE[self.kind]

    @property
    def size(self) -> int:
        """How many devices there are."""
        return math.prod(self.shape)

    @property
    def interconnect(self) -> float | None:
        """Bytes/s that a device can send, over all its links together."""
        link = self.hardware.link
        if self.hardware.platform != "tpu" or link is None:
            return link
        return link * sum(min(size - 1, 2) for size in self.shape)

    def devices(self) -> Sequence[jax.Device]:
        """Devices that one can compile for; raises InputError where the compiler is missing."""
        platform = self.hardware.platform
        if platform == "cpu":
            return _cpu_devices(self)
        library, extra = EXTRAS[platform]
        if importlib.util.find_spec(library) is None:
            raise InputError(
                f"--topology={self.name}: its compiler is not installed: pip install '{extra}'"
            )
        try:
            return _described(self).devices
        except Exception as error:  # the plugins raise errors of several kinds
            raise InputError(f"--topology={self.name}: {first_line(error)}") from error


def _described(topology: Topology) -> topologies.TopologyDescription:
    """The plugin's description of devices that are not here."""
    if topology.hardware.platform == "tpu":
        # Or it would ask the cloud where it runs, tell of the answer, and want to be alone.
        for name, value in (
            ("ALLOW_MULTIPLE_LIBTPU_LOAD", "1"),
            ("TPU_SKIP_MDS_QUERY", "1"),
            ("TPU_ACCELERATOR_TYPE", "none"),
            ("TPU_WORKER_HOSTNAMES", "localhost"),
        ):
            os.environ.setdefault(name, value)
        return topologies.get_topology_desc(platform="tpu", topology_name=topology.name)
    return topologies.get_topology_desc(
        platform="cuda",
        topology_name="h100",
        target_config=H100_TARGET,
        topology=f"1x1x{topology.size}",  # slices x hosts x GPUs
    )


def _cpu_devices(topology: Topology) -> Sequence[jax.Device]:
    """Virtual devices of this machine: to try what is said about a mesh."""
    if jax.config.jax_num_cpu_devices < topology.size:
        with contextlib.suppress(RuntimeError):  # where JAX has made its devices already
            jax.config.update("jax_num_cpu_devices", topology.size)
    devices = jax.devices("cpu")
    if len(devices) < topology.size:
        raise InputError(f"--topology={topology.name}: JAX has {len(devices)} CPU device(s) here")
    return devices[: topology.size]
