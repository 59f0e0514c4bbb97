"""Pieces of HTML, in which everything that comes from outside is escaped."""

import html
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cotjax.study.svg import series, shape


def text(value: Any) -> str:
    """Escapes what a page says; all that comes from models, data and study files goes through."""
    return html.escape(str(value))


def paragraphs(texts: Iterable[str], first_class: str) -> list[str]:
    """Paragraphs, the first of them in a class."""
    starts = itertools.chain([f'<p class="{first_class}">'], itertools.repeat("<p>"))
    return [f"{start}{text(one)}</p>" for start, one in zip(starts, texts, strict=False)]


def note(words: str) -> str:
    """A paragraph in small type."""
    return f'<p class="note">{text(words)}</p>'


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table that scrolls sideways by itself, its first column staying in sight.

    Args:
      headings: Of the columns, plain.
      rows: Cells of HTML; the first of each heads its row.
      kind: Classes of the table.
    """
    head = "".join(f'<th scope="col">{text(heading)}</th>' for heading in headings)
    body = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def details(summary: str, *body: str, name: str = "") -> str:
    """A block that opens on a click; a link to `name` opens it too."""
    inside = "".join(body)
    place = f'<div id="{name}">{inside}</div>' if name else inside
    return f"<details><summary>{summary}</summary>{place}</details>"


def figure(svg: str, caption: str, kind: str = "") -> str:
    """A plot, or several, and what they show."""
    return f'<figure class="{kind}">{svg}<figcaption>{text(caption)}</figcaption></figure>'


def swatch(number: int) -> str:
    """A mark in the colour and the shape of a variant."""
    return f'<i class="{shape(number)}" style="background:var(--{series(number)})"></i>'


def legend(items: Iterable[tuple[int, str]]) -> str:
    """Marks and what they stand for."""
    listed = "".join(f"<li>{swatch(number)}{text(title)}</li>" for number, title in items)
    return f'<ul class="legend">{listed}</ul>'


def target(segments: Iterable[tuple[str, str]]) -> str:
    """A training target, a colour a segment."""
    return " ".join(f'<span class="{text(kind)}">{text(words)}</span>' for kind, words in segments)


def stacked(cells: Iterable[str]) -> str:
    """Several lines of one cell."""
    return "".join(f"<span>{cell}</span>" for cell in cells)


def settings_code(settings: Mapping[str, Any]) -> str:
    """Fields of a config and their values, one a line."""
    lines = (f"<code>{text(f'{name} = {value}')}</code>" for name, value in settings.items())
    return "<br>".join(lines)
