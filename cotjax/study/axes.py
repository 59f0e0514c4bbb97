"""Variants from axes: one thing that varies, and all combinations of several such things.

ORDERS = (
    Variant("label_first", "label first", {"data.order": "label_first"}),
    Variant("rationale_first", "rationale first", {"data.order": "rationale_first"}),
)
MASKED = along(
    "data.perturbation.fraction", (0.25, 0.5), name="mask", title="{:.0%} masked",
    also={"data.perturbation.name": "mask"},
)
cross(ORDERS, MASKED)  # label_first-mask-0.25, label_first-mask-0.5, rationale_first-...
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from cotjax.errors import InputError
from cotjax.study.definition import Variant


def along(
    field: str,
    values: Sequence[Any],
    *,
    name: str,
    title: str,
    axis: str | None = None,
    also: Mapping[str, Any] | None = None,
    against: str | tuple[str, ...] | None = (),
) -> tuple[Variant, ...]:
    """A variant a value of one field.

    Args:
      field: Dotted name of the field that varies.
      values: It takes these.
      name: Begins the variants' names, before the value: `mask` makes `mask-0.5`.
      title: Names them in the report, with `{}` where the value goes.
      axis: The name of the axis in plots; by default the last part of the field's.
      also: What all of them override beside.
      against: What all of them are compared with besides the baseline.
    """
    axis = axis or field.rpartition(".")[2]
    return tuple(
        Variant(
            name=f"{name}-{value}",
            title=title.format(value),
            overrides={**(also or {}), field: value},
            axes={axis: value},
            against=against,
        )
        for value in values
    )


def cross(*groups: Sequence[Variant]) -> tuple[Variant, ...]:
    """All combinations of one variant from each group; the last group changes fastest.

    Where members name what they are compared with, a combination is compared with those that have
    these in their places: of `label_first` and a `mask` against `intact`, `label_first-mask` with
    `label_first-intact`. Of several names each is taken, in every combination.

    Raises:
      InputError: if two variants of a combination set the same field.
    """
    return tuple(map(_join, itertools.product(*groups)))


def _join(variants: Sequence[Variant]) -> Variant:
    overrides: dict[str, Any] = {}
    axes: dict[str, float | str] = {}
    for variant in variants:
        for field in variant.overrides.keys() & overrides.keys():
            names = " and ".join(one.name for one in variants)
            raise InputError(f"variants {names} are crossed, and several set config.{field}")
        overrides |= variant.overrides
        axes |= variant.axes
    name = "-".join(variant.name for variant in variants)
    title = ", ".join(variant.title for variant in variants)
    others = itertools.product(*(variant.against or (variant.name,) for variant in variants))
    against = tuple(other for names in others if (other := "-".join(names)) != name)
    return Variant(name, title, overrides, axes, against)
