"""Comparisons with other variants than the baseline: with a damaged variant's intact form."""

from cotjax.study.markup import details, figure, note
from cotjax.study.plots import difference_rows
from cotjax.study.report_tables import (
    Places,
    Results,
    against_table,
    mcnemar_table,
    notes_of_unpaired,
    precision_table,
    titles_of,
)

COMPARED = (
    "The same runs, and intervals and p as above, but each beside the variant that the study names "
    "for it, such as the intact form of what was damaged: what the damage took, where the table "
    "above tells what is left. Holm’s correction is over the comparisons of this table by "
    "themselves."
)


def against(results: Results, differing: Places) -> str:
    """A figure and a table of comparisons that variants name themselves; empty without any."""
    found = results.get("comparisons_against", ())
    if not found:
        return ""
    titles = titles_of(results)
    order = {name: number for number, name in enumerate(titles)}
    rows = [
        (order[one["variant"]], f"{titles[one['variant']]} − {titles[one['baseline']]}", one)
        for one in found
    ]
    caption = "Test accuracy of the first less that of the second, with the interval of 95 %."
    return "".join(
        [
            "<h2>Against other variants</h2>",
            figure(difference_rows(rows, "differences against"), caption, "rows"),
            against_table(results, differing),
            note(COMPARED),
            *notes_of_unpaired(titles, found),
            details("Seed by seed, and how sure these differences are",
                    mcnemar_table(results, found), precision_table(results, found)),
        ]
    )  # fmt: skip
