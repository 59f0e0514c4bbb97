"""A summary as a table for the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

TITLES = {"accuracy": "accuracy (generated)", "choice_accuracy": "choice accuracy (likelihood)"}
SOME_SAMPLES = (1, 3, 5, 10, 20, 30, 50)  # two vote as one does: the first wins a tie


def summary_table(summary: Mapping[str, Any], title: str) -> Table:
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
            measure = TITLES[name]
            if name == "accuracy" and "samples" in summary:
                measure = f"accuracy (vote of {summary['samples']} samples)"
            elif name == "accuracy" and "beam_search" in summary:
                measure = "accuracy (best of {num_beams} beams)".format(**summary["beam_search"])
            table.add_row(measure, f"{100 * summary[name]:.1f} %", interval, counts[name])
    table.add_row("wrong", "", "", f"{summary['wrong']:,}")
    table.add_row("unparsed (count as wrong)", "", "", f"{summary['unparsed']:,}")
    table.add_row("mean generated tokens", f"{summary['mean_tokens']:.1f}", "", "")
    if "label_nll" in summary:
        table.add_row(
            "-log p of the label and its end, nats", f"{summary['label_nll']:.3f}", "", ""
        )
    table.add_row("questions cut to the input length", "", "", f"{summary['inputs_cut']:,}")
    if "rationales_given" in summary:
        table.add_row("rationales given (unperturbed)", "", "", f"{summary['rationales_given']:,}")
        table.add_row("questions without one", "", "", f"{summary['rationales_missing']:,}")
        table.add_row("rationales cut", "", "", f"{summary['rationales_cut']:,}")
    by_samples = summary.get("accuracy_by_samples", [])
    for count in [count for count in SOME_SAMPLES if count < len(by_samples)]:
        rate = f"{100 * by_samples[count - 1]:.1f} %"
        table.add_row(f"accuracy of {count} sample{'s' * (count > 1)}", rate, "", "")
    if by_samples:
        table.add_row("unparsed samples (have no vote)", "", "", f"{summary['unparsed_samples']:,}")
    return table
