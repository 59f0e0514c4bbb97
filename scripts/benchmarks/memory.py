"""What one train step needs in memory, by batch size and by what is recomputed."""

import itertools
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.options import Options
from benchmarks.tables import new_table
from benchmarks.train_data import config_words
from benchmarks.turns import Figures, Side, machine
from cotjax.models.t5_config import REMAT
from cotjax.records import read_manifest

BATCH_SIZES = (16, 64, 256)  # targets a step
MEMORY = ("arguments", "temporaries", "outputs", "peak")


def run(options: Options) -> Figures:
    """Measures every point in a process of its own.

    Args:
      options: `records`, `weights` and `repetitions` are read.
    """
    with tempfile.TemporaryDirectory() as cache:
        points = [
            _point(options, Path(cache), batch_size, remat)
            for batch_size, remat in itertools.product(BATCH_SIZES, REMAT)
        ]
    return {"machine": machine(), "points": points}


def _point(options: Options, cache: Path, batch_size: int, remat: str) -> Figures:
    fields = {
        "task.source": f"records:{options.records}",
        "task.validation_split": "",
        "data.batch_size": batch_size,
        "data.cache": cache,
        "model.pretrained": options.weights,
        "model.remat": remat,
    }
    task = read_manifest(options.records).task
    side = Side("benchmarks.memory_point", *config_words(task, fields))
    try:
        figures = side.ask({"repetitions": options.repetitions})
    finally:
        side.close()
    figures = {"batch_size": batch_size, "remat": remat, **figures, "peak": figures["peak_gib"]}
    Console(stderr=True, soft_wrap=True).print(", ".join(f"{k} {v}" for k, v in figures.items()))
    return figures


def table(figures: Figures) -> Table:
    """Bytes of a step, and what it takes."""
    result = new_table(
        "targets", "remat", "rows", *MEMORY, "s a step",
        title="One train step in float32, CommonsenseQA label first: GiB",
        machine=figures["machine"],
        packages=("jax",),
        notes="arguments, temporaries, outputs that are"
        " no arguments: as compiled; peak: the most that the process\never had resident, with"
        " Python, libraries, data and compilation",
    )  # fmt: skip
    result.columns[0].justify = "right"
    for one in figures["points"]:
        cells = (f"{one[name]:.2f}" for name in MEMORY)
        rows = f"{one['rows']} x {one['encoder']}/{one['decoder']}"
        result.add_row(
            str(one["batch_size"]), one["remat"], rows, *cells, f"{one['seconds']:.2f}",
            end_section=one["remat"] == REMAT[-1],
        )  # fmt: skip
    return result
