"""What the scoring script does and shows: a bar while it runs, counts and examples at the end."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cotjax.attribution.run import Request, score_records
from cotjax.attribution.scores import Scores
from cotjax.records import read_records
from cotjax.training.writers import make_progress

SHOWN = 3  # rationales
BEST = 5  # words of each that stand out


def run(**options: Any) -> None:
    """Scores a folder of records (see `Request` for the options) and tells what came of it."""
    request = Request(**options)
    scores = score_records(request, make_progress(Console(stderr=True)))
    console = Console(highlight=False)
    console.print(_counts(scores))
    texts = {
        (record.id, rationale.sample): rationale.text
        for record in read_records(request.records)[1]
        for rationale in record.rationales
    }
    for line in list(scores.lines.values())[:SHOWN]:
        best = scores.rank(line)[:BEST]
        console.print(marked(texts[line.id, line.sample], line.id, best), soft_wrap=True)
    console.print(f"scores: {request.output}", soft_wrap=True)


def marked(text: str, id: str, best: Sequence[int]) -> Text:
    """A rationale with its best words in bold, and their ranks."""
    ranks = {word: rank for rank, word in enumerate(best, start=1)}
    shown = Text(f"{id}: ")
    for position, word in enumerate(text.split()):
        rank = ranks.get(position)
        shown.append(word if rank is None else f"{word}[{rank}]", "bold" if rank else "")
        shown.append(" ")
    return shown


def _counts(scores: Scores) -> Table:
    table = Table("", "count", title=f"{scores.manifest.method}, {scores.manifest.split} records")
    table.columns[1].justify = "right"
    for name, count in (scores.manifest.counts or {}).items():
        table.add_row(name, f"{count:,}")
    return table
