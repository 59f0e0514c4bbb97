"""A summary as a table for the terminal."""

from collections.abc import Mapping

from rich.table import Table

TITLES = {"accuracy": "accuracy (generated)", "choice_accuracy": "choice accuracy (likelihood)"}


def summary_table(summary: Mapping[str, float], title: str) -> Table:
    """Shows what `metrics.summarise` gives: rates with their intervals, counts and means."""
    table = Table(title=title, title_justify="left")
    for heading in ("", "value", "95 % interval", "counts"):
        table.add_column(heading, justify="left" if heading == "" else "right")
    counts = {
        "accuracy": f"{summary['right']:,} of {summary['num_questions']:,}",
        "choice_accuracy": f"{summary.get('choice_right', 0):,} of "
        f"{summary.get('choice_questions', 0):,}",
    }
    for name in TITLES:
        if name in summary:
            low, high = summary[f"{name}_low"], summary[f"{name}_high"]
            interval = f"{100 * low:.1f} to {100 * high:.1f} %"
            table.add_row(TITLES[name], f"{100 * summary[name]:.1f} %", interval, counts[name])
    table.add_row("wrong", "", "", f"{summary['wrong']:,}")
    table.add_row("unparsed (count as wrong)", "", "", f"{summary['unparsed']:,}")
    table.add_row("mean generated tokens", f"{summary['mean_tokens']:.1f}", "", "")
    if "label_nll" in summary:
        table.add_row(
            "-log p of the label and its end, nats", f"{summary['label_nll']:.3f}", "", ""
        )
    table.add_row("questions cut to the input length", "", "", f"{summary['inputs_cut']:,}")
    return table
