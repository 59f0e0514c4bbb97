"""From predictions to counts, rates and their intervals."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cotjax.evaluation.predict import Prediction
from cotjax.tasks.base import normalise

CONFIDENCE = 0.95


def summarise(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Counts and rates of some predictions.

    `accuracy` is by generation (an unparsed answer counts as wrong), `choice_accuracy` by the
    likelihood of the choices: two measures that are never mixed. `*_low` and `*_high` bound a
    Wilson interval of 95 %. `label_nll` is the mean of -log p of the gold label with what closes
    it, in nats. Of samples, `accuracy` is the vote's, `accuracy_by_samples` that of the first 1, 2,
    .. samples, and `mean_tokens` counts those of all. What wasn't measured is absent; a mean over
    nothing is NaN.
    """
    outcomes = Counter(prediction.outcome for prediction in predictions)
    total = len(predictions)
    summary = {
        "num_questions": total,
        **{outcome: outcomes[outcome] for outcome in ("right", "wrong", "unparsed")},
        **_rate("accuracy", outcomes["right"], total),
        "mean_tokens": _mean([prediction.num_tokens for prediction in predictions]),
        "inputs_cut": sum(prediction.cut_tokens is not None for prediction in predictions),
    }
    given = [one for one in predictions if one.given is not None]
    if given:
        summary["rationales_given"] = sum(one.given for one in given)
        summary["rationales_missing"] = len(given) - summary["rationales_given"]
        summary["rationales_cut"] = sum(one.rationale_cut is not None for one in given)
    closed = [one for one in predictions if one.choice_logprobs is not None]
    if closed:
        right = sum(_chose_right(prediction) for prediction in closed)
        summary |= {"choice_right": right, "choice_questions": len(closed)}
        summary |= _rate("choice_accuracy", right, len(closed))
    logprobs = [one.label_logprob for one in predictions if one.label_logprob is not None]
    if logprobs:
        summary["label_nll"] = -_mean(logprobs)
    votes = [one.right_by_samples for one in predictions if one.right_by_samples is not None]
    if votes:
        summary["samples"] = len(votes[0])
        summary["accuracy_by_samples"] = [_mean(column) for column in zip(*votes, strict=True)]
        summary["unparsed_samples"] = sum(
            sample.answer is None for one in predictions for sample in one.samples or ()
        )
    return summary


def wilson_interval(right: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The score interval of a binomial proportion (Wilson 1927); (0, 1) where nothing is known."""
    if total == 0:
        return 0.0, 1.0
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    rate, shrink = right / total, 1 + z**2 / total
    centre = (rate + z**2 / (2 * total)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / total + z**2 / (4 * total**2))
    # At the ends the formula gives 0 and 1 exactly, but for rounding.
    return (
        0.0 if right == 0 else centre - half,
        1.0 if right == total else centre + half,
    )


def _rate(name: str, right: int, total: int) -> dict[str, float]:
    low, high = wilson_interval(right, total)
    rate = right / total if total else math.nan
    return {name: rate, f"{name}_low": low, f"{name}_high": high}


def _chose_right(prediction: Prediction) -> bool:
    answer = prediction.choice_answer
    return answer is not None and normalise(answer) == normalise(prediction.label)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
