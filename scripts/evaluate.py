"""Asks a trained student the questions of a split, and counts its right answers.

    python scripts/evaluate.py --workdir=runs/comparison --checkpoint=best --split=test

Predictions and a summary are written into the workdir's `eval` folder, as `<split>-<step>`, or as
`<split>-<folder>-<step>` for the questions of another folder.
"""

from pathlib import Path

from absl import flags

from cotjax import cli

WORKDIR = flags.DEFINE_string("workdir", None, "folder of a training run")
CHECKPOINT = flags.DEFINE_string("checkpoint", None, "best, latest or a step")
SPLIT = flags.DEFINE_enum("split", None, ["train", "validation", "test"], "which questions")
QUESTIONS = flags.DEFINE_string(
    "questions", None, "folder of records to ask, if not the questions of the run's own config"
)


def main() -> None:
    """Evaluates one checkpoint on one split."""
    from cotjax import config

    config.from_workdir(WORKDIR.value)  # told before the seconds that the other imports take

    from rich.console import Console

    from cotjax.evaluation.report import summary_table
    from cotjax.evaluation.run import evaluate_checkpoint
    from cotjax.training.writers import make_progress

    summary, step, predictions = evaluate_checkpoint(
        Path(WORKDIR.value),
        CHECKPOINT.value,
        SPLIT.value,
        Path(QUESTIONS.value) if QUESTIONS.value else None,
        make_progress(Console(stderr=True)),
    )
    console = Console(highlight=False)
    console.print(summary_table(summary, f"{WORKDIR.value}, step {step}, {SPLIT.value} questions"))
    console.print(f"predictions: {predictions}", soft_wrap=True)


if __name__ == "__main__":
    cli.run(main, required=["workdir", "checkpoint", "split"])
