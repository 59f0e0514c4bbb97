"""Counts, rates and intervals."""

import math

import pytest
from scipy.stats import binomtest

from cotjax.evaluation.metrics import summarise, wilson_interval
from cotjax.evaluation.predict import Prediction


@pytest.mark.parametrize("total", [1, 2, 17, 600, 100_000])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_wilson_interval_is_scipys(total, share, confidence):
    right = round(share * total)
    expected = binomtest(right, total).proportion_ci(confidence, method="wilson")
    assert wilson_interval(right, total, confidence) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def prediction(outcome: str, **fields) -> Prediction:
    answer = {"right": "a", "wrong": "b", "unparsed": None}[outcome]
    return Prediction("q", "", answer, outcome, label="a", num_tokens=2, **fields)


def test_unparsed_counts_apart_and_as_wrong():
    summary = summarise([prediction(o) for o in ("right", "unparsed", "wrong", "unparsed")])
    counts = {name: summary[name] for name in ("num_questions", "right", "wrong", "unparsed")}
    assert counts == {"num_questions": 4, "right": 1, "wrong": 1, "unparsed": 2}
    assert summary["accuracy"] == 0.25
    assert summary["mean_tokens"] == 2
    assert not {"choice_accuracy", "label_nll"} & set(summary)


def test_the_two_accuracies_are_not_mixed():
    scores = {"choice_logprobs": (-1.0, -2.0), "label_logprob": -1.0}
    summary = summarise(
        [
            prediction("wrong", choice_answer="A", **scores),  # equal labels but for case
            prediction("right", choice_answer="b", **scores),
            prediction("unparsed", choice_answer="a", **scores),
            prediction("unparsed", choice_answer=None, **scores),
        ]
    )
    assert (summary["accuracy"], summary["choice_accuracy"]) == (0.25, 0.5)
    assert (summary["right"], summary["choice_right"]) == (1, 2)
    assert summary["label_nll"] == 1


def test_no_predictions():
    summary = summarise([])
    assert summary["num_questions"] == 0
    assert math.isnan(summary["accuracy"])
    assert (summary["accuracy_low"], summary["accuracy_high"]) == (0, 1)
