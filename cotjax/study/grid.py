"""The runs of a study: named variants of one base config, each with the same seeds.

Nothing here imports JAX or TensorFlow, so a mistake is told in the first second.
"""

import copy
import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections.config_dict import ConfigDict

from cotjax import config as configs
from cotjax.config_checks import nearest
from cotjax.errors import InputError
from cotjax.study.definition import Study, Variant
from cotjax.targets.orders import ORDERS

STEPS = "schedule.total_steps"
BUDGETS = ("steps", "examples", "tokens", "flops")
NAME = r"[a-z0-9_]+([-.][a-z0-9_]+)*"  # also of a folder, and never `..`


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
        _check_variant(study, variant)
        _check_against(study, variant)


def _check_variant(study: Study, variant: Variant) -> None:
    """Refuses what is wrong with a variant before its fields are looked at."""
    if not re.fullmatch(NAME, variant.name):
        words = "use lower-case letters, digits, underscores, and - or . inside"
        raise InputError(f"variant {variant.name!r}: {words}")
    if study.budget != "steps" and STEPS in variant.overrides:
        raise InputError(
            f"variant {variant.name!r}: config.{STEPS} follows from the study's budget "
            f"{study.budget!r}"
        )


def _check_against(study: Study, variant: Variant) -> None:
    """Refuses what it can't be compared with, and a comparison that would stand twice."""
    variants = {one.name: one for one in study.variants}
    for name in variant.against:
        named = f"variant {variant.name!r}: against={name!r}"
        if name not in variants:
            raise InputError(f"{named} is no variant{nearest(name, list(variants))}")
        if name == variant.name:
            raise InputError(f"{named} is itself; name another variant")
        if study.baseline_variant.name in (variant.name, name):
            raise InputError(f"{named}: every variant is compared with the baseline; leave it out")
        if variant.against.count(name) > 1 or variant.name in variants[name].against:
            raise InputError(f"{named}: the two are compared already; name them once")


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
