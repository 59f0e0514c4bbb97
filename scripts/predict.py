r"""Lets a student write to the texts of a file, one JSON object with `text` a line.

    python scripts/predict.py --workdir=runs/comparison --input=texts.jsonl --output=answers.jsonl
    python scripts/predict.py --model=google/flan-t5-small --input=texts.jsonl \
    --output=answers.jsonl

The best checkpoint of a workdir is asked, or the latest where none has been evaluated yet. Lines of
`text`, `output` and `num_tokens` come out, in the same order. A student that was taught to read
rationales (order rationale_input) needs lines with a `rationale` too.
"""

from pathlib import Path

from absl import flags

from cotjax import cli

WORKDIR = flags.DEFINE_string("workdir", None, "folder of a training run")
MODEL = flags.DEFINE_string("model", None, "Hugging Face folder or Hub id, instead of a workdir")
INPUT = flags.DEFINE_string("input", None, "file of JSON lines, each with `text`")
OUTPUT = flags.DEFINE_string("output", None, "file of JSON lines to write")
MAX_TOKENS = flags.DEFINE_integer(
    "max_tokens", None, "generated at most; by default as in the run's evaluation", lower_bound=1
)


def main() -> None:
    """Answers one file."""
    from rich.console import Console

    from cotjax.evaluation.texts import answer_file
    from cotjax.training.writers import make_progress

    answered = answer_file(
        Path(INPUT.value),
        Path(OUTPUT.value),
        workdir=Path(WORKDIR.value) if WORKDIR.value else None,
        model=MODEL.value,
        max_tokens=MAX_TOKENS.value,
        progress=make_progress(Console(stderr=True)),
    )
    if answered.checkpoint == "latest":
        print("no checkpoint has been evaluated yet: the latest was asked")
    print(
        f"{answered.texts} texts answered ({answered.cut} of them cut to the input length, "
        f"{answered.unknown} unknown tokens): {OUTPUT.value}"
    )


if __name__ == "__main__":
    cli.run(main, required=["input", "output"], many_hosts=True)
