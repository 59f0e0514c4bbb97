"""Figures as SVG that take their colours and their type from the page around them."""

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# A variant is told by hue and shape, so that few hues do, which the colour-blind can tell apart.
HUES = 6  # after the first variant's grey
SHAPES = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D"}  # page's and matplotlib's
DISTINCT = 1 + HUES * len(SHAPES)  # variants; later ones look like earlier ones

# Colours that stand for the page's own, and become `var(--NAME)` in the SVG.
NAMES = ("ink", "quiet", "line", "paper", *(f"series-{n}" for n in range(HUES + 1)))
STAND_IN = {name: f"#fe{number:02x}dc" for number, name in enumerate(NAMES)}
INK, QUIET, LINE, PAPER = (STAND_IN[name] for name in NAMES[:4])

STYLE = {
    "svg.fonttype": "none",  # text stays text, in the page's type
    "text.parse_math": False,  # a title may hold a dollar
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titlecolor": INK,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
}


def series(number: int) -> str:
    """The name of a variant's colour on the page."""
    return f"series-{(number - 1) % HUES + 1 if number else 0}"


def shape(number: int) -> str:
    """The name of a variant's shape; it changes with every variant, as the hue does."""
    rounds, hue = divmod(number - 1, HUES)
    return list(SHAPES)[(hue + rounds + 1) % len(SHAPES)] if number else "circle"


def colour(number: int) -> str:
    """The same in a figure."""
    return STAND_IN[series(number)]


def marker(number: int) -> str:
    """What matplotlib calls the shape of a variant."""
    return SHAPES[shape(number)]


@contextmanager
def canvas(width: float, height: float) -> Iterator[Axes]:
    """Axes of one figure in the style of the page; width and height in inches."""
    with matplotlib.rc_context(STYLE):
        yield Figure(figsize=(width, height), layout="constrained").add_subplot()


def to_svg(axes: Axes, name: str, spoken: str) -> str:
    """The figure as an inline `<svg>`, scaled by the page, with nothing to load from elsewhere.

    Args:
      axes: Of `canvas`, within it.
      name: Unlike that of any other figure of the page, so that ids are too.
      spoken: What the figure shows, for those who can't see it.
    """
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        axes.figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    for colour_name, stand_in in STAND_IN.items():
        svg = svg.replace(stand_in, f"var(--{colour_name})")
    label = html.escape(spoken)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
