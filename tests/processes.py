"""Several processes of one JAX group on this machine, as on the hosts of a cluster."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Collection, Sequence

# These programs run for milliseconds: spares most of the time to compile them.
SETUP = """
import jax
jax.config.update("jax_num_cpu_devices", {devices})
jax.config.update("jax_disable_most_optimizations", True)
"""


def run_processes(
    count: int,
    program: str,
    *arguments: str,
    codes: Sequence[Collection[int]] = (),
    devices: int = 2,
) -> list:
    """The JSON that each of `count` processes, with so many CPU devices each, prints last.

    All must end well, or each with one of its exit `codes`: then there is nothing to read.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    code = SETUP.format(devices=devices) + textwrap.dedent(program)
    command = [sys.executable, "-c", code, *arguments]
    group = {"JAX_COORDINATOR_ADDRESS": f"localhost:{port}", "JAX_NUM_PROCESSES": str(count)}
    processes = [
        subprocess.Popen(
            command,
            env=os.environ | group | {"JAX_PROCESS_ID": str(number)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    for process, allowed in zip(processes, codes or [(0,)] * count, strict=True):
        assert process.returncode in allowed
    return [] if codes else [json.loads(output.splitlines()[-1]) for output in outputs]
