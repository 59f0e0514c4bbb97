"""A study's results as one page that needs nothing else, and as a table for the terminal."""

import html
from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from cotjax.study.plots import accuracy_dots, curves, series
from cotjax.study.statistics import OverSeeds, VariantSummary, by_variant
from cotjax.study.style import STYLE

HEADINGS = (
    "variant",
    "test accuracy",
    "mean",
    "train accuracy",
    "label nll",
    "tokens",
    "seconds",
)
SHORT_HEADINGS = ("variant", "test %", "mean", "train %", "nll", "tokens", "secs")
CONSTANT = "always the same answer"


def comparison_table(results: Mapping[str, Any]) -> Table:
    """The variants for a terminal of 80 columns: a value a seed, and their mean."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in SHORT_HEADINGS:
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for variant in by_variant(results):
        table.add_row(
            variant.title,
            _each(variant.accuracy["test"]),
            f"{100 * variant.accuracy['test'].mean:.1f}",
            _each(variant.accuracy["train"]),
            f"{variant.label_nll.mean:.3f}",
            f"{variant.mean_tokens.mean:.1f}",
            " ".join(_seconds(variant)),
        )
    guess = 100 * results["constant_guess"]["test"]["accuracy"]
    table.add_row(CONSTANT, "", f"{guess:.1f}", "", "", "", "", style="dim")
    return table


def page(results: Mapping[str, Any]) -> str:
    """The report: HTML with its style and plots inside.

    Args:
      results: What `results.json` holds; every number on the page comes from there.
    """
    variants = by_variant(results)
    guess = results["constant_guess"]["test"]["accuracy"]
    body = [
        f"<h1>{_text(results['title'])}</h1>",
        *_paragraphs(results["about"], first_class="lead"),
        "<h2>Right answers</h2>",
        f"<figure>{accuracy_dots(variants, guess)}<figcaption>"
        f"{_text(_dots_caption(results))}</figcaption></figure>",
        _table(variants, results),
        *_paragraphs([_table_note(results)], first_class="note"),
        "<h2>While they learned</h2>",
        _legend(results),
        '<div class="pair">',
        *_learning(results),
        "</div>",
        "<h2>What each was taught to say</h2>",
        _examples(results),
        "<h2>What to bear in mind</h2>",
        "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in results["caveats"]) + "</ul>",
        _settings(results),
    ]
    title = _text(results["title"])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _table(variants: Iterable[VariantSummary], results: Mapping[str, Any]) -> str:
    rows = [_row(number, variant) for number, variant in enumerate(variants)]
    guess = results["constant_guess"]["test"]
    rows.append(
        f'<tr class="chance"><th scope="row">{CONSTANT}</th><td></td>'
        f"<td>{100 * guess['accuracy']:.1f}</td>" + "<td></td>" * 4 + "</tr>"
    )
    head = "".join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(number: int, variant: VariantSummary) -> str:
    test = "".join(
        f"<span>{100 * value:.1f} <small>{100 * low:.1f}–{100 * high:.1f}</small></span>"
        for value, (low, high) in zip(
            variant.accuracy["test"].values, variant.intervals["test"], strict=True
        )
    )
    train = _lines(f"{100 * value:.1f}" for value in variant.accuracy["train"].values)
    cells = (
        test,
        f"<strong>{100 * variant.accuracy['test'].mean:.1f}</strong>",
        train,
        f"{variant.label_nll.mean:.3f}",
        f"{variant.mean_tokens.mean:.1f}",
        _lines(_seconds(variant)),
    )
    name = f"{_swatch(number)}{_text(variant.title)}"
    return f'<tr><th scope="row">{name}</th>' + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"


def _dots_caption(results: Mapping[str, Any]) -> str:
    train, test = (results["runs"][0][split]["num_questions"] for split in ("train", "test"))
    return (
        f"A dot a seed: filled, of {test:,} test questions; hollow, of {train:,} questions that "
        "were trained on. The thin line is a run’s 95 % Wilson interval: how far its questions "
        "settle its accuracy, not how far seeds differ. The dashed line is chance: the share of "
        "the commonest answer among the test questions."
    )


def _table_note(results: Mapping[str, Any]) -> str:
    seeds = results["seeds"]
    return (
        f"Percentages, one a seed ({', '.join(map(str, seeds))}), the Wilson interval in small "
        "type; the mean is of these seeds alone and has no interval, which would take more of "
        "them. Accuracy is of greedily generated answers. Label nll: −log p of the right label of "
        "a test question with what closes it, summed over its tokens, in nats, without dropout, "
        "after the student’s own rationale where that comes first. Tokens: generated for a test "
        "question. Label nll and tokens are means over questions and seeds. Seconds, one a seed: "
        "of training, with evaluations on the way and compilation, which only the first run of a "
        "shape pays for; – where a run was interrupted. The test questions were asked once, of "
        f"the {results['checkpoint']} checkpoint of every run."
    )


def _learning(results: Mapping[str, Any]) -> Iterable[str]:
    """Two figures: how well validation questions were answered, and the loss of labels."""
    count = results["constant_guess"]["validation"]["num_questions"]
    figures = (
        (
            curves(results, "validation_curve", "Validation accuracy, %", percent=True),
            f"Generated answers to {count:,} validation questions. The dashed line is chance: the "
            "share of the commonest answer among them.",
        ),
        (
            curves(results, "label_loss_curve", "Training loss of label tokens", percent=False),
            "Mean −log p of a label token in training, in nats, on a log scale: with dropout and "
            "without the token that closes the label, so not the label nll of the table.",
        ),
    )
    for plot, caption in figures:
        yield f"<figure>{plot}<figcaption>{_text(caption)}</figcaption></figure>"


def _legend(results: Mapping[str, Any]) -> str:
    items = (
        f"<li>{_swatch(number)}{_text(variant['title'])}</li>"
        for number, variant in enumerate(results["variants"])
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _examples(results: Mapping[str, Any]) -> str:
    """The same training target of every variant, a colour a segment."""
    rows = [
        f"<dt>{_swatch(number)}{_text(variant['title'])}</dt>"
        f"<dd>{_target(variant['example']['segments'])}</dd>"
        for number, variant in enumerate(results["variants"])
    ]
    question = _text(results["variants"][0]["example"]["input"])
    return (
        f'<p>To <code>{question}</code>, the <span class="label">label</span> and the '
        '<span class="rationale">rationale</span>:</p>'
        f"<dl>{''.join(rows)}</dl>"
    )


def _target(segments: Iterable[tuple[str, str]]) -> str:
    return " ".join(f'<span class="{kind}">{_text(text)}</span>' for kind, text in segments)


def _settings(results: Mapping[str, Any]) -> str:
    overrides = "".join(
        f"<tr><th>{_text(variant['title'])}</th><td>{_code(variant['overrides'])}</td></tr>"
        for variant in results["variants"]
    )
    differ = {"seed"}.union(*(variant["overrides"] for variant in results["variants"]))
    base = "".join(
        f"<tr><th>{_text(name)}</th><td><code>{_text(value)}</code></td></tr>"
        for name, value in results["base"].items()
        if name not in differ
    )
    return (
        f"<details><summary>Settings</summary><h3>What differs</h3><table>{overrides}</table>"
        f"<h3>What all share</h3><table>{base}</table></details>"
        f'<p class="note">{_text(_made_with(results["runs"]))}. Every result on this page is of '
        "this run; <code>results.json</code> beside it holds them all.</p>"
    )


def _made_with(runs: Iterable[Mapping[str, Any]]) -> str:
    """Versions and devices; several, where a study went on elsewhere."""
    made = (
        ", ".join(
            [*(f"{name} {number}" for name, number in run["versions"].items()), run["device"]]
        )
        for run in runs
    )
    return "; ".join(dict.fromkeys(made))


def _code(overrides: Mapping[str, Any]) -> str:
    return "<br>".join(f"<code>{_text(f'{n} = {v}')}</code>" for n, v in overrides.items())


def _paragraphs(texts: Iterable[str], first_class: str) -> list[str]:
    return [
        f'<p class="{first_class}">{_text(text)}</p>' if number == 0 else f"<p>{_text(text)}</p>"
        for number, text in enumerate(texts)
    ]


def _swatch(number: int) -> str:
    return f'<i style="background:var(--{series(number)})"></i>'


def _lines(cells: Iterable[str]) -> str:
    return "".join(f"<span>{cell}</span>" for cell in cells)


def _seconds(variant: VariantSummary) -> list[str]:
    return [f"{value:.0f}" if value is not None else "–" for value in variant.seconds]


def _each(rates: OverSeeds) -> str:
    return " ".join(f"{100 * rate:.1f}" for rate in rates.values)


def _text(value: Any) -> str:
    return html.escape(str(value))
