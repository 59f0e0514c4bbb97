"""Accuracy along the axes of a study: which variants make a line, and its figures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cotjax.study.markup import legend, note
from cotjax.study.plots import Point, along_axis
from cotjax.study.report_tables import Results, guesses_of, titles_of
from cotjax.study.statistics import VariantSummary, by_variant

Variant = Mapping[str, Any]

EXPLAINED = (
    "Large marks are means, small ones seeds. A bar is the interval of 95 % of the difference to "
    "the baseline, drawn from the baseline’s line: where it leaves out this line, the two differ "
    "(p < 5 %, not corrected). A mean is not in the middle of its bar where the two did not finish "
    "the same seeds, since the difference is of seeds that both have. The line called majority is "
    "the share of the commonest answer."
)


def axes_figures(results: Results) -> str:
    """A figure an axis on which variants stand at two values or more; empty without."""
    names = dict.fromkeys(axis for variant in results["variants"] for axis in variant["axes"])
    grouped = {axis: lines_on(results["variants"], axis) for axis in names}
    shown = {axis: series for axis, series in grouped.items() if _spread(series, axis) > 1}
    if not shown:
        return ""
    limits, summaries = _limits(results), _summaries(results)
    figures = "".join(
        f"<div>{_plot(results, axis, series, summaries, limits)}"
        f"{_legend(results, series, axis)}</div>"
        for axis, series in shown.items()
    )
    return f'<h2>Along the axes</h2><div class="pair">{figures}</div>{note(EXPLAINED)}'


def lines_on(variants: Sequence[Variant], axis: str) -> list[list[Variant]]:
    """Variants that have a value on an axis, by line: those of one line differ in nothing else.

    What changes with the axis is what has one value at each place of it, and several in all.
    """
    on_axis = [variant for variant in variants if axis in variant["axes"]]
    facts = [
        {**variant["overrides"], **{f"axis {name}": at for name, at in variant["axes"].items()}}
        for variant in on_axis
    ]
    fields = {name for fact in facts for name in fact}
    fixed = sorted(name for name in fields if not _follows(name, facts, axis))
    groups: dict[str, list[Variant]] = {}
    for variant, fact in zip(on_axis, facts, strict=True):
        groups.setdefault(repr([fact.get(name) for name in fixed]), []).append(variant)
    return list(groups.values())


def common_words(titles: Sequence[str], otherwise: str) -> str:
    """What all titles say, with … for what differs between them: names a line of variants."""
    words = [title.replace(",", " ,").split() for title in titles]
    first, *others = words
    if all(len(first) == len(other) for other in others):
        same = [len(set(at)) == 1 for at in zip(*words, strict=True)]
    else:
        same = [all(word in other for other in others) for word in first]
    said = " ".join(word if kept else "…" for word, kept in zip(first, same, strict=True))
    return said.replace(" ,", ",") if any(same) else otherwise


def _follows(name: str, facts: Sequence[Mapping[str, Any]], axis: str) -> bool:
    """Whether a field has one value at each place of the axis, and several in all."""
    at: dict[Any, set[str]] = {}
    for fact in facts:
        at.setdefault(fact[f"axis {axis}"], set()).add(repr(fact.get(name)))
    return all(len(values) == 1 for values in at.values()) and len(set.union(*at.values())) > 1


def _plot(
    results: Results,
    axis: str,
    series: Sequence[Sequence[Variant]],
    summaries: Mapping[str, VariantSummary],
    limits: tuple[float, float],
) -> str:
    values = list(dict.fromkeys(variant["axes"][axis] for line in series for variant in line))
    numeric = all(isinstance(value, int | float) for value in values)
    place = {value: value if numeric else number for number, value in enumerate(values)}
    intervals = _intervals(results, summaries)
    points = {
        number: [
            _point(place[variant["axes"][axis]], summaries[name], intervals.get(name))
            for variant in line
            if (name := variant["name"]) in summaries
        ]
        for number, line in _numbered(results, series)
    }
    words = [] if numeric else [str(value) for value in values]
    return along_axis(points, axis, words, limits, _lines_across(results, summaries))


def _point(value: float, summary: VariantSummary, interval: tuple[float, float] | None) -> Point:
    rates = summary.accuracy["test"]
    return Point(value, rates.values, rates.mean, interval)


def _intervals(
    results: Results, summaries: Mapping[str, VariantSummary]
) -> dict[str, tuple[float, float]]:
    """Of the differences by variant, from the height of the baseline's line.

    Around a variant's own mean they would not tell whether it differs where seeds are unpaired.
    """
    if results["baseline"] not in summaries:
        return {}
    height = summaries[results["baseline"]].accuracy["test"].mean
    return {
        one["variant"]: (height + one["low"], height + one["high"])
        for one in results["comparisons"]
    }


def _lines_across(results: Results, summaries: Mapping[str, VariantSummary]) -> dict[str, float]:
    across = {"majority": guesses_of(results)["majority"]}
    baseline = results["baseline"]
    if baseline in summaries:
        title = titles_of(results)[baseline]
        across[f"baseline: {title}"] = summaries[baseline].accuracy["test"].mean
    return across


def _summaries(results: Results) -> dict[str, VariantSummary]:
    """Of the variants that have a finished run."""
    found = zip(titles_of(results), by_variant(results), strict=True)
    return {name: summary for name, summary in found if summary.seconds}


def _legend(results: Results, series: Sequence[Sequence[Variant]], axis: str) -> str:
    return legend(
        (number, common_words([variant["title"] for variant in line], axis))
        for number, line in _numbered(results, series)
    )


def _numbered(
    results: Results, series: Iterable[Sequence[Variant]]
) -> Iterable[tuple[int, Sequence[Variant]]]:
    """Every line with the number of its first variant, whose colour and shape it has."""
    names = list(titles_of(results))
    return ((names.index(line[0]["name"]), line) for line in series)


def _spread(series: Sequence[Sequence[Variant]], axis: str) -> int:
    return len({variant["axes"][axis] for line in series for variant in line})


def _limits(results: Results) -> tuple[float, float]:
    """Of accuracy in percent, the same for all axes: what the runs span, with some room."""
    rates = [100 * run["test"]["accuracy"] for run in results["runs"]]
    rates.append(100 * guesses_of(results)["majority"])
    room = 0.15 * max(max(rates) - min(rates), 10)
    return max(min(rates) - room, 0), min(max(rates) + room, 102)
