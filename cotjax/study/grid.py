"""What a study compares: named variants of one base config, each with the same seeds.

Nothing here imports JAX or TensorFlow, so a mistake is told in the first second.
"""

import copy
import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any

from ml_collections.config_dict import ConfigDict

from cotjax import config as configs
from cotjax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Variant:
    """One of the things that a study compares.

    Attributes:
      name: Names its runs: lower-case letters, digits and underscores.
      title: What the report calls it.
      overrides: Values for fields of the base config, by dotted name, such as
        `{"data.words.k": 2}`.
    """

    name: str
    title: str
    overrides: Mapping[str, Any]


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
    """

    title: str
    base: ConfigDict
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    about: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of a study; `name` is also its folder's."""

    variant: Variant
    seed: int
    config: ConfigDict

    @property
    def name(self) -> str:
        """Unique in the study."""
        return f"{self.variant.name}-seed{self.seed}"


def load(path: str | os.PathLike) -> Study:
    """Reads a study file, and refuses what could not be run.

    Raises:
      InputError: naming the variant and the field that is unknown, of a wrong type or refused.
    """
    study = configs.read(path)
    if not isinstance(study, Study):
        raise InputError(f"--config={path}: get_config() must return a cotjax.study.grid.Study")
    plan(study)
    return study


def plan(study: Study) -> list[PlannedRun]:
    """The runs of a study, seed by seed, so that the first seed of all variants comes first."""
    try:
        configs.validate(study.base)
    except InputError as error:
        raise InputError(f"the study's base: {error}") from None
    names = [variant.name for variant in study.variants]
    _refuse_repeats("variants", names)
    _refuse_repeats("seeds", study.seeds)
    for name in names:
        if not re.fullmatch("[a-z0-9_]+", name):
            raise InputError(f"variant {name!r}: use lower-case letters, digits and underscores")
    return [
        PlannedRun(variant, seed, config_of(study.base, variant, seed))
        for seed in study.seeds
        for variant in study.variants
    ]


def config_of(base: ConfigDict, variant: Variant, seed: int) -> ConfigDict:
    """The base config with a variant's overrides and a seed, validated."""
    config = copy.deepcopy(base)  # a resolved copy would forget the types of unset fields
    try:
        for name, value in variant.overrides.items():
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


def _refuse_shared(name: str) -> None:
    """What all variants share, or else they could not be compared."""
    if name == "seed":
        raise InputError("config.seed: seeds belong in the study's own field `seeds`")
    if name.startswith("task.") and name != "task.label_format":
        raise InputError(f"config.{name}: all variants answer the same questions, of the base")


def _refuse_repeats(field: str, values: tuple | list) -> None:
    if not values:
        raise InputError(f"the study's {field} are empty: name at least one")
    repeated = [value for value in values if values.count(value) > 1]
    if repeated:
        raise InputError(f"the study's {field} name {repeated[0]!r} more than once")
