"""How often intervals hold the true difference, by simulation: `python -m tests.study.coverage`.

Prints the tables of docs/statistics.md, in about a minute on one idle core.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from scipy import optimize, stats

from cotjax.study.intervals import mean_of_crossed, mean_squares

SEEDS = (2, 3, 5, 10)
SEED_SDS = (0.0, 0.02, 0.05)
REPETITIONS = 5_000  # 95 % is then known to 0.3 points
BOOTSTRAPS = 400
ENOUGH = 0.93
BLOCK = 250  # repetitions at a time, for memory

# From tables [repetitions, seeds, questions] to the ends of intervals, each [repetitions].
Method = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class World:
    """Where the truth is known: an answer is right if a sum of normal variables is positive.

    Attributes:
      title: For the table.
      questions: Of the test set, drawn anew in each repetition, like the seeds.
      accuracies: True ones of baseline and variant, over all seeds and questions.
      difficulty: Share of the variance that a question has in both variants.
      taste: Share that a question has in one variant, so in all its seeds.
    """

    title: str
    questions: int = 300
    accuracies: tuple[float, float] = (0.5, 0.6)
    difficulty: float = 0.45
    taste: float = 0.15

    @property
    def difference(self) -> float:
        """The true one: the sums have variance 1 and the accuracies' quantiles as their mean."""
        return self.accuracies[1] - self.accuracies[0]

    def draw(self, rng: np.random.Generator, size: int, seeds: int, seed_sd: float) -> np.ndarray:
        """Draws `size` tables of differences, [size, seeds, questions].

        Args:
          seed_sd: Standard deviation of the difference between seeds, of infinitely many questions.
        """
        of_seed = self._of_seed(seed_sd)
        rest = np.sqrt(1 - self.difficulty - self.taste - of_seed**2)
        shape = (size, 1, self.questions)
        shared = np.sqrt(self.difficulty) * rng.standard_normal(shape, np.float32)
        baseline, variant = (
            stats.norm.ppf(accuracy)
            + shared
            + np.sqrt(self.taste) * rng.standard_normal(shape, np.float32)
            + of_seed * rng.standard_normal((size, seeds, 1), np.float32)
            + rest * rng.standard_normal((size, seeds, self.questions), np.float32)
            > 0
            for accuracy in self.accuracies
        )
        return variant.astype(np.float64) - baseline

    def _of_seed(self, seed_sd: float) -> float:
        """The standard deviation in the sum that makes `seed_sd` in the difference."""
        points, weights = np.polynomial.hermite_e.hermegauss(60)
        weights = weights / weights.sum()

        def excess(of_seed: float) -> float:
            variance = 0.0
            for mean in stats.norm.ppf(self.accuracies):
                by_seed = stats.norm.cdf((mean + of_seed * points) / np.sqrt(1 - of_seed**2))
                variance += weights @ by_seed**2 - (weights @ by_seed) ** 2
            return variance - seed_sd**2

        return optimize.brentq(excess, 0.0, 0.6) if seed_sd else 0.0


WORLDS = (
    World("300 questions, accuracies 50 % and 60 %"),
    World("1,200 questions, accuracies 50 % and 60 %", questions=1_200),
    World("300 questions on which seeds hardly differ", taste=0.4),
    World("300 questions, accuracies 97 % and 98 %", accuracies=(0.97, 0.98)),
)


def coverage(
    methods: Sequence[Method], world: World, seeds: int, seed_sd: float, repetitions: int
) -> list[tuple[float, float]]:
    """Of every method: the share of intervals that hold the true difference; median width."""
    rng = np.random.default_rng([seeds, round(1_000 * seed_sd), world.questions])
    ends = []
    for _ in range(repetitions // BLOCK):
        drawn = world.draw(rng, BLOCK, seeds, seed_sd)
        ends.append([method(drawn) for method in methods])  # [methods, 2, BLOCK]
    low, high = np.concatenate(ends, axis=-1).swapaxes(0, 1)
    held = (low <= world.difference) & (world.difference <= high)
    return list(zip(held.mean(1).tolist(), np.median(high - low, axis=1).tolist(), strict=True))


def ours(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of `cotjax.study.intervals`."""
    mean = mean_of_crossed(table)
    return mean.estimate - mean.half_width(), mean.estimate + mean.half_width()


def negative_kept(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same where the estimate of a variance may be negative."""
    seeds, questions = table.shape[-2:]
    a, b, c = mean_squares(table)
    square = np.maximum(a + b - c, 1e-12)
    spread = a**2 / (seeds - 1) + b**2 / (questions - 1) + c**2 / (seeds - 1) / (questions - 1)
    degrees = np.maximum(square**2 / np.maximum(spread, 1e-24), min(seeds, questions) - 1)
    half = stats.t.ppf(0.975, degrees) * np.sqrt(square / (seeds * questions))
    return table.mean((-2, -1)) - half, table.mean((-2, -1)) + half


def separate(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half-widths of seeds and questions, each by its own t, added in squares (Howe 1974)."""
    seeds, questions = table.shape[-2:]
    of_seeds, of_questions, residual = mean_squares(table)
    square = stats.t.ppf(0.975, seeds - 1) ** 2 * of_seeds
    square += stats.t.ppf(0.975, questions - 1) ** 2 * np.maximum(of_questions - residual, 0)
    half = np.sqrt(square / (seeds * questions))
    return table.mean((-2, -1)) - half, table.mean((-2, -1)) + half


def bootstrap(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of means of seeds and questions that are drawn with replacement."""
    rng = np.random.default_rng(0)
    by_seed, by_question = (
        rng.multinomial(size, np.full(size, 1 / size), BOOTSTRAPS).astype(np.float32) / size
        for size in table.shape[-2:]
    )
    means = by_seed[:, None] @ (table.astype(np.float32) @ by_question.T).transpose(2, 1, 0)
    low, high = np.quantile(means[:, 0], (0.025, 0.975), axis=0)  # of [bootstraps, repetitions]
    return low, high


METHODS: Mapping[str, Method] = {
    "cotjax": ours,
    "negative variances kept": negative_kept,
    "a t each": separate,
    "bootstrap": bootstrap,
}


def table(world: World, repetitions: int = REPETITIONS) -> Iterator[str]:
    """The lines of a table in Markdown: coverage and median width of every method."""
    yield f"**{world.title}**"
    yield ""
    yield f"| seeds | seed s.d. | {' | '.join(METHODS)} |"
    yield "|---:|---:|" + "---:|" * len(METHODS)
    for seeds, seed_sd in itertools.product(SEEDS, SEED_SDS):
        found = coverage(list(METHODS.values()), world, seeds, seed_sd, repetitions)
        cells = " | ".join(_cell(share, width) for share, width in found)
        yield f"| {seeds} | {100 * seed_sd:.0f} | {cells} |"
    yield ""


def _cell(share: float, width: float) -> str:
    """Coverage in percent, bold where it falls short, and width in points."""
    mark = "**" if share < ENOUGH else ""
    return f"{mark}{100 * share:.1f}{mark} ({100 * width:.1f})"


if __name__ == "__main__":
    for world in WORLDS:
        for line in table(world):
            print(line, flush=True)
