"""What stands behind a report's numbers: targets, and questions on which variants differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from cotjax.study.markup import details, note, swatch, target, text
from cotjax.study.report_tables import Results, titles_of

MARKS = {"right": "✓ right", "wrong": "✗ wrong", "unparsed": "✗ no answer found"}


def targets(results: Results) -> str:
    """The same training target of every variant, a colour a segment."""
    shown = [
        (number, variant["title"], variant["example"])
        for number, variant in enumerate(results["variants"])
        if variant["example"]
    ]
    if not shown:
        return note("No variant’s training data could be read.")
    question = shown[0][2]["input"]
    rows = "".join(
        f"<dt>{swatch(number)}{text(title)}</dt><dd>{_other(example['input'], question)}"
        f"{target(example['segments'])}</dd>"
        for number, title, example in shown
    )
    return (
        f'<p>To <code>{text(question)}</code>, the <span class="label">label</span> and the '
        f'<span class="rationale">rationale</span>:</p><dl>{rows}</dl>'
    )


def places(results: Results) -> dict[str, str]:
    """By variant, the place on the page of the questions on which it and the baseline differ."""
    there = {one["variant"] for one in results["differences"]}
    return {
        name: f"differing-{number}"
        for number, name in enumerate(titles_of(results))
        if name in there
    }


def differing(results: Results) -> str:
    """For every compared variant, questions that it or the baseline alone got right."""
    found = places(results)
    titles = titles_of(results)
    if not found:
        words = "all variants were right on the same questions of the seed that was looked at"
        return note(f"Nowhere: {words}." if results["comparisons"] else "Nothing is compared.")
    blocks = []
    for number, (name, title) in enumerate(titles.items()):
        of_variant = [one for one in results["differences"] if one["variant"] == name]
        if of_variant:
            baseline = titles.get(of_variant[0]["baseline"], of_variant[0]["baseline"])
            summary = f"{swatch(number)}{text(title)} against {text(baseline)}"
            cases = (_case(one, (title, baseline)) for one in of_variant)
            blocks.append(details(summary, *cases, name=found[name]))
    return "".join(blocks)


def _case(one: Mapping[str, Any], titles: Sequence[str]) -> str:
    """One question: what each of the two said, and what each is taught to say to it."""
    sides = "".join(
        f'<div><p class="who">{text(title)} <span class="{outcome}">{MARKS[outcome]}</span></p>'
        f"<dl><dt>said</dt><dd>{text(output) or '(nothing)'}</dd>"
        f"<dt>its target</dt>{_taught(segments)}</dl></div>"
        for title, outcome, output, segments in zip(
            titles, one["outcomes"], one["outputs"], one["targets"], strict=True
        )
    )
    return (
        f'<section class="case"><p><code>{text(one["input"])}</code><br><small>{text(one["id"])}, '
        f'seed {one["seed"]}; the right answer: <span class="label">{text(one["label"])}</span>'
        f'</small></p><div class="pair">{sides}</div></section>'
    )


def _taught(segments: Sequence[tuple[str, str]] | None) -> str:
    if segments is None:
        return '<dd class="quiet">there is no rationale of this question</dd>'
    return f"<dd>{target(segments)}</dd>"


def _other(question: str, first: str) -> str:
    """A question that is not the one that was told."""
    return "" if question == first else f"<code>{text(question)}</code> "
