"""How runs learned: lines of all variants in one figure, or a panel a variant."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cotjax.study.markup import figure, legend, text
from cotjax.study.plots import Line, lines
from cotjax.study.report_tables import Results, titles_of

TOGETHER = 8  # variants whose lines one figure can hold

Points = Sequence[tuple[float, float]]


def learning(results: Results) -> str:
    """Validation accuracy and the loss of labels over the steps of training."""
    guess = results["constant_guess"]["validation"]
    validation = _of_runs(results, "validation_curve", 100)
    losses = _of_runs(results, "label_loss_curve", 1)
    parts = [
        plots(
            results, validation, "validation", "Validation accuracy, %", "steps",
            f"Generated answers to {guess['num_questions']:,} validation questions. The dashed "
            "line is the share of the commonest answer among them.",
            limits=(0, 102), guess=100 * guess["accuracy"],
        ),
        plots(
            results, losses, "loss", "Training loss of label tokens", "steps",
            "Mean −log p of a label token in training, in nats, on a log scale: with dropout and "
            "without the token that closes the label, so not the label nll of the table.",
            limits=_log_limits(losses), log_y=True,
        ),
    ]  # fmt: skip
    return laid_out(results, parts)


def laid_out(results: Results, parts: Iterable[str]) -> str:
    """Side by side under one legend, or panels below each other, whose titles need none."""
    shown = "".join(parts)
    if _many(results) or not shown:
        return shown
    return f'{legend(enumerate(titles_of(results).values()))}<div class="pair">{shown}</div>'


def plots(
    results: Results,
    found: Mapping[str, Sequence[Points]],
    name: str,
    title: str,
    xlabel: str,
    caption: str,
    **style: Any,
) -> str:
    """All variants in one figure; where they are many, a panel each."""
    if not _many(results):
        drawn = [
            Line(number, points)
            for number, variant in enumerate(titles_of(results))
            for points in found[variant]
        ]
        return figure(lines(drawn, name, title, xlabel, **style), caption) if drawn else ""
    behind = [Line(None, points) for points in found.get(results["baseline"], ())]
    panels = ""
    for number, (variant, variant_title) in enumerate(titles_of(results).items()):
        drawn = [*behind, *(Line(number, points) for points in found[variant])]
        if found[variant]:
            svg = lines(drawn, f"{name} {variant}", variant_title, xlabel, small=True, **style)
            panels += f"<div><p>{text(variant_title)}</p>{svg}</div>"
    grey = " The baseline’s runs are grey in every panel." if behind else ""
    heading = f"<h3>{text(title)} over {text(xlabel)}</h3>"
    return f'{heading}<figure><div class="panels">{panels}</div>' + (
        f"<figcaption>{text(caption + grey)}</figcaption></figure>"
    )


def _of_runs(results: Results, curve: str, factor: float) -> dict[str, list[Points]]:
    """Points of every run that has some, by variant."""
    return {
        name: [
            [(step, factor * value) for step, value in run[curve]]
            for run in results["runs"]
            if run["variant"] == name and run[curve]
        ]
        for name in titles_of(results)
    }


def _log_limits(found: Mapping[str, Sequence[Points]]) -> tuple[float, float]:
    """Of a log scale that holds all positive values."""
    values = [y for runs in found.values() for points in runs for _, y in points if y > 0]
    return 0.8 * min(values, default=0.1), 1.25 * max(values, default=1.0)


def _many(results: Results) -> bool:
    return len(results["variants"]) > TOGETHER
