"""How much memory records take on their way to steps, in a process of its own.

    python -m tests.loads.records --rationales=100000 [--gib=24] [--sparse]

Writes so many records of CommonsenseQA's length, reads them, and prepares a run on them, under a
limit on the process's memory (as `ulimit -v` sets it). Prints what either took at most, what stood
in memory before left out, by rationale and by byte on disk. With --sparse the file of records has
the length of so many, and zeros: nothing of it is to be read.
"""

import argparse
import json
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, read_records, write_records
from cotjax.training.prepare import prepare
from tests.conftest import REPOSITORY
from tests.held import taken

WORDS = 20_000  # of which rationales are made
LENGTH = 30  # words of a rationale on average
BYTES = 493  # of such a record on disk
CHOICES = ("park", "coloring book", "garden center", "math problem", "gravity")


def records(count: int) -> Iterator[Record]:
    """Questions of one rationale each, none like another."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijklmnoprstuw"), 5)) for _ in range(WORDS)]

    def text(length: int) -> str:
        return " ".join(words[n] for n in rng.integers(WORDS, size=length))

    for number in range(count):
        label = CHOICES[number % len(CHOICES)]
        said = Rationale(0, text(rng.integers(LENGTH // 2, 3 * LENGTH // 2)), label, True)
        yield Record(f"q{number}", f"{text(15)} {number}?", CHOICES, label, (said,))


def write(folder: Path, count: int, is_sparse: bool) -> int:
    """Writes records; returns their bytes on disk."""
    manifest = Manifest("commonsense_qa", "train", "t")
    write_records(folder, manifest, records(1 if is_sparse else count))
    files = list(folder.glob("*.jsonl"))
    if is_sparse:
        os.truncate(files[0], BYTES * count)
    return sum(path.stat().st_size for path in files)


def main() -> None:
    """Writes records and prepares a run on them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rationales", type=int, default=100_000)
    parser.add_argument("--gib", type=float, default=24.0)
    parser.add_argument("--sparse", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "train"
        on_disk = write(folder, options.rationales, options.sparse)
        fields = {
            "task.name": "commonsense_qa",
            "task.source": f"records:{place}",
            "task.validation_split": "",
            "data.records": folder,
            "data.cache": Path(place) / "cache",
            "model.vocab_size": 1_000,
        }
        words = [f"--config.{name}={value}" for name, value in fields.items()]
        config = configs.load(REPOSITORY / "configs" / "default.py", words)
        limit = int(options.gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        told = {"rationales": options.rationales, "bytes_on_disk": on_disk}

        def tell(name: str, do: Callable[[], Any]) -> None:
            told[f"{name}_bytes_a_rationale"] = (most := taken(do)) / options.rationales
            told[f"{name}_bytes_a_byte"] = most / on_disk

        try:
            if not options.sparse:
                tell("read", lambda: read_records(folder))
            tell("prepared", lambda: prepare(config, row_multiple=1))
        except InputError as error:
            told["refused"] = str(error)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
