"""What scripts/compile.py does: one step, a sweep over them, or the decoding of a batch."""

from pathlib import Path

import jax
from ml_collections.config_dict import ConfigDict
from rich.console import Console

from cotjax.compiling.decoding import plan_decoding
from cotjax.compiling.hardware import Topology
from cotjax.compiling.measured import Measured, as_json, measure
from cotjax.compiling.planned import plan
from cotjax.compiling.report import one_table, sweep_row, sweep_table
from cotjax.compiling.sweep import ranked, sweep
from cotjax.compiling.timed import as_json as timed_json
from cotjax.compiling.timed import run_steps, timed_table
from cotjax.errors import InputError
from cotjax.json_files import dump_json, replace_file


def compile_one(
    config: ConfigDict, topology: Topology, output: Path | None, decoding: bool = False
) -> None:
    """Compiles a config's step or its decoding, prints and writes what it takes."""
    planned = (plan_decoding if decoding else plan)(config, topology.devices())
    measured = measure(planned, topology)
    Console(highlight=False).print(one_table(measured, topology))
    _write([measured], topology, output)


def time_one(config: ConfigDict, steps: int, output: Path | None) -> None:
    """Runs a config's step on the devices that are here, prints and writes what it took."""
    timed = run_steps(plan(config, jax.devices()), steps)
    Console(highlight=False).print(timed_table(timed))
    if output:
        replace_file(output, dump_json(timed_json(timed), 1) + "\n")


def compile_many(config: ConfigDict, topology: Topology, output: Path | None) -> None:
    """Compiles it for many meshes, batch sizes and remat policies, and ranks them.

    Raises:
      InputError: Nothing to rank by is known of the hardware.
    """
    if topology.hardware.peak is None:
        raise InputError(
            f"--sweep: --topology={topology.name} has no peaks to rank by: name TPUs or GPUs, or "
            "compile one --mesh"
        )
    console, devices = Console(highlight=False), topology.devices()
    heads = plan(config, devices).model.num_heads
    done: list[Measured] = []
    for one in sweep(
        config, topology.size, heads, lambda changed: measure(plan(changed, devices), topology)
    ):
        done.append(one)
        console.print(*sweep_row(one), sep="  ", soft_wrap=True)
        _write(done, topology, output)  # each took minutes
    console.print(sweep_table(ranked(done), topology))
    _write(ranked(done), topology, output)


def _write(measured: list[Measured], topology: Topology, output: Path | None) -> None:
    if output:
        replace_file(output, dump_json([as_json(one, topology) for one in measured], 1) + "\n")
