"""How much memory records take on their way to steps, in a process of its own.

    python -m tests.loads.records --rationales=100000 [--gib=24]

Writes so many records of CommonsenseQA's length, reads them, and prepares a run on them, under a
limit on the process's memory (as `ulimit -v` sets it). Prints what either took at most, what stood
in memory before left out, by rationale and by byte on disk.
"""

import argparse
import json
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, read_records, write_records
from cotjax.training.prepare import prepare
from tests.conftest import REPOSITORY
from tests.held import taken

WORDS = 20_000  # of which rationales are made
LENGTH = 30  # words of a rationale on average
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


def main() -> None:
    """Writes records and prepares a run on them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rationales", type=int, default=100_000)
    parser.add_argument("--gib", type=float, default=24.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "train"
        write_records(folder, Manifest("commonsense_qa", "train", "t"), records(options.rationales))
        on_disk = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
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
        try:
            for name, do in (
                ("read", lambda: read_records(folder)),
                ("prepared", lambda: prepare(config, row_multiple=1)),
            ):
                told[f"{name}_bytes_a_rationale"] = (most := taken(do)) / options.rationales
                told[f"{name}_bytes_a_byte"] = most / on_disk
        except InputError as error:
            told["refused"] = str(error)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
