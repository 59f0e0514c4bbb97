"""What a benchmark must reach, beside what it did."""

from collections.abc import Mapping

from benchmarks.turns import Figures


def at_least(bar: float, reached: float) -> Figures:
    """A figure that is to be this or more."""
    return {"bar": bar, "reached": reached, "must_be": "at least", "holds": reached >= bar}


def at_most(bar: float, reached: float) -> Figures:
    """A figure that is to be this or less."""
    return {"bar": bar, "reached": reached, "must_be": "at most", "holds": reached <= bar}


def in_words(bars: Mapping[str, Figures]) -> str:
    """A line for each bar, by its name."""
    return "\n".join(
        f"{one['reached']:,.4g} {name}, {one['must_be']} {one['bar']:,}"
        + ("" if one["holds"] else " (missed)")
        for name, one in bars.items()
    )
