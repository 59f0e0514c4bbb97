"""A study's plots: rows of variants, lines over something, and points along an axis."""

import dataclasses
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from cotjax.study.statistics import VariantSummary
from cotjax.study.svg import INK, LINE, PAPER, QUIET, canvas, colour, marker, to_svg

ROW_WIDTH = 6.0  # inches
ROW_TYPE = 8.5  # points: as large on the page as the type of narrower figures
ROW_TITLE = -0.3  # where it stands, in rows from the row's middle
DOTS = 0.13  # and where its dots do
LONGEST = 56  # characters of a title; the page has all of it elsewhere
ROUND = (1, 2, 5, 10)  # steps between ticks, times a power of ten
DOTTED = (4, 3)
FEW = 10  # points of a line that are all marked
MARKS = 8  # of a line with more
WIDE = 16  # values that spread by more than this factor stand on a log scale


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a plot; `number` is of the variant whose colour it has, None for quiet ones."""

    number: int | None
    points: Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Point:
    """One variant on an axis; rates of 1.

    Attributes:
      value: On the axis; a place, for words.
      rates: A value a seed.
      mean: Of them.
      interval: Of the difference to the baseline, from its line; None where nothing is compared.
    """

    value: float
    rates: Sequence[float]
    mean: float
    interval: tuple[float, float] | None


def accuracy_dots(variants: Sequence[VariantSummary], guesses: Mapping[str, float]) -> str:
    """A row a variant: a mark a seed, filled for test and hollow for training questions.

    A thin line through a filled dot is the Wilson interval of that run, and the upright line the
    mean of the test dots. `guesses` are lines for comparison, by name.
    """
    seeds = max(len(variant.seconds) for variant in variants)
    with canvas(ROW_WIDTH, 0.65 + (0.4 + 0.045 * seeds) * len(variants)) as axes:
        for row, variant in enumerate(variants):
            _dots(axes, row, variant)
            mean = 100 * variant.accuracy["test"].mean
            _row_title(axes, row, variant.title, f"{mean:.1f}")
        _draw_guesses(axes, guesses)
        axes.set_xlim(0, 102)
        _finish_rows(axes, len(variants), "right answers, %")
        return to_svg(axes, "accuracy", "right answers of every variant and seed")


def difference_rows(rows: Sequence[tuple[int, str, Mapping[str, Any]]], name: str) -> str:
    """A row a comparison with the baseline: the difference, in points, and its interval.

    Args:
      rows: Number and title of the variant, and its `Comparison` as a mapping.
      name: Of the figure.
    """
    with canvas(ROW_WIDTH, 0.5 + 0.42 * len(rows)) as axes:
        for row, (number, title, found) in enumerate(rows):
            low, difference, high = (100 * found[end] for end in ("low", "difference", "high"))
            height = row + DOTS
            axes.plot([low, high], [height] * 2, color=colour(number), linewidth=2)
            axes.plot(difference, height, marker(number), ms=6, color=colour(number))
            _row_title(axes, row, title, signed(difference))
        axes.axvline(0, color=QUIET, linewidth=1)
        ends = [100 * found[end] for *_, found in rows for end in ("low", "high")]
        room = 0.04 * (max(*ends, 1) - min(*ends, -1))
        axes.set_xlim(min(*ends, -1) - room, max(*ends, 1) + room)
        axes.xaxis.set_major_formatter(lambda value, _: signed(value, 0))
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=ROUND))
        _finish_rows(axes, len(rows), "difference, points")
        return to_svg(axes, name, "difference of every variant to the baseline, with its interval")


def lines(
    drawn: Sequence[Line],
    name: str,
    title: str,
    xlabel: str,
    *,
    limits: tuple[float, float],
    small: bool = False,
    log_x: bool = False,
    log_y: bool = False,
    guess: float | None = None,
) -> str:
    """Lines in the colours and with the shapes of variants.

    Args:
      drawn: Quiet ones lie below.
      name: Of the figure.
      limits: Of the y axis.
      small: One of many panels, whose title and axis the page names.
      guess: A height that is marked across.
    """
    width, height = (2.4, 1.4) if small else (4.4, 3.0)
    with canvas(width, height) as axes:
        for line in sorted(drawn, key=lambda line: line.number is not None):
            _line(axes, line, everywhere=not small)
        if guess is not None:
            axes.axhline(guess, color=QUIET, linewidth=1, dashes=DOTTED)
        axes.set_xscale("log" if log_x else "linear")
        axes.set_yscale("log" if log_y else "linear")
        axes.set_ylim(*limits)
        if log_y:
            decades = math.log10(limits[1] / limits[0])
            steps = (1,) if decades > 2 else (1, 2, 5) if decades > 0.7 else range(1, 10)
            axes.yaxis.set_major_locator(LogLocator(subs=steps))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(NullLocator())
        if log_x:
            _ticks(axes, sorted({x for line in drawn for x, _ in line.points}))
        else:
            axes.set_xlim(0, None)
            axes.xaxis.set_major_locator(MaxNLocator(3 if small else 6, steps=ROUND))
        if not small:
            axes.set_title(title)
            axes.set_xlabel(xlabel)
        axes.grid(axis="y")
        return to_svg(axes, name, f"{title} over {xlabel}")


def along_axis(
    series: Mapping[int, Sequence[Point]],
    name: str,
    words: Sequence[str],
    limits: tuple[float, float],
    guesses: Mapping[str, float],
) -> str:
    """Accuracy along an axis: a line a series, with every seed and the intervals of the means.

    Args:
      series: By the number of the variant whose colour and shape each has.
      name: Of the axis.
      words: Of an axis without numbers, what stands at 0, 1, ..
      limits: Of accuracy, in percent.
      guesses: Lines for comparison, by name, of 1.
    """
    values = sorted({point.value for points in series.values() for point in points})
    with canvas(4.4, 3.0) as axes:
        for number, points in series.items():
            _series(axes, points, number, joined=not words)
        axes.set_ylim(*limits)
        for place, (guess, rate) in enumerate(sorted(guesses.items(), key=lambda item: item[1])):
            axes.axhline(100 * rate, color=QUIET, linewidth=1, dashes=DOTTED)
            axes.annotate(
                textwrap.shorten(guess, LONGEST, placeholder="…"),
                (1, 100 * rate),
                xycoords=("axes fraction", "data"),
                xytext=(-2, 3 if place else -3),  # so that close lines can be read
                textcoords="offset points",
                ha="right",
                va="bottom" if place else "top",
                color=QUIET,
                fontsize=9,
                in_layout=False,
            )
        if not words and min(values) > 0 and max(values) >= WIDE * min(values):
            axes.set_xscale("log")
        _ticks(axes, values, words)
        axes.margins(x=0.12)
        axes.set_title("Test accuracy, %")
        axes.set_xlabel(name)
        axes.grid(axis="y")
        return to_svg(axes, f"axis {name}", f"test accuracy over {name}")


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, as it is set in print; 0 has none."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'−' if value < 0 else '+'}{text}"


def _dots(axes: Axes, row: int, variant: VariantSummary) -> None:
    test, train = (variant.accuracy[split].values for split in ("test", "train"))
    style = {"marker": marker(row), "ms": 5, "mec": colour(row), "linestyle": ""}
    for number, (value, (low, high)) in enumerate(
        zip(test, variant.intervals["test"], strict=True)
    ):
        height = row + DOTS + 0.46 * ((number + 0.5) / len(test) - 0.5)
        axes.plot([100 * low, 100 * high], [height] * 2, color=colour(row), linewidth=1, alpha=0.5)
        axes.plot(100 * train[number], height, mfc=PAPER, **style)
        axes.plot(100 * value, height, mfc=colour(row), **style)
    if test:
        mean = 100 * variant.accuracy["test"].mean
        axes.plot([mean] * 2, [row + DOTS - 0.25, row + DOTS + 0.25], color=INK, linewidth=1)


def _row_title(axes: Axes, row: int, title: str, number: str) -> None:
    """Above a row's dots, where a narrow screen has room for long titles and larger type."""
    title = textwrap.shorten(title, LONGEST, placeholder="…")
    box = {"boxstyle": "square,pad=0.15", "fc": PAPER, "ec": "none"}
    place = {
        "transform": axes.get_yaxis_transform(),
        "va": "center",
        "bbox": box,
        "in_layout": False,
    }
    for side, words, alignment in ((0, title, "left"), (1, number, "right")):
        axes.text(side, row + ROW_TITLE, words, ha=alignment, size=ROW_TYPE, **place)


def _finish_rows(axes: Axes, count: int, xlabel: str) -> None:
    axes.set_yticks([])
    axes.set_ylim(count - 0.4, -0.6)
    axes.set_xlabel(xlabel, size=ROW_TYPE, labelpad=8)
    axes.tick_params(labelsize=ROW_TYPE)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)


def _draw_guesses(axes: Axes, guesses: Mapping[str, float]) -> None:
    """Upright lines, named on top of them: the lower of two to its left, the other to its right."""
    room = 0.2 if len(guesses) > 1 else 0.5  # a single one has the name of both
    for place, (name, rate) in enumerate(sorted(guesses.items(), key=lambda item: item[1])):
        axes.axvline(100 * rate, color=QUIET, linewidth=1, dashes=DOTTED)
        left = place == 0 and rate > room
        axes.annotate(
            f"{name} {100 * rate:.1f}",
            (100 * rate, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if left else 4, 4),
            textcoords="offset points",
            ha="right" if left else "left",
            color=QUIET,
            size=ROW_TYPE,
        )


def _line(axes: Axes, line: Line, everywhere: bool) -> None:
    """Marks all of few points; of many some, unless the panel says whose they are."""
    count = len(line.points)
    ink, shape = (LINE, "o") if line.number is None else (colour(line.number), marker(line.number))
    axes.plot(
        *zip(*line.points, strict=True),
        color=ink,
        marker=shape if everywhere or count < FEW else None,
        markevery=1 if count < FEW else count // MARKS,
        linewidth=1.4,
        markersize=3.5,
    )


def _series(axes: Axes, points: Sequence[Point], number: int, joined: bool) -> None:
    ink, shape = colour(number), marker(number)
    ordered = sorted(points, key=lambda point: point.value)
    if joined:
        axes.plot(
            [point.value for point in ordered], [100 * point.mean for point in ordered], c=ink
        )
    for point in ordered:
        axes.plot(
            [point.value] * len(point.rates),
            [100 * rate for rate in point.rates],
            shape,
            ms=4,
            mec="none",
            mfc=ink,
            alpha=0.35,
        )
        if point.interval:
            ends = [100 * end for end in point.interval]
            axes.plot([point.value] * 2, ends, color=ink, linewidth=1.2)
        axes.plot(point.value, 100 * point.mean, shape, ms=6, color=ink)


def _ticks(axes: Axes, values: Sequence[float], words: Sequence[str] = ()) -> None:
    """At the values themselves; at some, where they are many."""
    chosen = values if len(values) <= 8 else values[:: -(-len(values) // 8)]
    names = [textwrap.fill(word, 12) for word in words] or [f"{value:g}" for value in chosen]
    axes.set_xticks(chosen if not words else range(len(words)), names)
    axes.set_xticks([], minor=True)
