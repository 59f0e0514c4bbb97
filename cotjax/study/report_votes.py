"""Votes over sampled answers beside the likeliest answer, where a study took them."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from cotjax.study.markup import note, swatch, table, text
from cotjax.study.report_curves import laid_out, plots
from cotjax.study.report_tables import (
    Comparison,
    Results,
    comparison_cells,
    notes_of_unpaired,
    rate,
    titles_of,
)
from cotjax.study.statistics import OverSeeds

Run = Mapping[str, Any]

VOTED = (
    "Right answers to the test questions, in percent, with a value a seed in small type: of the "
    "likeliest answer, as everywhere else on this page, and of the commonest of several that were "
    "drawn at random. The gain, in points, is of the same runs and questions, compared as variants "
    "are with the baseline; Holm’s correction is over the gains of this table alone. Tokens are "
    "those of all samples of a question; × is their ratio to those of the likeliest answer."
)


def votes(results: Results) -> str:
    """Accuracy without and with a vote, and what the vote costs; empty where no run took one."""
    titles = titles_of(results)
    found = {
        name: [run for run in results["runs"] if run["variant"] == name and run.get("test_vote")]
        for name in titles
    }
    gains = {one["baseline"]: one for one in results.get("comparisons_vote", ())}
    rows = [
        _row(swatch(number) + text(title), found[name], gains.get(name))
        for number, (name, title) in enumerate(titles.items())
        if found[name]
    ]
    if not rows:
        return ""
    heads = ("", "samples", "likeliest", "vote", "gain", "p", "p, Holm", "tokens", "×")
    voted = {one["variant"]: f"{titles[name]}, by vote" for name, one in gains.items()}
    notes = [note(VOTED), *notes_of_unpaired(titles | voted, gains.values())]
    parts = [table(heads, rows, "main"), *notes, _by_samples(results, found)]
    return "<h2>With a vote over samples</h2>" + "".join(parts)


def _row(title: str, runs: Sequence[Run], gain: Comparison | None) -> list[str]:
    greedy, voted = (
        tuple(run[asked]["accuracy"] for run in runs) for asked in ("test", "test_vote")
    )
    tokens, of_one = (
        statistics.fmean(run[asked]["mean_tokens"] for run in runs)
        for asked in ("test_vote", "test")
    )
    samples = sorted({run["test_vote"]["samples"] for run in runs})
    return [
        title,
        ", ".join(map(str, samples)),
        rate(OverSeeds(greedy)),
        rate(OverSeeds(voted)),
        *comparison_cells(gain, False, {})[:3],
        f"{tokens:,.1f}",
        f"{tokens / of_one:.1f}" if of_one else "–",
    ]


def _by_samples(results: Results, found: Mapping[str, Sequence[Run]]) -> str:
    """Accuracy of the vote over the first samples alone."""
    curves = {
        name: [
            [(count, 100 * value) for count, value in enumerate(by_samples, start=1)]
            for run in runs
            if (by_samples := run["test_vote"].get("accuracy_by_samples"))
        ]
        for name, runs in found.items()
    }
    rates = [y for lines in curves.values() for line in lines for _, y in line]
    if not rates:
        return ""
    caption = "Test accuracy of the vote over the first 1, 2, .. samples, a line a seed."
    limits = max(min(rates) - 5, 0), min(max(rates) + 5, 102)
    drawn = plots(results, curves, "votes", "Vote, %", "samples", caption, limits=limits)
    return laid_out(results, [drawn])
