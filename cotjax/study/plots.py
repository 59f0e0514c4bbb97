"""A study's plots as SVG that takes its colours and its type from the page around it."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cotjax.study.statistics import VariantSummary

# Colours that stand for the page's own, and become `var(--NAME)` in the SVG.
NUM_SERIES = 8
NAMES = ("ink", "quiet", "line", "paper", *(f"series-{n}" for n in range(NUM_SERIES)))
STAND_IN = {name: f"#fe{number:02x}dc" for number, name in enumerate(NAMES)}

STYLE = {
    "svg.fonttype": "none",  # text stays text, in the page's type
    "font.size": 10,
    "text.color": STAND_IN["ink"],
    "axes.labelcolor": STAND_IN["quiet"],
    "axes.edgecolor": STAND_IN["line"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "grid.color": STAND_IN["line"],
    "grid.linewidth": 0.6,
    "xtick.color": STAND_IN["line"],
    "ytick.color": STAND_IN["line"],
    "xtick.labelcolor": STAND_IN["quiet"],
    "ytick.labelcolor": STAND_IN["ink"],
}


def series(number: int) -> str:
    """The name of a variant's colour on the page."""
    return f"series-{number % NUM_SERIES}"


def accuracy_dots(variants: Sequence[VariantSummary], chance: float) -> str:
    """A row a variant: a dot a seed, filled for test and hollow for training questions.

    A thin line through a filled dot is the Wilson interval of that run.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 0.8 + 0.5 * len(variants)), layout="constrained")
        axes = figure.add_subplot()
        for row, variant in enumerate(variants):
            _dots(axes, row, variant)
        axes.axvline(100 * chance, color=STAND_IN["quiet"], linewidth=1, dashes=(4, 3))
        axes.annotate(
            f"chance {100 * chance:.1f}",
            (100 * chance, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-5, 2),
            textcoords="offset points",
            ha="right",
            color=STAND_IN["quiet"],
        )
        axes.set_yticks(range(len(variants)), [variant.title for variant in variants])
        axes.set_ylim(len(variants) - 0.5, -0.5)
        axes.set_xlim(0, 102)
        axes.set_xlabel("right answers, %")
        axes.tick_params(length=0)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.spines["left"].set_visible(False)
        return _to_svg(figure, "accuracy")


def curves(results: Mapping[str, Any], curve: str, title: str, percent: bool) -> str:
    """A line a run over the steps of training, in the colours of the variants."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 3.0), layout="constrained")
        axes = figure.add_subplot()
        for number, variant in enumerate(results["variants"]):
            for run in results["runs"]:
                if run["variant"] == variant["name"] and run[curve]:
                    steps, values = zip(*run[curve], strict=True)
                    values = [100 * value for value in values] if percent else values
                    axes.plot(steps, values, color=STAND_IN[series(number)], linewidth=1.4)
        if percent:
            chance = 100 * results["constant_guess"]["validation"]["accuracy"]
            axes.axhline(chance, color=STAND_IN["quiet"], linewidth=1, dashes=(4, 3))
            axes.set_ylim(0, 102)
        else:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlim(0, None)
        axes.set_title(title, color=STAND_IN["ink"])
        axes.set_xlabel("steps")
        axes.tick_params(length=0, labelcolor=STAND_IN["quiet"])
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        return _to_svg(figure, curve)


def _dots(axes: Axes, row: int, variant: VariantSummary) -> None:
    colour = STAND_IN[series(row)]
    test, train = (variant.accuracy[split].values for split in ("test", "train"))
    for number, (value, (low, high)) in enumerate(
        zip(test, variant.intervals["test"], strict=True)
    ):
        height = row + 0.45 * ((number + 1) / (len(test) + 1) - 0.5)
        axes.plot([100 * low, 100 * high], [height] * 2, color=colour, linewidth=1, alpha=0.6)
        axes.plot(100 * train[number], height, "o", ms=6, mec=colour, mfc=STAND_IN["paper"])
        axes.plot(100 * value, height, "o", ms=6, mec=colour, mfc=colour)


def _to_svg(figure: Figure, name: str) -> str:
    """The figure as an inline `<svg>`, scaled by the page, with nothing to load from elsewhere."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):  # ids unlike those of other plots
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    for colour_name, colour in STAND_IN.items():
        svg = svg.replace(colour, f"var(--{colour_name})")
    return svg
