"""The numbers of `results.json` as two flat tables: a row a run, and a row a comparison."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotjax.json_files import replace_file

Row = dict[str, Any]
FAMILIES = {
    "baseline": "comparisons",
    "against": "comparisons_against",
    "vote": "comparisons_vote",
}

OF_RUN = ("variant", "seed", "steps", "targets", "supervised_tokens", "flops", "seconds")
OF_SPLIT = (
    "num_questions",
    "right",
    "wrong",
    "unparsed",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "choice_accuracy",
    "label_nll",
    "mean_tokens",
    "seconds",
)
OF_VOTE = (
    "samples",
    "right",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "mean_tokens",
    "seconds",
)
SUMMARIES = {"test": OF_SPLIT, "train": OF_SPLIT, "test_vote": OF_VOTE}
OF_COMPARISON = (
    "variant",
    "baseline",
    "family",
    "settings",
    "questions",
    "difference",
    "low",
    "high",
    "label",
    "standard_error",
    "degrees_of_freedom",
    "p",
    "p_holm",
    "detectable",
    "seed_sd",
)


def run_rows(results: Mapping[str, Any]) -> list[Row]:
    """A row a finished run, those at shared settings included; what it has not is empty."""
    axes = list(dict.fromkeys(axis for variant in results["variants"] for axis in variant["axes"]))
    of_variant = {variant["name"]: variant["axes"] for variant in results["variants"]}
    return [
        {name: run.get(name) for name in OF_RUN}
        | {"settings": settings, "tuned": _words(run["tuned"])}
        | {axis: of_variant[run["variant"]].get(axis) for axis in axes}
        | {
            f"{asked}_{name}": (run.get(asked) or {}).get(name)
            for asked, names in SUMMARIES.items()
            for name in names
        }
        for settings, group in _groups(results)
        for run in group["runs"]
    ]


def comparison_rows(results: Mapping[str, Any]) -> list[Row]:
    """A row a comparison: at the variants' own settings, then at shared ones.

    Its family tells those with the study's baseline, those with what a variant names itself, and
    those of a vote with the likeliest answers apart; Holm's correction is over each by itself.
    """
    return [
        {name: comparison.get(name) for name in OF_COMPARISON}
        | {"family": family, "settings": settings}
        | {"seeds": " ".join(map(str, comparison["seeds"]))}
        for settings, group in _groups(results)
        for family, kept in FAMILIES.items()
        for comparison in group.get(kept, ())
    ]


def write_csv(file: Path, rows: Sequence[Row]) -> None:
    """Writes rows of equal columns with a heading; an empty file where there is none."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    replace_file(file, text.getvalue())


def _groups(results: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Runs and comparisons at the variants' own settings, and at shared ones if there are any."""
    shared = results["shared_settings"]
    return [("own", results), *([("shared", shared)] if shared else [])]


def _words(settings: Mapping[str, Any] | None) -> str:
    return " ".join(f"{name}={value}" for name, value in (settings or {}).items())
