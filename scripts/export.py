"""Writes a trained student as a Hugging Face folder, which `transformers` loads.

python scripts/export.py --workdir=runs/comparison --checkpoint=best --output=exported
"""

from pathlib import Path

from absl import flags

from cotjax import cli

WORKDIR = flags.DEFINE_string("workdir", None, "folder of a training run")
CHECKPOINT = flags.DEFINE_string("checkpoint", None, "best, latest or a step")
OUTPUT = flags.DEFINE_string("output", None, "folder to make; an existing one must be empty")


def main() -> None:
    """Exports one checkpoint."""
    from cotjax.evaluation.student import export_checkpoint

    step = export_checkpoint(Path(WORKDIR.value), CHECKPOINT.value, Path(OUTPUT.value))
    print(f"step {step} exported: {OUTPUT.value}")


if __name__ == "__main__":
    cli.run(main, required=["workdir", "checkpoint", "output"])
