"""The mean of a table of seeds by questions, both of them drawn: its variance and interval.

d[s, q] = mean + seed effect + question effect + residual, one observation a cell. By the analysis
of variance of two crossed random factors (Searle, Casella and McCulloch 1992, chapter 4), the mean
squares of S seeds, of Q questions and of the residual expect

    E MS_seed = residual + Q seed        E MS_question = residual + S question

and E MS_residual = residual, where the words on the right are variances. So the variance of the
mean, seed / S + question / Q + residual / (S Q), is estimated by

    (MS_seed + MS_question - MS_residual) / (S Q).

A factor's variance can't be negative, its estimate can: then it counts as 0, which is to say that
the factor's mean square is taken to be the residual's, in the variance and in its degrees of
freedom. Without this, intervals of few seeds are too short (docs/statistics.md).
"""

import dataclasses

import numpy as np
from scipy import optimize, stats

LEVEL = 0.05  # intervals are of 1 - LEVEL
POWER = 0.8


@dataclasses.dataclass(frozen=True)
class CrossedMean:
    """The means of tables [..., seeds, questions], and how sure they are; arrays [...].

    Attributes:
      estimate: Mean of all cells.
      standard_error: Of the estimate.
      degrees_of_freedom: Of the standard error, by Satterthwaite (1946).
      seed_sd: Standard deviation of seed effects; 0 for one seed, which shows none.
    """

    estimate: np.ndarray
    standard_error: np.ndarray
    degrees_of_freedom: np.ndarray
    seed_sd: np.ndarray

    def half_width(self) -> np.ndarray:
        """Of the interval of 95 %."""
        return stats.t.ppf(1 - LEVEL / 2, self.degrees_of_freedom) * self.standard_error

    def p_value(self) -> np.ndarray:
        """Two-sided, of a mean of 0."""
        t = np.abs(self.estimate) / self.standard_error
        return 2 * stats.t.sf(t, self.degrees_of_freedom)


def mean_of_crossed(table: np.ndarray) -> CrossedMean:
    """Estimates the means of tables [..., seeds, questions] of differences in [-1, 1].

    One seed gives the t interval over its questions. Where all cells are the same there is no
    variance to see; then two more questions are imagined, one at 1 and one at -1 (as Agresti and
    Min 2005 do to proportions), so that equal runs don't count as proof of equality.
    """
    seeds, questions = table.shape[-2:]
    if seeds == 1:
        square = table[..., 0, :].var(-1, ddof=1)
        degrees, seed_sd = np.full_like(square, questions - 1), np.zeros_like(square)
    else:
        square, degrees, seed_sd = _combined(table)
    unseen = square == 0
    return CrossedMean(
        estimate=table.mean((-2, -1)),
        standard_error=np.where(
            unseen, np.sqrt(2) / (questions + 2), np.sqrt(square / (seeds * questions))
        ),
        degrees_of_freedom=np.where(unseen, questions - 1, degrees),
        seed_sd=seed_sd,
    )


def mean_squares(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean squares of seeds, questions and residual of tables [..., seeds, questions]."""
    seeds, questions = table.shape[-2:]
    mean = table.mean((-2, -1), keepdims=True)
    of_seeds = table.mean(-1, keepdims=True) - mean
    of_questions = table.mean(-2, keepdims=True) - mean
    residuals = table - mean - of_seeds - of_questions
    return (
        questions * (of_seeds**2).sum((-2, -1)) / (seeds - 1),
        seeds * (of_questions**2).sum((-2, -1)) / (questions - 1),
        (residuals**2).sum((-2, -1)) / ((seeds - 1) * (questions - 1)),
    )


def detectable_effect(standard_error: float, degrees_of_freedom: float) -> float:
    """The least true mean that a two-sided t test at 5 % finds with a power of 80 %."""
    critical = stats.t.ppf(1 - LEVEL / 2, degrees_of_freedom)

    def excess(shift: float) -> float:  # what the other tail adds is under 1e-4 there
        return stats.nct.sf(critical, degrees_of_freedom, shift) - POWER

    return float(standard_error * optimize.brentq(excess, 0.0, 1.5 * critical + 2))


def _combined(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates cells times the variance of the mean, its degrees of freedom, and seeds' s.d."""
    seeds, questions = table.shape[-2:]
    of_seeds, of_questions, residual = mean_squares(table)
    of_seeds, of_questions = np.maximum(of_seeds, residual), np.maximum(of_questions, residual)
    square = of_seeds + of_questions - residual
    spread = (
        of_seeds**2 / (seeds - 1)
        + of_questions**2 / (questions - 1)
        + residual**2 / ((seeds - 1) * (questions - 1))
    )
    degrees = np.divide(square**2, spread, out=np.ones_like(square), where=spread > 0)
    # Less than the rarer factor has would only be an artefact of the mean square that is taken off.
    degrees = np.maximum(degrees, min(seeds, questions) - 1)
    return square, degrees, np.sqrt((of_seeds - residual) / questions)
