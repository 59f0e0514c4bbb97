"""The tables of comparisons: what was found, and how sure it is."""

from collections.abc import Iterable, Mapping
from typing import Any

from cotjax.study.markup import details, note, stacked, swatch, table, text
from cotjax.study.plots import signed
from cotjax.study.statistics import THESE_SEEDS, OverSeeds, by_variant

Results = Mapping[str, Any]
Comparison = Mapping[str, Any]
Places = Mapping[tuple[str, str], str]  # by variant and what it is compared with

GUESSES = {"majority": "always the commonest answer", "chance": "a random choice"}
FEW_SEEDS = (
    "“Over these seeds” marks intervals of one or two seeds. With one, it is an interval over "
    "questions alone and says nothing of other seeds. With two it is wider than one’s, because it "
    "also counts how the seeds differ, of which two tell little; it still says hardly anything "
    "of others."
)
COMPARED = (
    "Percentages of right answers, to test questions and to some that were trained on, with a "
    "value a seed in small type. The difference to the baseline, in points, is "
    "paired by seed and question, with seeds and questions both taken as drawn at random; below "
    "it its interval of 95 %. p is of no difference, by the same t distribution as the interval; "
    "beside it p after Holm’s correction for all comparisons of this table. Detectable is the "
    "least true difference that a study like this one finds four times of five. An answer that "
    "can’t be parsed is wrong."
)


def main_table(results: Results, differing: Places) -> str:
    """Every variant with its difference to the baseline.

    Args:
      differing: Where on the page examples of a difference stand.
    """
    found = {one["variant"]: one for one in results["comparisons"]}
    rows = []
    for number, (variant, summary) in enumerate(
        zip(results["variants"], by_variant(results), strict=True)
    ):
        name = variant["name"]
        rows.append(
            [
                swatch(number) + text(variant["title"]),
                rate(summary.accuracy["test"]),
                rate(summary.accuracy["train"]),
                *comparison_cells(found.get(name), name == results["baseline"], differing),
            ]
        )
    rows += [
        [text(GUESSES[name]), f"{100 * share:.1f}", "", "", "", "", ""]
        for name, share in guesses_of(results).items()
    ]
    heads = ("", "test", "train", "difference", "p", "p, Holm", "detectable")
    return table(heads, rows, "main")


def guesses_of(results: Results) -> dict[str, float]:
    """Accuracies on the test questions that need no student, of 1; chance where all are closed."""
    guess = results["constant_guess"]["test"]
    found = {"majority": guess["accuracy"], "chance": guess.get("chance")}
    return {name: share for name, share in found.items() if share is not None}


def notes_of_comparisons(results: Results) -> Iterable[str]:
    """What must be known to read the comparisons."""
    yield note(COMPARED)
    found = results["comparisons"]
    if not found and len(results["variants"]) > 1:
        yield note("Nothing is compared: no seed of the baseline and of another variant is there.")
    if any(one["label"] == THESE_SEEDS for one in found):
        yield note(FEW_SEEDS)
    yield from notes_of_unpaired(titles_of(results), found)


def notes_of_unpaired(titles: Mapping[str, str], found: Iterable[Comparison]) -> Iterable[str]:
    """Which comparisons are not of all seeds; a note for all that lack the same."""
    lacking: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for one in found:
        if one["unpaired"]:
            key = (one["baseline"], tuple(one["unpaired"]))
            lacking.setdefault(key, []).append(titles[one["variant"]])
    for (baseline, seeds), variants in lacking.items():
        yield note(
            f"Against {titles[baseline]}, compared on seeds that both have, not on "
            f"{', '.join(map(str, seeds))}, which only one of the two has finished: "
            f"{'; '.join(variants)}."
        )


def mcnemar_table(results: Results, found: Iterable[Comparison]) -> str:
    """Seed by seed: on which questions exactly one of the two was right."""
    rows = [
        [
            _pair(results, one) if number == 0 else "",
            str(test["seed"]),
            f"{test['only_variant']:,}",
            f"{test['only_baseline']:,}",
            p_value(test["p"]),
        ]
        for one in found
        for number, test in enumerate(one["mcnemar"])
    ]
    return details(
        "Seed by seed: McNemar’s exact test",
        note(
            "Questions that only the variant got right, and only the one that it is compared with. "
            "The test is of each seed by itself: pooled, a question would count several times. Not "
            "corrected."
        ),
        table(("", "seed", "only it", "only the other", "p"), rows),
    )


def precision_table(results: Results, found: Iterable[Comparison]) -> str:
    """What the intervals are made of."""
    rows = [
        [
            _pair(results, one),
            ", ".join(map(str, one["seeds"])),
            f"{one['questions']:,}",
            f"{100 * one['standard_error']:.2f}",
            f"{one['degrees_of_freedom']:.1f}",
            "" if one["seed_sd"] is None else f"{100 * one['seed_sd']:.2f}",
            text(one["label"]),
        ]
        for one in found
    ]
    return details(
        "How sure the differences are",
        note(
            "Standard error in points; degrees of freedom by Satterthwaite. Seed s.d.: how much "
            "the difference varies between seeds, in points, beyond what the sampling of questions "
            "makes."
        ),
        table(
            ("", "seeds", "questions", "std. error", "d. f.", "seed s.d.", "interval is"),
            rows,
        ),
    )


def shared_table(results: Results) -> str:
    """The comparison at the variants' own settings beside that at shared ones."""
    shared, titles = results["shared_settings"], titles_of(results)
    places = (results, results | dict(shared))
    found = [{one["variant"]: one for one in place["comparisons"]} for place in places]
    summaries = [by_variant(place) for place in places]
    rows = []
    for number, name in enumerate(titles):
        row = [swatch(number) + text(titles[name])]
        for place in range(2):
            rates = summaries[place][number].accuracy["test"]
            compared = comparison_cells(found[place].get(name), name == results["baseline"], {})
            row += [rate(rates), compared[0], compared[2]]
        rows.append(row)
    heads = ("", "own: test", "difference", "p, Holm", "shared: test", "difference", "p, Holm")
    return table(heads, rows, "main")


def titles_of(results: Results) -> dict[str, str]:
    """Titles of the variants by their names, in the order of the study."""
    return {variant["name"]: variant["title"] for variant in results["variants"]}


def against_table(results: Results, differing: Places) -> str:
    """Variants with their differences to others than the baseline; see `main_table`."""
    titles = titles_of(results)
    numbers = {name: number for number, name in enumerate(titles)}
    rates = {
        name: summary.accuracy["test"]
        for name, summary in zip(titles, by_variant(results), strict=True)
    }
    rows = [
        [
            swatch(numbers[one["variant"]]) + _pair(results, one),
            rate(rates[one["variant"]]),
            rate(rates[one["baseline"]]),
            *comparison_cells(one, False, differing),
        ]
        for one in results.get("comparisons_against", ())
    ]
    heads = ("", "test", "test, other", "difference", "p", "p, Holm", "detectable")
    return table(heads, rows, "main")


def p_value(p: float) -> str:
    """As papers print it."""
    return "&lt; 0.001" if p < 0.001 else f"{p:.3f}"


def rate(rates: OverSeeds) -> str:
    """The mean in percent, and a value a seed below it, three to a line."""
    values = [f"{100 * value:.1f}" for value in rates.values]
    if not values:
        return "–"
    lines = [" ".join(values[first : first + 3]) for first in range(0, len(values), 3)]
    seeds = [f'<small class="seeds">{line}</small>' for line in lines] if len(values) > 1 else []
    return stacked([f"<strong>{100 * rates.mean:.1f}</strong>", *seeds])


def comparison_cells(
    one: Comparison | None, is_baseline: bool, differing: Places
) -> tuple[str, str, str, str]:
    """Cells of a comparison: difference, p, p by Holm, and what could be detected."""
    if one is None:
        return ("<small>baseline</small>" if is_baseline else "–", "", "", "")
    number = f"<strong>{signed(100 * one['difference'])}</strong>"
    if place := differing.get((one["variant"], one["baseline"])):
        number = f'<a href="#{place}">{number}</a>'
    ends = f"{signed(100 * one['low'])} to {signed(100 * one['high'])}"
    label = [f"<small>{THESE_SEEDS}</small>"] if one["label"] == THESE_SEEDS else []
    detectable = f"{100 * one['detectable']:.1f}" if one["detectable"] <= 1 else "none"
    return (
        stacked([number, f"<small>{ends}</small>", *label]),
        p_value(one["p"]),
        p_value(one["p_holm"]),
        detectable,
    )


def _pair(results: Results, one: Comparison) -> str:
    """The variant that is compared, and with what, if that isn't the study's baseline."""
    titles = titles_of(results)
    title = text(titles[one["variant"]])
    if one["baseline"] == results["baseline"]:
        return title
    return f"{title}<br><small>against {text(titles[one['baseline']])}</small>"
