"""What a sampling job shows: a line of numbers while it runs, a table when it is done."""

import collections

import numpy as np
from rich.console import Console
from rich.table import Table

from cotjax.decoding.scheduler import Work
from cotjax.records import Rationale
from cotjax.teacher.journal import Entry
from cotjax.teacher.output import Output
from cotjax.teacher.sample import Summary
from cotjax.training.writers import make_progress

BINS = 8  # of the histogram of lengths
BAR = 30  # characters of its longest bar
NAMED = 5  # ids of questions that could not be asked


class Live:
    """A progress bar with the job's counts and rates; used as a context."""

    def __init__(self):
        """Shows nothing yet."""
        self._progress = make_progress()
        self._task = self._progress.add_task("samples", total=None, rate="")
        self._seen: collections.Counter[str] = collections.Counter()
        self._output: Output | None = None

    def __enter__(self) -> "Live":
        self._progress.start()
        return self

    def __exit__(self, *_) -> None:
        self._progress.stop()

    def begin(self, output: Output) -> None:
        """See `sample.View`."""
        self._output = output
        done = output.num_samples - sum(map(len, output.missing.values()))
        self._progress.update(self._task, total=output.num_samples, completed=done)
        if done:
            self._progress.console.print(
                f"going on: {done:,} of {output.num_samples:,} samples are there"
            )

    def saw(self, judged: Rationale | None, entry: Entry, work: Work) -> None:
        """See `sample.View`."""
        self._seen["samples"] += 1
        self._seen["parsed"] += judged is not None and judged.answer is not None
        self._seen["right"] += judged is not None and bool(judged.correct)
        self._seen["cut"] += entry.finish_reason == "length"
        shares = (
            f"{100 * self._seen[name] / self._seen['samples']:.0f} % {name}"
            for name in ("parsed", "right", "cut")
        )
        questions = f"{self._output.answered:,}/{self._output.num_questions:,} questions"
        rate = ", ".join((questions, f"{work.rate:,.0f} tokens/s", *shares))
        self._progress.update(self._task, advance=1, rate=rate)


def show_summary(summary: Summary, console: Console) -> None:
    """Prints what a job came to: counts, lengths and cost."""
    rationales = [one for record in summary.records for one in record.rationales]
    for reason, ids in summary.prompts.refused.items():
        named = ", ".join(ids[:NAMED]) + (", ..." if len(ids) > NAMED else "")
        console.print(f"{len(ids):,} questions not asked: {reason} ({named})", soft_wrap=True)
    table = Table("", "count", "share", title="the folder")
    table.columns[1].justify = table.columns[2].justify = "right"
    counts = {
        "questions": len(summary.records),
        "rationales": len(rationales),
        "hold an answer": sum(one.answer is not None for one in rationales),
        "right": sum(bool(one.correct) for one in rationales),
        "cut at the limit of tokens": sum(one.finish_reason == "length" for one in rationales),
    }
    for name, count in counts.items():
        share = f"{100 * count / len(rationales):.1f} %" if rationales and count else ""
        table.add_row(name, f"{count:,}", "" if name == "questions" else share)
    console.print(table)
    if rationales:
        console.print(_lengths([one.num_tokens for one in rationales]))
    if summary.work.samples:
        console.print(_cost(summary))


def _lengths(lengths: list[int]) -> Table:
    """A histogram of the tokens that samples have."""
    counts, edges = np.histogram(lengths, bins=BINS)
    table = Table("tokens", "samples", "", title="length of a sample", show_header=True)
    table.columns[0].justify = table.columns[1].justify = "right"
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        bar = "█" * round(BAR * count / counts.max())
        table.add_row(f"{low:.0f} to {high:.0f}", f"{count:,}", bar)
    return table


def _cost(summary: Summary) -> Table:
    """What this run read and wrote, and what sharing has saved."""
    work = summary.work
    read = work.prefix + work.prompts
    table = Table("", "", title="this run")
    table.columns[1].justify = "right"
    rows = {
        "samples": f"{work.samples:,}",
        "tokens written": f"{work.sampled:,}",
        "prompt tokens read": f"{read:,}",
        "prompt tokens that the samples have": f"{summary.unshared:,}",
        "saved by sharing": f"{100 * (1 - read / max(summary.unshared, 1)):.1f} %",
        "tokens written a second": f"{work.rate:,.1f}",
        "seconds: prompts, writing": f"{work.prompt_seconds:.1f}, {work.decode_seconds:.1f}",
        "of which compiling": f"{work.compile_seconds:.1f} ({work.compilations} programs)",
        "slots occupied": f"{100 * work.occupancy:.1f} %",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table
