"""The mean of seeds by questions, against statsmodels, scipy and simulation."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.power import TTestPower

from cotjax.study.intervals import detectable_effect, mean_of_crossed, mean_squares
from tests.study.coverage import WORLDS, World, coverage, negative_kept, ours

DRAWN = np.array(
    [  # a column a question: 1 where the variant alone was right, -1 where the baseline alone was
        [1, 1, 0, 0, -1, 1, 0, 1],
        [1, 0, 0, 1, -1, 1, 0, 0],
        [1, 1, 1, 0, 0, 1, -1, 1],
    ]
)
tables = st.tuples(st.integers(2, 6), st.integers(2, 12)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.sampled_from([-1.0, 0.0, 1.0]))
)


def crossed(rng: np.random.Generator, seeds: int, questions: int, sds: tuple) -> np.ndarray:
    """Normal effects of seed, question and residual with these standard deviations."""
    by_seed, by_question, rest = sds
    return (
        0.1
        + by_seed * rng.standard_normal((seeds, 1))
        + by_question * rng.standard_normal((1, questions))
        + rest * rng.standard_normal((seeds, questions))
    )


def long(table: np.ndarray) -> pd.DataFrame:
    seed, question = np.indices(table.shape).reshape(2, -1)
    return pd.DataFrame({"d": table.ravel(), "seed": seed, "question": question, "all": 1})


@pytest.mark.parametrize("table", [DRAWN, crossed(np.random.default_rng(0), 4, 7, (1, 2, 1))])
def test_mean_squares_are_those_of_statsmodels(table):
    fitted = smf.ols("d ~ C(seed) + C(question)", long(table)).fit()
    expected = anova_lm(fitted)["mean_sq"][["C(seed)", "C(question)", "Residual"]]
    assert mean_squares(table) == pytest.approx(tuple(expected))


def test_the_variance_is_that_of_a_mixed_model():
    """With no estimate negative, the analysis of variance is REML (Searle et al., section 4.8)."""
    table = crossed(np.random.default_rng(3), 6, 15, (0.5, 0.7, 1.0))
    parts = {"seed": "0 + C(seed)", "question": "0 + C(question)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = smf.mixedlm("d ~ 1", long(table), groups="all", vc_formula=parts).fit(reml=True)
    mean = mean_of_crossed(table)
    assert mean.estimate == pytest.approx(fitted.params["Intercept"])
    assert mean.standard_error == pytest.approx(fitted.bse["Intercept"], rel=1e-3)
    of_seed = fitted.vcomp[list(fitted.model.exog_vc.names).index("seed")]
    assert mean.seed_sd == pytest.approx(np.sqrt(of_seed), rel=1e-3)


@pytest.mark.parametrize(
    ("table", "sample"),
    [
        pytest.param(DRAWN[:1], DRAWN[0], id="one seed: its questions"),
        pytest.param(
            np.repeat([[0.1], [0.3], [0.2]], 9, axis=1), [0.1, 0.3, 0.2], id="seeds alone differ"
        ),
        pytest.param(np.repeat(DRAWN[:1], 12, axis=0), DRAWN[0], id="questions alone differ"),
    ],
)
def test_what_varies_in_one_way_is_a_t_test_of_scipy(table, sample):
    mean, expected = mean_of_crossed(np.asarray(table, float)), stats.ttest_1samp(sample, 0)
    low, high = expected.confidence_interval(0.95)
    assert mean.degrees_of_freedom == pytest.approx(expected.df)
    assert mean.p_value() == pytest.approx(expected.pvalue)
    assert mean.estimate - mean.half_width() == pytest.approx(low)
    assert mean.estimate + mean.half_width() == pytest.approx(high)


def test_degrees_of_freedom_tell_how_the_estimated_variance_varies():
    """Satterthwaite's: an estimate V with f degrees of freedom has variance 2 V² / f."""
    rng = np.random.default_rng(0)
    drawn = np.stack([crossed(rng, 8, 20, (2.0, 1.5, 1.0)) for _ in range(8_000)])
    mean = mean_of_crossed(drawn)
    variances = mean.standard_error**2
    assert variances.mean() == pytest.approx(drawn.mean((1, 2)).var(), rel=0.05)
    expected = 2 * variances.mean() ** 2 / variances.var()
    assert np.median(mean.degrees_of_freedom) == pytest.approx(expected, rel=0.05)


@given(tables)
def test_the_interval_is_finite_and_no_tighter_than_seeds_or_questions_alone(table):
    mean = mean_of_crossed(table)
    seeds, questions = table.shape
    alone = max(table.mean(1).var(ddof=1) / seeds, table.mean(0).var(ddof=1) / questions)
    assert mean.standard_error > 0
    assert mean.standard_error**2 >= alone - 1e-12
    assert min(seeds, questions) - 1 <= mean.degrees_of_freedom
    assert mean.degrees_of_freedom <= (seeds * questions - 1) * (1 + 1e-9)
    assert 0 <= mean.p_value() <= 1


@given(tables, st.randoms(use_true_random=False))
def test_neither_sign_nor_order_matters(table, random):
    rows, columns = (random.sample(range(n), n) for n in table.shape)
    mean, other = mean_of_crossed(table), mean_of_crossed(-table[rows][:, columns])
    assert other.estimate == pytest.approx(-mean.estimate, abs=1e-12)
    assert other.half_width() == pytest.approx(mean.half_width())
    assert other.p_value() == pytest.approx(mean.p_value())


def test_a_negative_variance_of_seeds_counts_as_none():
    table = np.array([[1, -1, 1, -1, 0, 0], [-1, 1, -1, 1, 0, 0]], float)  # equal means, apart
    mean, (of_seeds, of_questions, residual) = mean_of_crossed(table), mean_squares(table)
    assert (of_seeds, of_questions) == (0, 0)
    assert mean.seed_sd == 0
    assert mean.standard_error**2 == pytest.approx(residual / 12)


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_equal_runs_are_no_proof_of_equality(seeds):
    mean = mean_of_crossed(np.zeros((seeds, 100)))
    assert mean.p_value() == 1
    # The rule of three: with no event in 100 questions, their rate is under 3 % (Hanley 1983).
    assert 0.02 < mean.half_width() < 0.03


@pytest.mark.parametrize("degrees", [2, 4, 30, 299])
def test_the_detectable_effect_is_that_of_statsmodels(degrees):
    effect = TTestPower().solve_power(nobs=degrees + 1, alpha=0.05, power=0.8)
    expected = 0.01 * effect * np.sqrt(degrees + 1)  # of a standard error of 0.01
    assert detectable_effect(0.01, degrees) == pytest.approx(expected, rel=1e-4)


@given(st.floats(1, 1e5))
def test_the_detectable_effect_falls_to_that_of_a_normal(degrees):
    normal = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert normal - 1e-6 < detectable_effect(1.0, degrees) < 17
    assert detectable_effect(3.0, degrees) == pytest.approx(3 * detectable_effect(1.0, degrees))


def test_an_effect_of_that_size_is_found_four_times_of_five():
    rng, sds = np.random.default_rng(1), (0.2, 1.0, 1.0)
    without = np.stack([crossed(rng, 10, 40, sds) for _ in range(4_000)]) - 0.1
    mean = mean_of_crossed(without)
    error, degrees = np.median(mean.standard_error), np.median(mean.degrees_of_freedom)
    found = mean_of_crossed(without + detectable_effect(error, degrees)).p_value() < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("seed_sd", [0.02, 0.05])
def test_a_simulated_world_has_the_truth_that_it_says(seed_sd):
    world, rng = World("", questions=4_000), np.random.default_rng(0)
    by_seed = world.draw(rng, 10, 50, seed_sd).mean(-1)
    assert by_seed.mean() == pytest.approx(world.difference, abs=0.01)
    assert by_seed.std(axis=1, ddof=1).mean() == pytest.approx(np.hypot(seed_sd, 0.01), rel=0.15)


@pytest.mark.parametrize("seed_sd", [0.0, 0.02, 0.05])
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_intervals_reach_93_percent(seeds, seed_sd):
    ((held, _),) = coverage([ours], WORLDS[0], seeds, seed_sd, repetitions=3_000)
    assert held >= 0.93


def test_an_interval_that_is_too_short_would_be_noticed():
    ((held, _),) = coverage([negative_kept], WORLDS[0], 2, 0.05, repetitions=3_000)
    assert held < 0.91
