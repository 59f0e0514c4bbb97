"""What variants chose, from which curve, and what is left at shared settings."""

import math
from collections.abc import Mapping
from typing import Any

from cotjax.study.markup import details, note, settings_code, swatch, table, text
from cotjax.study.report_curves import laid_out, plots
from cotjax.study.report_tables import Results, shared_table


def tuning(results: Results) -> str:
    """What every variant chose and from which curve, and the comparison at shared settings."""
    if not any(variant["tuned"] for variant in results["variants"]):
        return ""
    shared = results["shared_settings"]
    beside = []
    if shared:
        beside = [
            "<h3>With the same settings for all</h3>",
            note(
                f"At {_settings(shared['settings'])}, the best on average over the variants: what "
                "is left of the differences where no variant has settings of its own. Holm’s "
                "correction is over each set of comparisons by itself."
            ),
            shared_table(results),
        ]
    figures = [_figure(results, field) for field in _tuned_fields(results)]
    return "".join(
        [
            "<h2>What each chose for itself</h2>",
            note(
                "Every variant chose among the same settings by validation accuracy, with other "
                "seeds than those that are compared."
            ),
            _choices(results),
            laid_out(results, figures),
            _tried(results),
            *beside,
        ]
    )


def _figure(results: Results, field: str) -> str:
    """Validation accuracy over one tuned field, the best of what the others were."""
    curves = {
        variant["name"]: [_best_along(variant["tuned"], field)] if variant["tuned"] else []
        for variant in results["variants"]
    }
    points = [point for lines in curves.values() for line in lines for point in line]
    values, rates = zip(*points, strict=True)
    several = len(_tuned_fields(results)) > 1
    caption = f"Validation accuracy over {field}, mean of the tuning seeds"
    caption += "; of the other fields, the best of their values." if several else "."
    return plots(
        results, curves, f"tuning {field}", "Validation accuracy, %", field, caption,
        limits=(max(min(rates) - 8, 0), min(max(rates) + 8, 102)),
        log_x=min(values) > 0 and max(values) >= 3 * min(values),
    )  # fmt: skip


def _best_along(tuned: Mapping[str, Any], field: str) -> list[tuple[float, float]]:
    best: dict[float, float] = {}
    for tried in tuned["tried"]:
        if tried["mean"] is not None:
            value = tried["settings"][field]
            best[value] = max(best.get(value, 0.0), 100 * tried["mean"])
    return sorted(best.items())


def _tuned_fields(results: Results) -> list[str]:
    """Fields of the grid that have two numbers or more."""
    values: dict[str, list[Any]] = {}
    for variant in results["variants"]:
        for tried in variant["tuned"]["tried"] if variant["tuned"] else ():
            for field, value in tried["settings"].items():
                values.setdefault(field, []).append(value)
    return [
        field
        for field, of_field in values.items()
        if all(_is_number(value) for value in of_field) and len(set(of_field)) > 1
    ]


def _choices(results: Results) -> str:
    rows = []
    for number, variant in enumerate(results["variants"]):
        tuned = variant["tuned"]
        chosen = tuned["settings"] if tuned else None
        means = (
            [one["mean"] for one in tuned["tried"] if one["settings"] == chosen] if tuned else []
        )
        rows.append(
            [
                swatch(number) + text(variant["title"]),
                f"{100 * means[0]:.1f}" if means else "–",
                settings_code(chosen) if tuned else "nothing",
            ]
        )
    return table(("", "validation, %", "chose"), rows, "words-last")


def _tried(results: Results) -> str:
    rows = [
        [
            text(variant["title"]) if number == 0 else "",
            " ".join("failed" if v is None else f"{100 * v:.1f}" for v in tried["validation"]),
            settings_code(tried["settings"]),
        ]
        for variant in results["variants"]
        if variant["tuned"]
        for number, tried in enumerate(variant["tuned"]["tried"])
    ]
    body = table(("", "validation, % (a seed each)", "settings"), rows, "words-last")
    return details("All that was tried", body)


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
