"""A study's results as tables for the terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group
from rich.table import Table

from cotjax.study.plots import signed
from cotjax.study.report_tables import Results, titles_of
from cotjax.study.statistics import by_variant

HEADINGS = ("variant", "test", "diff.", "95 % interval", "p, Holm", "train", "tokens")
AGAINST = ("variant", "against", "diff.", "95 % interval", "p, Holm")


def comparison_table(results: Results) -> Group:
    """The variants for a terminal of 80 columns: means over seeds, and differences in points.

    Below them comparisons with other variants than the baseline, if there are any.
    """
    others = ["", _others_table(results)] if results.get("comparisons_against") else []
    return Group(_variants_table(results), *others)


def _variants_table(results: Results) -> Table:
    table = _table(HEADINGS)
    found = {one["variant"]: one for one in results["comparisons"]}
    for name, variant in zip(titles_of(results), by_variant(results), strict=True):
        table.add_row(
            variant.title,
            f"{100 * variant.accuracy['test'].mean:.1f}",
            *_words(found.get(name), name == results["baseline"]),
            f"{100 * variant.accuracy['train'].mean:.1f}",
            f"{variant.mean_tokens.mean:.1f}",
        )
    guess = 100 * results["constant_guess"]["test"]["accuracy"]
    table.add_row("the commonest answer", f"{guess:.1f}", *[""] * 5, style="dim")
    return table


def _others_table(results: Results) -> Table:
    table, titles = _table(AGAINST), titles_of(results)
    for one in results["comparisons_against"]:
        pair = (titles[one["variant"]], titles[one["baseline"]])
        table.add_row(*pair, *_words(one, is_baseline=False))
    return table


def _table(headings: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        of_words = heading in ("variant", "against")
        table.add_column(heading, justify="left" if of_words else "right")
    return table


def _words(one: Mapping[str, Any] | None, is_baseline: bool) -> tuple[str, str, str]:
    if one is None:
        return ("", "baseline" if is_baseline else "", "")
    p = "< 0.001" if one["p_holm"] < 0.001 else f"{one['p_holm']:.3f}"
    ends = f"{signed(100 * one['low'])} to {signed(100 * one['high'])}"
    return signed(100 * one["difference"]), ends, p
