"""What may be said about the numbers of a study, and of a variant against its baseline."""

import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from cotjax.errors import InputError
from cotjax.study.intervals import detectable_effect, mean_of_crossed
from cotjax.study.outcomes import Outcomes, paired
from cotjax.tasks.base import Question

ASKED = ("test", "train")  # of every finished run; validation was asked while it learned
BY_VOTE = " by vote"  # follows a variant's name where its answers are those of a vote
THESE_SEEDS = "over these seeds"
SEEDS_AND_QUESTIONS = "over seeds and questions"
SEEDS_TO_GENERALISE = 3  # with fewer, little can be said of seeds that were not run


@dataclasses.dataclass(frozen=True)
class OverSeeds:
    """One measure of a variant, a value a seed; intervals are of comparisons."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the seeds' values; NaN where no run finished."""
        return statistics.fmean(self.values) if self.values else math.nan


@dataclasses.dataclass(frozen=True)
class VariantSummary:
    """A variant's runs side by side, in the order of the seeds.

    Attributes:
      title: Of the variant.
      accuracy: By split, of generated answers.
      intervals: By split, a Wilson interval of 95 % a run: over its questions, not over seeds.
      label_nll: −log p of the gold label of test questions, nats a label.
      mean_tokens: Generated a test question.
      seconds: Of training, a value a seed, compilation included; None for an interrupted run.
    """

    title: str
    accuracy: Mapping[str, OverSeeds]
    intervals: Mapping[str, tuple[tuple[float, float], ...]]
    label_nll: OverSeeds
    mean_tokens: OverSeeds
    seconds: tuple[float | None, ...]


def constant_guess(questions: Sequence[Question]) -> dict[str, float]:
    """The share of right answers of a student that always gives the same one.

    A closed question's answer is the place of its label among the choices, so that the guess also
    stands where every question has choices of its own. `chance` is the share of a student that
    draws among the choices; open questions have none.
    """
    answers = [
        question.choices.index(question.label) if question.choices else question.label
        for question in questions
    ]
    (_, right), total = Counter(answers).most_common(1)[0], len(answers)
    guess = {"accuracy": right / total, "num_questions": total}
    if all(question.choices for question in questions):
        guess["chance"] = statistics.fmean(1 / len(question.choices) for question in questions)
    return guess


def by_variant(results: Mapping[str, Any]) -> list[VariantSummary]:
    """Gathers the runs of `results.json` by variant, in the order of the study."""
    return [
        _summarise(variant, [run for run in results["runs"] if run["variant"] == variant["name"]])
        for variant in results["variants"]
    ]


def _summarise(variant: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> VariantSummary:
    def of(split: str, measure: str) -> OverSeeds:
        return OverSeeds(tuple(run[split][measure] for run in runs))

    return VariantSummary(
        title=variant["title"],
        accuracy={split: of(split, "accuracy") for split in ASKED},
        intervals={
            split: tuple((run[split]["accuracy_low"], run[split]["accuracy_high"]) for run in runs)
            for split in ASKED
        },
        label_nll=of("test", "label_nll"),
        mean_tokens=of("test", "mean_tokens"),
        seconds=tuple(run["seconds"] for run in runs),
    )


@dataclasses.dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of one seed: of the questions that just one of the two got right.

    Attributes:
      seed: Of both runs.
      only_variant: Questions that the variant got right and the baseline wrong.
      only_baseline: The other way round.
      p: Two-sided, binomial with probability 1/2 (McNemar 1947); 1 where no question differs.
    """

    seed: int
    only_variant: int
    only_baseline: int
    p: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A variant against its baseline on one test set; accuracies and differences are of 1, not %.

    Attributes:
      variant: Its name.
      baseline: The name of the variant that it is compared with.
      seeds: That both finished, in rising order; all numbers are of these.
      unpaired: Seeds that only one of the two finished; no number is of these.
      questions: How many were asked.
      difference: Mean accuracy of the variant less the baseline's.
      low: Lower end of the interval of 95 %, not under -1.
      high: Upper end of it, not over 1.
      label: What the interval is over: `over seeds and questions`, or with fewer than three
        seeds `over these seeds`: one says nothing of other seeds, and two hardly anything.
      standard_error: Of the difference.
      degrees_of_freedom: Of the t distribution, by Satterthwaite.
      p: Two-sided, of no difference, by the same t as the interval (it is under 0.05 where the
        interval leaves out 0); not corrected.
      p_holm: The same, corrected by Holm for all comparisons of its family (see `compare`).
      mcnemar: The exact test of each seed; never pooled.
      detectable: The least true difference that the design finds with a power of 80 % at a level
        of 5 %, with the standard error and degrees of freedom found here; above 1 where none is.
      seed_sd: Standard deviation of the difference between seeds, beyond what the sampling of
        questions makes; 0 where the estimate is negative; None for one seed.
    """

    variant: str
    baseline: str
    seeds: tuple[int, ...]
    unpaired: tuple[int, ...]
    questions: int
    difference: float
    low: float
    high: float
    label: str
    standard_error: float
    degrees_of_freedom: float
    p: float
    p_holm: float
    mcnemar: tuple[McNemar, ...]
    detectable: float
    seed_sd: float | None


def compare_all(outcomes: Mapping[str, Mapping[int, Outcomes]], baseline: str) -> list[Comparison]:
    """Compares every other variant with the baseline: one family; see `compare`."""
    if baseline not in outcomes:
        raise InputError(f"baseline {baseline} is none of {', '.join(outcomes)}")
    return compare(outcomes, [(name, baseline) for name in outcomes if name != baseline])


def compare(
    outcomes: Mapping[str, Mapping[int, Outcomes]], pairs: Iterable[tuple[str, str]]
) -> list[Comparison]:
    """Compares variants, each with another one, over the seeds that both have.

    Args:
      outcomes: By variant, seed and question id: was the answer right?
      pairs: Names of a variant and of the one that it is compared with: its baseline.

    Returns:
      A comparison for every pair that shares a seed, in the order of `pairs`. Holm's correction is
      over all that are returned, as one family.

    Raises:
      InputError: if runs were asked different questions, or fewer than two.
    """
    compared = [
        _compare(variant, outcomes[variant], baseline, outcomes[baseline])
        for variant, baseline in pairs
        if outcomes.get(variant, {}).keys() & outcomes.get(baseline, {}).keys()
    ]
    corrected = holm([comparison.p for comparison in compared])
    return [
        dataclasses.replace(comparison, p_holm=p)
        for comparison, p in zip(compared, corrected, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrects p-values of one family, in their order, by Holm's step-down procedure (1979)."""
    order = np.argsort(p_values, kind="stable")
    stepped = np.array(p_values)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected.tolist()


def mcnemar(seed: int, variant: np.ndarray, baseline: np.ndarray) -> McNemar:
    """Tests one seed exactly; `variant` and `baseline` are bool [questions]."""
    only_variant, only_baseline = int((variant & ~baseline).sum()), int((baseline & ~variant).sum())
    differing = only_variant + only_baseline
    p = stats.binomtest(only_variant, differing).pvalue if differing else 1.0
    return McNemar(seed, only_variant, only_baseline, float(p))


def _compare(
    variant: str, runs: Mapping[int, Outcomes], baseline: str, others: Mapping[int, Outcomes]
) -> Comparison:
    seeds = sorted(runs.keys() & others.keys())
    names = [f"{name} (seed {seed})" for name in (variant, baseline) for seed in seeds]
    every = [runs[seed] for seed in seeds] + [others[seed] for seed in seeds]
    right, base = np.split(paired(every, names), 2)  # each [seeds, questions]
    if right.shape[1] < 2:
        raise InputError("one question is too few to compare on; evaluate a split with more")
    mean = mean_of_crossed(right.astype(float) - base)
    difference, half, p = float(mean.estimate), float(mean.half_width()), float(mean.p_value())
    error, degrees = float(mean.standard_error), float(mean.degrees_of_freedom)
    return Comparison(
        variant=variant,
        baseline=baseline,
        seeds=tuple(seeds),
        unpaired=tuple(sorted(runs.keys() ^ others.keys())),
        questions=right.shape[1],
        difference=difference,
        low=max(difference - half, -1.0),
        high=min(difference + half, 1.0),
        label=THESE_SEEDS if len(seeds) < SEEDS_TO_GENERALISE else SEEDS_AND_QUESTIONS,
        standard_error=error,
        degrees_of_freedom=degrees,
        p=p,
        p_holm=p,  # as long as nothing else is compared
        mcnemar=tuple(mcnemar(seed, *rows) for seed, *rows in zip(seeds, right, base, strict=True)),
        detectable=detectable_effect(error, degrees),
        seed_sd=float(mean.seed_sd) if len(seeds) > 1 else None,
    )
