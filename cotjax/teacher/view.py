"""What a sampling job shows: how it goes while it runs, tables when it is done."""

import collections
import datetime
import time
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from rich.console import Console, Group
from rich.live import Live as Display
from rich.table import Table
from rich.text import Text

from cotjax.decoding.scheduler import Work
from cotjax.records import DROPPED
from cotjax.teacher.journal import Entry
from cotjax.teacher.output import NOT_ASKED, Output
from cotjax.teacher.prompt_tokens import some
from cotjax.teacher.questions import NO_TASK, Judged
from cotjax.teacher.sample import Summary
from cotjax.training.writers import make_progress

LINE_SECONDS = 30  # between two lines in a file; a terminal has a bar
BINS = 8  # of the histogram of lengths
BAR = 30  # characters of its longest bar


class Live:
    """How a job goes: a bar on a terminal, a line now and then in a file; used as a context.

    Of several processes the first one tells of its own part.
    """

    def __init__(self, console: Console, line_seconds: float = LINE_SECONDS):
        """Shows nothing yet."""
        self._console, self._line_seconds = console, line_seconds
        self._bar = make_progress(console)
        self._task = self._bar.add_task("samples", total=None, rate="")
        self._text = Text()
        self._display = Display(Group(self._bar, self._text), console=console)
        self._seen: collections.Counter[str] = collections.Counter()
        self._output: Output | None = None
        self._before, self._start, self._shown = 0, 0.0, 0.0

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_) -> None:
        self._display.stop()

    def begin(self, output: Output) -> None:
        """See `sample.View`."""
        self._output, self._start = output, time.monotonic()
        self._before = output.num_samples - sum(map(len, output.missing.values()))
        self._shown = self._start
        if jax.process_index() > 0:
            return
        if self._before:
            there = f"{self._before:,} of {output.num_samples:,} samples are there"
            self._console.print(f"going on: {there}", highlight=False)
        if self._console.is_terminal:
            self._bar.update(self._task, total=output.num_samples, completed=self._before)
            self._display.start()

    def saw(self, judged: Judged, entry: Entry, work: Work) -> None:
        """See `sample.View`."""
        self._seen["samples"] += 1
        self._seen["parsed"] += judged.answer is not None
        self._seen["judged"] += judged.correct is not None
        self._seen["right"] += bool(judged.correct)
        self._seen["cut"] += entry.finish_reason == "length"
        if jax.process_index() > 0:
            return
        if self._console.is_terminal:
            self._text.plain = self._state(work)
            self._bar.update(self._task, advance=1)
            return
        now, is_last = time.monotonic(), self._done == self._output.num_samples
        if is_last or now - self._shown >= self._line_seconds:
            self._shown = now
            samples = f"{self._done:,}/{self._output.num_samples:,} samples"
            left = datetime.timedelta(seconds=round(self._seconds_left(now)))
            line = f"{samples}, {self._state(work)}, {left} left"
            self._console.print(line, highlight=False, soft_wrap=True)

    @property
    def _done(self) -> int:
        return self._before + self._seen["samples"]

    def _seconds_left(self, now: float) -> float:
        each = (now - self._start) / self._seen["samples"]
        return each * (self._output.num_samples - self._done)

    def _state(self, work: Work) -> str:
        """Questions done, rate, and shares of this run's samples."""
        of = "" if jax.process_count() == 1 else f" (1 of {jax.process_count()} processes)"
        questions = f"{self._output.answered:,}/{self._output.num_questions:,} questions{of}"
        names = ["parsed", "right", "cut"] if self._seen["judged"] else ["cut"]
        shares = (
            f"{100 * self._seen[name] / self._seen['samples']:.0f} % {name}" for name in names
        )
        return ", ".join((questions, f"{work.rate:,.0f} tokens/s", *shares))


def refusals(refused: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for each reason why questions were not asked, with some of their ids."""
    lines = []
    for reason, ids in refused.items():
        number = "1 question" if len(ids) == 1 else f"{len(ids):,} questions"
        lines.append(f"{number} not asked: {reason} ({some(ids)})")
    return lines


def show_summary(summary: Summary, console: Console) -> None:
    """Prints what a job came to: counts, lengths and cost."""
    for line in refusals(summary.refused):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(_counts(summary))
    lengths = [one.num_tokens for record in summary.records for one in record.rationales]
    if lengths:
        console.print(_lengths(lengths))
    if summary.work.samples:
        console.print(_cost(summary.work))


def _counts(summary: Summary) -> Table:
    """What the folder holds. Shares are of all samples: one without an answer is not right."""
    counts, records = summary.manifest.counts, summary.records
    table = Table("", "count", "share", title="the folder")
    table.columns[1].justify = table.columns[2].justify = "right"
    table.add_row("questions", f"{len(records):,}", "")
    rows = {n: c for n, c in counts.items() if n.startswith(NOT_ASKED)}
    for name, count in rows.items():
        table.add_row(name, f"{count:,}", f"{100 * count / len(records):.1f} %")
    table.add_row("samples", f"{counts['rows']:,}", "")
    rows = {"rationales": counts["rationales"]}
    rows |= {n: c for n, c in counts.items() if n.startswith(DROPPED) and c}
    rationales = [rationale for record in records for rationale in record.rationales]
    if summary.manifest.task != NO_TASK or counts["parsed"]:
        rows["hold an answer"] = counts["parsed"]
    if any(rationale.correct is not None for rationale in rationales):
        rows["right"] = counts["right"]
    rows["cut at the limit of tokens"] = counts["truncated"]
    for name, count in rows.items():
        table.add_row(name, f"{count:,}", f"{100 * count / max(counts['rows'], 1):.1f} %")
    return table


def _lengths(lengths: list[int]) -> Table:
    """A histogram of the tokens that samples have, in at most BINS equal steps."""
    width = -(-(max(lengths) - min(lengths) + 1) // BINS)
    edges = np.arange(min(lengths), max(lengths) + width + 1, width)
    counts, _ = np.histogram(lengths, edges)
    table = Table("tokens", "samples", "", title="length of a sample with a rationale")
    table.columns[0].justify = table.columns[1].justify = "right"
    for count, low in zip(counts, edges, strict=False):
        name = f"{low}" if width == 1 else f"{low} to {low + width - 1}"
        table.add_row(name, f"{count:,}", "█" * round(BAR * count / counts.max()))
    return table


def _cost(work: Work) -> Table:
    """What this run read and wrote, and what sharing has saved.

    A sample is one text, and two where a second prompt asks for the answer.
    """
    read = work.prefix + work.prompts
    table = Table("", "", title="this run", show_header=False)
    table.columns[1].justify = "right"
    rows = {
        "texts written": f"{work.samples:,}",
        "tokens written": f"{work.sampled:,}",
        "prompt tokens read": f"{read:,}",
        "prompt tokens that the samples have": f"{work.unshared:,}",
        "saved by sharing": f"{100 * (1 - read / max(work.unshared, 1)):.1f} %",
        "tokens written a second": f"{work.rate:,.1f}",
        "seconds: prompts, writing": f"{work.prompt_seconds:.1f}, {work.decode_seconds:.1f}",
        "of which compiling": f"{work.compile_seconds:.1f} ({work.compilations} programs)",
        "slots occupied": f"{100 * work.occupancy:.1f} %",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table
