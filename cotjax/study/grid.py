"""What a study compares: named variants of one base config, each with the same seeds.

Nothing here imports JAX or TensorFlow, so a mistake is told in the first second.
"""

import copy
import dataclasses
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections.config_dict import ConfigDict

from cotjax import config as configs
from cotjax.config_checks import nearest
from cotjax.errors import InputError
from cotjax.targets.orders import ORDERS

STEPS = "schedule.total_steps"
BUDGETS = ("steps", "examples", "tokens", "flops")
NAME = r"[a-z0-9_]+([-.][a-z0-9_]+)*"  # also of a folder, and never `..`


@dataclasses.dataclass(frozen=True)
class Variant:
    """One of the things that a study compares.

    Attributes:
      name: Names its runs: lower-case letters, digits, underscores, and single `-` and `.` inside.
      title: What the report calls it.
      overrides: Values for fields of the base config, by dotted name, such as
        `{"data.words.k": 2}`.
      axes: Where it stands on the axes of plots, such as `{"fraction": 0.5}`; see `axes.along`.
      against: Name of the variant that it is compared with besides the study's baseline, such as
        the intact form of what it damages.
    """

    name: str
    title: str
    overrides: Mapping[str, Any]
    axes: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    against: str | None = None


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


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of a study.

    Attributes:
      variant, seed: Of the run.
      config: All that is trained.
      settings: What tuning tries or has chosen; empty without.
      group: Folder beside others of its kind: `runs`, `tuning`, or `shared` (tuned settings that
        are the same for all variants).
    """

    variant: Variant
    seed: int
    config: ConfigDict
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    group: str = "runs"

    @property
    def can_vote(self) -> bool:
        """Whether its student says a rationale before its label, in which samples may differ."""
        return not ORDERS[self.config.data.order].answer.starts_with_label

    @property
    def name(self) -> str:
        """Unique in its group."""
        tried = f"-{_spell(self.settings)}" if self.group == "tuning" else ""
        return f"{self.variant.name}{tried}-seed{self.seed}"

    @property
    def folder(self) -> str:
        """Where it stands in the study's workdir."""
        return f"{self.group}/{self.name}"

    @property
    def spoken(self) -> str:
        """What it is called to people: its folder, but for the group that all studies have."""
        return self.folder.removeprefix("runs/")


def load(path: str | os.PathLike) -> Study:
    """Reads a study file, and refuses what could not be run.

    Raises:
      InputError: naming the variant and the field that is unknown, of a wrong type or refused.
    """
    study = configs.read(path)
    if not isinstance(study, Study):
        raise InputError(f"--config={path}: get_config() must return a cotjax.study.grid.Study")
    plan(study)
    plan_tuning(study)
    return study


def is_small(form: str) -> bool:
    """Whether a study file is asked for its `:small` form; for `get_config(form="full")`.

    Raises:
      InputError: for any other form than `small` and `full`.
    """
    if form not in ("full", "small"):
        raise InputError(f"there is no form {form!r}; write FILE.py or FILE.py:small")
    return form == "small"


def plan(study: Study) -> list[PlannedRun]:
    """The runs that are compared, untuned and at the length that their configs say.

    The first seed of all variants comes first.

    Raises:
      InputError: naming the variant and the field that is unknown, of a wrong type or refused.
    """
    _check_study(study)
    runs = [
        PlannedRun(variant, seed, config_of(study.base, variant, seed))
        for seed in study.seeds
        for variant in study.variants
    ]
    if study.samples is not None and not any(run.can_vote for run in runs):
        raise InputError(
            f"the study's samples={study.samples}: no variant says a rationale before its label"
        )
    return runs


def plan_tuning(study: Study) -> list[PlannedRun]:
    """The runs among which variants choose; none where a study tunes nothing.

    Raises:
      InputError: for a grid that could not be run, or that a variant or the budget contradicts.
    """
    tuning = study.tuning
    if tuning is None:
        return []
    _refuse_repeats("tuning seeds", tuning.seeds)
    if both := set(tuning.seeds) & set(study.seeds):
        raise InputError(f"the study's tuning has seed {min(both)}: use others than are compared")
    if study.budget != "steps" and STEPS in tuning.grid:
        raise InputError(
            f"the study's tuning: config.{STEPS} follows from the budget {study.budget!r}"
        )
    for field, values in tuning.grid.items():
        _refuse_repeats(f"tuning values of {field}", values)
    for variant in study.variants:
        for field in tuning.grid.keys() & variant.overrides.keys():
            raise InputError(f"variant {variant.name!r} sets config.{field}, which is tuned")
    return [
        PlannedRun(
            variant, seed, config_of(study.base, variant, seed, settings), settings, "tuning"
        )
        for seed in tuning.seeds
        for settings in tuning.settings()
        for variant in study.variants
    ]


def config_of(
    base: ConfigDict, variant: Variant, seed: int, settings: Mapping[str, Any] | None = None
) -> ConfigDict:
    """The base config with a variant's overrides, tuned settings and a seed, validated."""
    config = copy.deepcopy(base)  # a resolved copy would forget the types of unset fields
    try:
        for name, value in {**variant.overrides, **(settings or {})}.items():
            configs.set_field(config, name, value)
            _refuse_shared(name)
        configs.set_field(config, "seed", seed)
        configs.validate(config)
    except InputError as error:
        raise InputError(f"variant {variant.name!r}: {error}") from None
    if "test" in config.evaluation.splits:
        raise InputError(
            "config.evaluation.splits holds 'test': a study asks the test questions once, at the "
            "end of every run"
        )
    return config


def _check_study(study: Study) -> None:
    """Refuses what no variant could be run with, and names that could not be told apart."""
    try:
        configs.validate(study.base)
    except InputError as error:
        raise InputError(f"the study's base: {error}") from None
    names = [variant.name for variant in study.variants]
    _refuse_repeats("variants", names)
    _refuse_repeats("seeds", study.seeds)
    if study.baseline not in (None, *names):
        raise InputError(
            f"the study's baseline {study.baseline!r} is no variant{nearest(study.baseline, names)}"
        )
    if study.samples is not None and study.samples < 1:
        raise InputError(f"the study's samples={study.samples}: must be 1 or more")
    if study.budget not in BUDGETS:
        raise InputError(f"the study's budget {study.budget!r} is not one of {', '.join(BUDGETS)}")
    for variant in study.variants:
        _check_variant(study, variant, names)


def _check_variant(study: Study, variant: Variant, names: Sequence[str]) -> None:
    """Refuses what is wrong with a variant before its fields are looked at."""
    if not re.fullmatch(NAME, variant.name):
        words = "use lower-case letters, digits, underscores, and - or . inside"
        raise InputError(f"variant {variant.name!r}: {words}")
    if variant.against == variant.name:
        raise InputError(f"variant {variant.name!r}: against names itself; name another variant")
    if variant.against not in (None, *names):
        named = f"variant {variant.name!r}: against={variant.against!r}"
        raise InputError(f"{named} is no variant{nearest(variant.against, names)}")
    if study.budget != "steps" and STEPS in variant.overrides:
        raise InputError(
            f"variant {variant.name!r}: config.{STEPS} follows from the study's budget "
            f"{study.budget!r}"
        )


def _refuse_shared(name: str) -> None:
    """What all variants share, or else they could not be compared."""
    if name == "seed":
        raise InputError("config.seed: seeds belong in the study's own field `seeds`")
    if name.startswith("task.") and name != "task.label_format":
        raise InputError(f"config.{name}: all variants answer the same questions, of the base")


def _spell(settings: Mapping[str, Any]) -> str:
    """Settings as part of a folder's name."""
    pairs = (f"{field.rpartition('.')[2]}={value}" for field, value in settings.items())
    return re.sub(r"[^\w.,=+-]", "_", ",".join(pairs))


def _refuse_repeats(field: str, values: Sequence) -> None:
    if not values:
        raise InputError(f"the study's {field} are empty: name at least one")
    repeated = [value for value in values if values.count(value) > 1]
    if repeated:
        raise InputError(f"the study's {field} name {repeated[0]!r} more than once")
