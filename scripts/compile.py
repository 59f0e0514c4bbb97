r"""Compiles a config's train step for TPUs or GPUs that are not here: does it fit, what binds it?

    pip install -e '.[tpu]'
    python scripts/compile.py --config=configs/commonsense_qa.py --topology=v5e:2x4 \
        --mesh=fsdp=8 --config.model.pretrained=google/flan-t5-xl [--sweep] [--output=FILE.json]

Needs no accelerator, and reads neither data nor weights. A row is as long as
config.data.encoder_length and decoder_length say, or else input_length and target_length; every
reply fills one. --sweep tries meshes, batch sizes and remat policies, and ranks what fits.
--decode compiles what evaluation does instead, with config.evaluation's questions and beams.
--steps=20, without a topology, runs the step on the devices of this machine and times it.
"""

import os
from pathlib import Path

from absl import flags

from cotjax import cli

TOPOLOGY = flags.DEFINE_string("topology", None, "v5e:4x4, v5p:2x2x2, v6e:2x4, h100:8 or cpu:8")
MESH = flags.DEFINE_string("mesh", None, "such as fsdp=8,tensor=2; unset: the config's")
SWEEP = flags.DEFINE_bool("sweep", False, "try meshes, batch sizes and remat policies")
DECODE = flags.DEFINE_bool("decode", False, "the decoding of a batch, not the train step")
STEPS = flags.DEFINE_integer("steps", None, "run so many on this machine's devices", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", None, "file to write all figures to as JSON")


def main(config):
    """Compiles one step, or many."""
    if (TOPOLOGY.value is None) == (STEPS.value is None):
        cli.fail("say --topology=... to compile for it, or --steps=... to run on this machine")
    if SWEEP.value + DECODE.value + bool(STEPS.value) > 1:
        cli.fail("--sweep, --decode and --steps leave each other out")
    if TOPOLOGY.value:
        os.environ["JAX_PLATFORMS"] = "cpu"  # or JAX would look for the accelerators

    from cotjax.compiling.hardware import Topology
    from cotjax.compiling.planned import mesh_sizes
    from cotjax.compiling.run import compile_many, compile_one, time_one

    if MESH.value:
        config.mesh.update(mesh_sizes(MESH.value))
    output = Path(OUTPUT.value) if OUTPUT.value else None
    if STEPS.value:
        time_one(config, STEPS.value, output)
        return
    topology = Topology.parse(TOPOLOGY.value)
    if SWEEP.value:
        compile_many(config, topology, output)
    else:
        compile_one(config, topology, output, DECODE.value)


if __name__ == "__main__":
    cli.run(main, takes_config="student")
