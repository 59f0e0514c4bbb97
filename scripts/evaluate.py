r"""Asks a trained student the questions of a split, and counts its right answers.

    python scripts/evaluate.py --workdir=runs/comparison --checkpoint=best --split=test \
        [--samples=30 | --rationales=teacher]

Samples vote: the commonest answer counts, of equally common ones that whose first sample came
first. Predictions and a summary are written into the workdir's `eval` folder, as `<split>-<step>`,
`<split>-<folder>-<step>` for the questions of a folder, with `-samples30` or `-forced` at the end.
"""

from pathlib import Path

from absl import flags

from cotjax import cli

WORKDIR = flags.DEFINE_string("workdir", None, "folder of a training run")
CHECKPOINT = flags.DEFINE_string("checkpoint", None, "best, latest or a step")
SPLIT = flags.DEFINE_enum("split", None, ["train", "validation", "test"], "which questions")
QUESTIONS = flags.DEFINE_string("questions", None, "folder of records to ask instead of a split's")
RATIONALES = flags.DEFINE_enum("rationales", None, ["teacher"], "that a student is made to say")
SAMPLES = flags.DEFINE_integer("samples", None, "answers to each question; unset: the likeliest")
TEMPERATURE = flags.DEFINE_float("temperature", None, "of the samples; by default 0.7")
SEED = flags.DEFINE_integer("seed", None, "of the samples; by default 0")


def main() -> None:
    """Evaluates one checkpoint on one split."""
    from cotjax import config

    config.from_workdir(WORKDIR.value)  # told before the seconds that the other imports take

    from rich.console import Console

    from cotjax.evaluation.report import summary_table
    from cotjax.evaluation.run import evaluate_checkpoint
    from cotjax.evaluation.voting import make_sampling
    from cotjax.training.writers import make_progress

    summary, step, predictions = evaluate_checkpoint(
        Path(WORKDIR.value),
        CHECKPOINT.value,
        SPLIT.value,
        Path(QUESTIONS.value) if QUESTIONS.value else None,
        make_progress(Console(stderr=True)),
        forced=RATIONALES.value == "teacher",
        sampling=make_sampling(SAMPLES.value, TEMPERATURE.value, SEED.value),
    )
    console = Console(highlight=False)
    console.print(summary_table(summary, f"{WORKDIR.value}, step {step}, {SPLIT.value} questions"))
    console.print(f"predictions: {predictions}", soft_wrap=True)


if __name__ == "__main__":
    cli.run(main, required=["workdir", "checkpoint", "split"], many_hosts=True)
