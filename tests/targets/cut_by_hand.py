"""Real rationales whose steps were found by reading them, and how often the rules differ."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from cotjax.evaluation.metrics import wilson_interval
from cotjax.targets.segmentation import keep_lines, step_starts

ROWS = Path(__file__).with_name("steps.json")
AFTERWARDS = ("drawn afterwards", "drawn by hash")  # when the rules were done
SOURCES = {  # as docs/targets.md calls them: where their files begin
    "CommonsenseQA, PaLM": "dss/cqa",
    "SVAMP, PaLM": "dss/svamp",
    "OpenBookQA, GPT-4o": "granularity/openbookqa",
    "SVAMP, GPT-4o": "granularity/svamp",
    "last letters, GPT-3.5": "multi_sample/last",
    "shuffled objects, GPT-3.5": "multi_sample/tracking",
    "all": "",
}


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Sums over some rationales; a step that begins with the text is no boundary.

    Attributes:
      rationales, wrong: How many there are, and how many are not cut exactly as by hand.
      boundaries, missed, extra: Those by hand, those of them that the rules lack, and others.
    """

    rationales: int
    wrong: int
    boundaries: int
    missed: int
    extra: int

    @property
    def precision(self) -> float:
        """Share of the rules' boundaries that are right."""
        found = self.boundaries - self.missed
        return found / (found + self.extra)

    @property
    def recall(self) -> float:
        """Share of the boundaries that the rules find."""
        return 1 - self.missed / self.boundaries


def agreement(shared: Path, uses: Sequence[str], begins: str = "") -> Agreement:
    """Compares the rows of some uses and of files whose names begin so."""
    pairs = [
        _boundaries(shared / "data", row)
        for row in json.loads(ROWS.read_text("utf-8"))["rows"]
        if row["use"] in uses and row["file"].startswith(begins)
    ]
    return Agreement(
        rationales=len(pairs),
        wrong=sum(found != expected for found, expected in pairs),
        boundaries=sum(len(expected) for _, expected in pairs),
        missed=sum(len(expected - found) for found, expected in pairs),
        extra=sum(len(found - expected) for found, expected in pairs),
    )


def rate_rows(shared: Path) -> list[list[str]]:
    """The rows of the table in docs/targets.md."""
    return [_rate_row(name, agreement(shared, AFTERWARDS, file)) for name, file in SOURCES.items()]


def _rate_row(name: str, counts: Agreement) -> list[str]:
    low, high = (100 * end for end in wilson_interval(counts.wrong, counts.rationales))
    rate = f"{100 * counts.wrong / counts.rationales:.1f} %"
    numbers = (counts.boundaries, counts.missed, counts.extra)
    interval = f"{low:.1f} to {high:.1f} %"
    return [name, str(counts.rationales), str(counts.wrong), rate, interval, *map(str, numbers)]


def _boundaries(folder: Path, row: dict) -> tuple[set[int], set[int]]:
    """Where the rules and the reader cut a row's text, which must be the one that was read."""
    source = _file(folder / row["file"])[row["row"]]
    if isinstance(source, dict):
        source = source.get("output", source.get("chain"))
    text = keep_lines(source)[: row["characters"]]
    assert hashlib.sha256(text.encode()).hexdigest().startswith(row["sha256"])
    return set(step_starts(text)) - {0}, set(row["starts"]) - {0}


@functools.cache
def _file(path: Path) -> list:
    return json.loads(path.read_text("utf-8"))
