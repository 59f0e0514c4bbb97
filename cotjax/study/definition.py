"""What a study file says: variants of one base config, seeds, and how they are compared.

Nothing here imports JAX or TensorFlow, so a mistake is told in the first second.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections.config_dict import ConfigDict


@dataclasses.dataclass(frozen=True)
class Variant:
    """One of the things that a study compares.

    Attributes:
      name: Names its runs: lower-case letters, digits, underscores, and single `-` and `.` inside.
      title: What the report calls it.
      overrides: Values for fields of the base config, by dotted name, such as
        `{"data.words.k": 2}`.
      axes: Where it stands on the axes of plots, such as `{"fraction": 0.5}`; see `axes.along`.
      against: Names of the variants that it is compared with besides the study's baseline, such as
        the intact form of what it damages; a single one may stand without a tuple.
    """

    name: str
    title: str
    overrides: Mapping[str, Any]
    axes: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    against: str | tuple[str, ...] | None = ()

    def __post_init__(self):
        """Makes a tuple of a single name, and of none."""
        names = (self.against,) if isinstance(self.against, str) else tuple(self.against or ())
        object.__setattr__(self, "against", names)


@dataclasses.dataclass(frozen=True)
class Tuning:
    """Settings among which every variant chooses its own, on validation questions.

    Attributes:
      grid: Values to try, by the dotted name of a field; all combinations are run.
      seeds: Of these runs; none of them is a seed of the study.
    """

    grid: Mapping[str, Sequence[Any]]
    seeds: tuple[int, ...]

    def settings(self) -> list[dict[str, Any]]:
        """Every combination of the grid's values; the last field changes fastest."""
        values = itertools.product(*self.grid.values())
        return [dict(zip(self.grid, chosen, strict=True)) for chosen in values]


@dataclasses.dataclass(frozen=True)
class Study:
    """What a study file's `get_config()` returns.

    Attributes:
      title: Heads the report.
      base: The config that all runs share, but for what a variant overrides and the seed. It could
        be run by itself.
      variants: What is compared, in the order of the report.
      seeds: Every variant is run with each of them.
      about: Paragraphs for the report: what is asked and how.
      caveats: What a reader of the numbers must know.
      baseline: Name of the variant that the others are compared with; by default the first.
      budget: What all runs have alike. `steps`: each takes those of its config. `examples`,
        `tokens` (supervised ones) or `flops`: each ends at the first step that has as many as the
        baseline's run of the same seed, with its schedule stretched to that length.
      tuning: What every variant chooses for itself before it is compared.
      samples: How many sampled answers to a test question vote, of students that say a rationale
        before their label (see evaluation/voting.py); None for no vote beside the greedy answer.
    """

    title: str
    base: ConfigDict
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    about: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    baseline: str | None = None
    budget: str = "steps"
    tuning: Tuning | None = None
    samples: int | None = None

    @property
    def baseline_variant(self) -> Variant:
        """The variant that the others are compared with."""
        named = {variant.name: variant for variant in self.variants}
        return named[self.baseline] if self.baseline else self.variants[0]

    @property
    def families(self) -> dict[str, list[tuple[str, str]]]:
        """Names of variants and of what each is compared with, by their place in results.json.

        Every variant is compared with the baseline, and those that name others with these.
        """
        baseline = self.baseline_variant.name
        return {
            "comparisons": [(v.name, baseline) for v in self.variants if v.name != baseline],
            "comparisons_against": [(v.name, other) for v in self.variants for other in v.against],
        }
