"""Time and memory of cotjax's data by the number of rationales, a process a point."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from benchmarks.options import Options
from benchmarks.pipeline_data import write_repeated
from benchmarks.turns import Figures, Order, Side

SMALLEST = 10_000  # rationales; the next are tenfold each
SAFE = 0.8  # of the free memory, that a point may be expected to need


def growth(
    folder: Path, words: Callable[[Path], list[str]], options: Options
) -> dict[int, Figures]:
    """Measures batches, and how records become them, at ten thousand rationales and more.

    Records of which a tenth needed too much memory are not prepared: what they would need is told.

    Args:
      folder: Takes synthetic records.
      words: The config of a folder of records.
      options: `records` and `rationales` are read.

    Returns:
      Figures by number of rationales; those of `_prepare` only where there is memory for it.
    """
    measured, expected = {}, 0.0
    for size in sizes(options.rationales):
        figures = _alone(words(options.records), {"what": "batches", "size": size})
        if expected < SAFE * free_gib():
            figures |= _prepare(folder / str(size), words, options.records, size)
            expected = 10 * figures["prepare_peak_gib"]
        else:
            figures |= {"would_need_gib": expected}
        measured[size] = figures
        shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        Console(stderr=True, soft_wrap=True).print(f"{size:,} rationales: {shown}")
    return measured


def sizes(most: int) -> list[int]:
    """Ten thousand and its tenfolds, none above `most`."""
    return [SMALLEST * 10**power for power in range(len(str(most // SMALLEST)))]


def bytes_a_token(measured: Mapping[int, Figures]) -> float:
    """What a stored token adds to the memory of a process that makes batches.

    The two largest sizes are compared, so that what every such process needs does not count.
    """
    *_, less, more = measured.values()
    grown = (more["resident_gib"] - less["resident_gib"]) * 2**30
    return grown / (more["tokens"] - less["tokens"])


def free_gib() -> float:
    """The memory that the machine has to give, in GiB (Linux)."""
    text = Path("/proc/meminfo").read_text("utf-8")
    return int(re.search(r"MemAvailable:\s+(\d+) kB", text)[1]) / 2**20


def _prepare(folder: Path, words: Callable[[Path], list[str]], records: Path, size: int) -> Figures:
    """Seconds from records on disk to steps, first and with tokens in the cache, and memory."""
    write_repeated(folder, records, size)
    figures = _alone(words(folder), {"what": "prepare"})
    return {f"prepare_{name}": value for name, value in figures.items()}


def _alone(words: list[str], order: Order) -> Figures:
    """What a process of its own measures."""
    side = Side("benchmarks.pipeline_ours", *words)
    try:
        return side.ask(order)
    finally:
        side.close()
