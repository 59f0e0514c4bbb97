"""What may be said about the numbers of a study: little, as long as it has two seeds."""

import dataclasses
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cotjax.tasks.base import Question

ASKED = ("test", "train")  # of every finished run; validation was asked while it learned


@dataclasses.dataclass(frozen=True)
class OverSeeds:
    """One measure of a variant, a value a seed. There is no interval: it takes more seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the seeds' values."""
        return statistics.fmean(self.values)


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
    stands where every question has choices of its own.
    """
    answers = [
        question.choices.index(question.label) if question.choices else question.label
        for question in questions
    ]
    (_, right), total = Counter(answers).most_common(1)[0], len(answers)
    return {"accuracy": right / total, "num_questions": total}


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
