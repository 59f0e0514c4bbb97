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


def places(results: Results) -> dict[tuple[str, str], str]:
    """By variant and what it is compared with, where the questions on which they differ stand."""
    order = list(titles_of(results))
    pairs = {(one["variant"], one["baseline"]) for one in results["differences"]}
    in_order = sorted(
        (pair for pair in pairs if set(pair) <= set(order)),
        key=lambda pair: (order.index(pair[0]), order.index(pair[1])),
    )
    return {pair: f"differing-{number}" for number, pair in enumerate(in_order)}


def differing(results: Results) -> str:
    """For every compared pair, questions that only one of the two got right."""
    found = places(results)
    titles = titles_of(results)
    if not found:
        words = "all variants were right on the same questions of the seed that was looked at"
        return note(f"Nowhere: {words}." if results["comparisons"] else "Nothing is compared.")
    numbers = {name: number for number, name in enumerate(titles)}
    blocks = []
    for pair, place in found.items():
        variant, other = (f"{swatch(numbers[name])}{text(titles[name])}" for name in pair)
        cases = [
            _case(one, [titles[name] for name in pair])
            for one in results["differences"]
            if (one["variant"], one["baseline"]) == pair
        ]
        blocks.append(details(f"{variant} against {other}", *cases, name=place))
    return "".join(blocks)


def _case(one: Mapping[str, Any], titles: Sequence[str]) -> str:
    """One question: what each of the two said, and what each is taught to say to it."""
    sides = "".join(
        f'<div><p class="who">{text(title)} <span class="{outcome}">{MARKS[outcome]}</span></p>'
        f"<dl><dt>said</dt><dd>{text(output) or '(nothing)'}</dd>"
        f"<dt>its target</dt>{_taught(segments, reason)}</dl></div>"
        for title, outcome, output, segments, reason in zip(
            titles,
            one["outcomes"],
            one["outputs"],
            one["targets"],
            one.get("without_targets", (None, None)),
            strict=True,
        )
    )
    return (
        f'<section class="case"><p><code>{text(one["input"])}</code><br><small>{text(one["id"])}, '
        f'seed {one["seed"]}; the right answer: <span class="label">{text(one["label"])}</span>'
        f'</small></p><div class="pair">{sides}</div></section>'
    )


def _taught(segments: Sequence[tuple[str, str]] | None, reason: str | None) -> str:
    if segments is None:
        why = reason or "there is no rationale of this question"
        return f'<dd class="quiet">{text(why)}</dd>'
    return f"<dd>{target(segments)}</dd>"


def _other(question: str, first: str) -> str:
    """A question that is not the one that was told."""
    return "" if question == first else f"<code>{text(question)}</code> "
