"""Numbers of a study, gathered by hand, and comparisons against scipy and statsmodels."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from cotjax.errors import InputError
from cotjax.json_files import build, dump_json
from cotjax.study import statistics
from cotjax.study.statistics import Comparison, by_variant, compare_all, constant_guess, holm
from cotjax.study.statistics import compare as compare_pairs
from cotjax.tasks.base import Question
from tests.study.drawn import results


def question(choices: tuple[str, ...], label: str) -> Question:
    return Question("q", "which?", choices, label, "test")


def test_the_constant_guess_names_a_place_among_the_choices():
    asked = [
        question(("red", "blue"), "red"),
        question(("up", "down"), "down"),
        question(("left", "right"), "right"),
    ]
    guess = constant_guess(asked)
    assert guess == {"accuracy": pytest.approx(2 / 3), "num_questions": 3, "chance": 0.5}


def test_chance_is_the_mean_over_questions_of_a_draw_among_the_choices():
    asked = [question(("red", "blue"), "red"), question(("1", "2", "3", "4"), "2")]
    assert constant_guess(asked)["chance"] == pytest.approx(3 / 8)


def test_the_constant_guess_of_open_questions_is_the_commonest_label():
    guess = constant_guess([question((), label) for label in ("7", "9", "7", "7")])
    assert guess == {"accuracy": 0.75, "num_questions": 4}


def test_runs_are_gathered_by_variant_in_the_order_of_study_and_seeds():
    plain, first = by_variant(results())
    assert (plain.title, first.title) == ("label only", "label <first>")
    assert plain.accuracy["test"].values == (0.50, 0.54)
    assert first.accuracy["test"].mean == pytest.approx(0.94)
    assert first.accuracy["train"].values == (0.80, 0.82)
    assert first.intervals["test"][0] == pytest.approx((0.8, 1.0))
    assert plain.label_nll.mean == pytest.approx(0.125 + 0.52)


def test_an_interrupted_run_has_no_seconds():
    plain, _ = by_variant(results())
    assert plain.seconds == (None, 10.0)


def test_a_variant_without_a_finished_run_has_no_mean():
    without = results()
    without["runs"] = [run for run in without["runs"] if run["variant"] == "plain"]
    _, first = by_variant(without)
    assert first.accuracy["test"].values == ()
    assert math.isnan(first.accuracy["test"].mean)


# One seed of each is drawn as a word: a letter a question, `x` where the answer was right.
BASELINE = ("xxx....xx.", "xx.....xx.", "xxx....x..")
BETTER = ("xxxxx..xx.", "xxxx...xxx", "xxxxx..xx.")


def runs(*seeds: str) -> dict[int, dict[str, bool]]:
    return {
        seed: {f"q{place}": letter == "x" for place, letter in enumerate(word)}
        for seed, word in enumerate(seeds)
    }


def compare(better: dict, baseline: dict) -> Comparison:
    (comparison,) = compare_all({"plain": baseline, "better": better}, "plain")
    return comparison


def test_a_comparison_is_of_the_same_seeds_and_questions():
    found = compare(runs(*BETTER), runs(*BASELINE))
    assert (found.variant, found.baseline) == ("better", "plain")
    assert (found.seeds, found.unpaired, found.questions) == ((0, 1, 2), (), 10)
    assert found.difference == pytest.approx((2 + 3 + 3) / 30)
    assert [(m.seed, m.only_variant, m.only_baseline) for m in found.mcnemar] == [
        (0, 2, 0),
        (1, 3, 0),
        (2, 3, 0),
    ]
    assert [m.p for m in found.mcnemar] == pytest.approx([0.5, 0.25, 0.25])
    assert found.low < found.difference < found.high
    assert found.label == "over seeds and questions"


def test_one_seed_is_the_paired_t_test_of_scipy_over_its_questions():
    found = compare(runs(BETTER[0]), runs(BASELINE[0]))
    right = [[letter == "x" for letter in word] for word in (BETTER[0], BASELINE[0])]
    expected = stats.ttest_rel(*np.array(right, float))
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert (found.degrees_of_freedom, found.seed_sd) == (9, None)


@pytest.mark.parametrize(
    ("seeds", "label"),
    [
        (1, "over these seeds"),
        (2, "over these seeds"),
        (3, "over seeds and questions"),
    ],
)
def test_fewer_than_three_seeds_speak_of_themselves_alone(seeds, label):
    assert compare(runs(*BETTER[:seeds]), runs(*BASELINE[:seeds])).label == label


def test_seeds_that_only_one_finished_are_named_and_not_counted():
    better, baseline = runs(*BETTER), runs(*BASELINE)
    del baseline[1], better[2]
    found = compare(better, baseline)
    assert (found.seeds, found.unpaired) == ((0,), (1, 2))
    assert found.difference == pytest.approx(2 / 10)


def test_every_other_variant_is_compared_in_their_order_and_corrected_together():
    outcomes = {"better": runs(*BETTER), "plain": runs(*BASELINE), "same": runs(*BASELINE)}
    found = compare_all({**outcomes, "failed": {}, "later": {9: runs("x")[0]}}, "plain")
    assert [comparison.variant for comparison in found] == ["better", "same"]
    better, same = found
    assert better.p_holm == pytest.approx(2 * better.p)
    assert (same.difference, same.p, same.p_holm) == (0, 1, 1)
    assert same.low < 0 < same.high
    assert all(test.p == 1 for test in same.mcnemar)


def test_each_may_be_compared_with_another_and_all_of_them_are_one_family():
    outcomes = {"plain": runs(*BASELINE), "better": runs(*BETTER), "copy": runs(*BETTER)}
    (alone,) = compare_pairs(outcomes, [("better", "plain")])
    pairs = [("better", "plain"), ("copy", "better"), ("lost", "plain"), ("plain", "lost")]
    better, copy = compare_pairs(outcomes, pairs)
    assert [(one.variant, one.baseline) for one in (better, copy)] == [
        ("better", "plain"), ("copy", "better"),
    ]  # fmt: skip
    assert better == dataclasses.replace(alone, p_holm=better.p_holm)
    assert (better.p_holm, copy.p_holm) == (pytest.approx(2 * alone.p), 1)


def test_nothing_to_compare_is_no_mistake():
    assert compare_all({"plain": runs(*BASELINE)}, "plain") == []
    assert compare_all({"plain": {}, "better": runs(*BETTER)}, "plain") == []


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ({"better": runs("x.")}, "baseline plain is none of better"),
        (
            {"plain": runs("x.", "x."), "better": runs("x.", "x.x")},
            r"better \(seed 1\) .* different questions \('q2'",
        ),
        ({"plain": runs("x."), "better": runs("..x")}, "asked different questions"),
        ({"plain": runs("x"), "better": runs(".")}, "one question is too few"),
    ],
)
def test_what_cannot_be_compared_is_refused(outcomes, message):
    with pytest.raises(InputError, match=message):
        compare_all(outcomes, "plain")


words = st.integers(2, 12).flatmap(
    lambda n: st.lists(st.text("x.", min_size=n, max_size=n), min_size=2, max_size=10)
)


@given(words)
def test_a_comparison_turned_round_says_the_same(drawn):
    half = len(drawn) // 2
    one, other = runs(*drawn[:half]), runs(*drawn[half : 2 * half])
    found, turned = compare(one, other), compare(other, one)
    assert turned.difference == pytest.approx(-found.difference, abs=1e-12)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
    assert (turned.p, turned.detectable) == pytest.approx((found.p, found.detectable))
    assert [m.only_baseline for m in turned.mcnemar] == [m.only_variant for m in found.mcnemar]


@given(words)
def test_the_interval_leaves_out_nothing_exactly_where_p_is_below_5_percent(drawn):
    half = len(drawn) // 2
    found = compare(runs(*drawn[:half]), runs(*drawn[half : 2 * half]))
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert (found.p < 0.05) == (found.low > 0 or found.high < 0)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_that_of_statsmodels(only_variant, only_baseline):
    variant = np.arange(100) < only_variant
    baseline = np.arange(100) >= 100 - only_baseline
    both = np.array([[5, only_variant], [only_baseline, 5]])
    expected = contingency_tables.mcnemar(both, exact=True).pvalue
    found = statistics.mcnemar(3, variant, baseline)
    assert (found.seed, found.only_variant, found.only_baseline) == (3, only_variant, only_baseline)
    assert found.p == pytest.approx(1.0 if only_variant + only_baseline == 0 else expected)


@settings(max_examples=15)  # a call of statsmodels takes 0.2 s
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_that_of_statsmodels(p_values):
    expected = multipletests(p_values, method="holm")[1] if p_values else []
    assert holm(p_values) == pytest.approx(list(expected))


def test_a_comparison_survives_json():
    found = compare(runs(*BETTER), runs(*BASELINE))
    text = dump_json(dataclasses.asdict(found))
    assert build(Comparison, json.loads(text), "results.json") == found
