"""Several processes of one JAX group on this machine, as on the hosts of a cluster."""

import json
import os
import socket
import subprocess
import sys
import textwrap


def run_processes(count: int, program: str, *arguments: str) -> list:
    """The JSON that each of `count` processes prints on its last line; each has two CPU devices."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    setup = 'import jax\njax.config.update("jax_num_cpu_devices", 2)\n'
    command = [sys.executable, "-c", setup + textwrap.dedent(program), *arguments]
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
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    return [json.loads(output.splitlines()[-1]) for output in outputs]
