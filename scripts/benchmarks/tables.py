"""The table of a benchmark: what was measured where, with which versions."""

from collections.abc import Sequence

from rich.table import Table

from benchmarks.turns import Figures


def new_table(
    *columns: str, title: str, machine: Figures, packages: Sequence[str], notes: str
) -> Table:
    """A table without rows, whose caption names the machine, packages' versions, and notes."""
    versions = ", ".join(f"{name} {machine['versions'][name]}" for name in packages)
    on = f"{machine['cores']} cores of {machine['processor']}; {versions}"
    result = Table(*columns, title=title, caption=f"{on}\n{notes}")
    for column in result.columns[1:]:
        column.justify = "right"
    return result
