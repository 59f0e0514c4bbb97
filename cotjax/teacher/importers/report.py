"""What an import read, judged, kept and dropped, file by file."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cotjax.errors import InputError
from cotjax.records import DROPPED, Source
from cotjax.teacher.answers import Verdict

HUMAN = "questions with human explanations"
NOT_OF_ROWS = ("questions", "requests", "rows", "labels")  # how names of other counts begin
SEVERAL = "parsed, of several choices the first"
RELEASE = "right by the release's rule"
COLUMNS = ("rows", "labels", "parsed", "right", RELEASE, "rationales")
SHOWN_REMARKS = 10  # enough to see what is wrong with a file, and the table stays in sight


@dataclasses.dataclass
class Tally:
    """What became of the rows of one file: each completion is kept or dropped.

    Attributes:
      name: The file's.
      tags: What all its rationales are tagged with.
      rows: Completions read.
      labels: Gold labels read.
      parsed: Completions in which the task's parser found an answer.
      several: Answers that name several choices; the parser takes the first.
      right: Answers that are the gold label.
      release_right: The same by the rule of the release's own code; None if that has no rule.
      rationales: Completions kept.
      dropped: Completions not kept, by reason.
      noted: What else is worth knowing, such as questions that occur twice.
    """

    name: str
    tags: dict[str, str | int | float] | None = None
    rows: int = 0
    labels: int = 0
    parsed: int = 0
    several: int = 0
    right: int = 0
    release_right: int | None = None
    rationales: int = 0
    dropped: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    noted: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def add(self, verdict: Verdict, release_right: bool | None = None) -> bool:
        """Counts a completion; returns whether it is kept."""
        self.parsed += verdict.answer is not None
        self.several += verdict.several
        self.right += verdict.correct
        if release_right is not None:
            self.release_right = (self.release_right or 0) + release_right
        if verdict.problem:
            return self.drop(verdict.problem)
        self.rows += 1
        self.rationales += 1
        return True

    def drop(self, reason: str) -> bool:
        """Counts a completion that isn't kept."""
        self.rows += 1
        self.dropped[reason] += 1
        return False

    def lines(self) -> Iterator[tuple[str, int]]:
        """Yields name and count of all there is to tell."""
        yield "rows", self.rows
        if self.labels:
            yield "labels", self.labels
        yield "parsed", self.parsed
        if self.several:
            yield SEVERAL, self.several
        yield "right", self.right
        if self.release_right is not None:
            yield RELEASE, self.release_right
        yield "rationales", self.rationales
        yield from ((f"{DROPPED}{reason}", count) for reason, count in self.dropped.most_common())
        yield from self.noted.most_common()

    def __add__(self, other: "Tally") -> "Tally":
        """Returns the counts of two files together."""
        rules = [t.release_right for t in (self, other) if t.release_right is not None]
        sums = {
            field: getattr(self, field) + getattr(other, field)
            for field in ("rows", "labels", "parsed", "several", "right", "rationales")
        }
        return Tally(
            self.name,
            release_right=sum(rules) if rules else None,
            dropped=self.dropped + other.dropped,
            noted=self.noted + other.noted,
            **sums,
        )


@dataclasses.dataclass
class Report:
    """What became of everything that an import read.

    Attributes:
      questions: Records made.
      human: How many of them hold people's explanations.
      tallies: A count for each file of completions or labels.
      remarks: What is wrong with single rows, each with its file and line.
    """

    questions: int = 0
    human: int = 0
    tallies: list[Tally] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)

    def tally(self, name: str, tags: dict[str, str | int | float] | None = None) -> Tally:
        """Starts the counts of another file."""
        self.tallies.append(Tally(name, tags))
        return self.tallies[-1]

    @property
    def total(self) -> Tally:
        """The counts of all files together."""
        return sum(self.tallies, start=Tally("all files"))

    def counts(self) -> dict[str, int]:
        """Returns what the manifest says of the folder."""
        human = {HUMAN: self.human} if self.human else {}
        return {"questions": self.questions, **human, **dict(self.total.lines())}

    def sources(self) -> tuple[Source, ...] | None:
        """Returns what the manifest says of each file, None where there is but one."""
        if len(self.tallies) < 2:
            return None
        return tuple(Source(t.name, dict(t.lines()), t.tags) for t in self.tallies)

    def refuse_nothing(self, source: Path) -> None:
        """Raises InputError if no question could be read, or no completion be used."""
        total = self.total
        if self.questions and (total.rationales or not total.rows):
            return
        reasons = (total.dropped or total.noted).most_common()
        why = ", ".join(f"{count:,} {reason}" for reason, count in reasons)
        first = f"; first {self.remarks[0]}" if self.remarks else ""
        raise InputError(f"{source}: nothing in it can be used ({why}){first}")

    def show(self, console: Console, title: str) -> None:
        """Prints all counts, and their shares of the rows, and what is wrong with which row."""
        console.print(self._totals(title))
        if len(self.tallies) > 1:
            console.print(files_table(self.sources()))
        for remark in self.remarks[:SHOWN_REMARKS]:
            console.print(remark, soft_wrap=True, highlight=False, markup=False)
        if len(self.remarks) > SHOWN_REMARKS:
            console.print(f"... and {len(self.remarks) - SHOWN_REMARKS} more like these")

    def _totals(self, title: str) -> Table:
        table = Table("", "count", "of rows", title=title)
        table.columns[1].justify = table.columns[2].justify = "right"
        rows = self.total.rows
        for name, count in self.counts().items():
            is_part = rows and not name.startswith(NOT_OF_ROWS)
            table.add_row(name, f"{count:,}", f"{100 * count / rows:.1f} %" if is_part else "")
        return table


def files_table(sources: Iterable[Source]) -> Table:
    """Returns a row for each file, with what was dropped and what else there is to know."""
    table = Table("", *COLUMNS, "dropped and noted", title="file by file")
    for column in table.columns[1:-1]:
        column.justify = "right"
    for source in sources:
        counts = [f"{source.counts[name]:,}" if name in source.counts else "" for name in COLUMNS]
        notes = [
            f"{count:,} {name}" for name, count in source.counts.items() if name not in COLUMNS
        ]
        table.add_row(source.name, *counts, "\n".join(notes))
    return table
