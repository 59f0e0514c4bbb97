"""Variants made from axes, and their combinations."""

import pytest

from configs.default import get_config as default_config
from cotjax.errors import InputError
from cotjax.study.axes import along, cross
from cotjax.study.definition import Study, Variant
from cotjax.study.grid import plan

ORDERS = (
    Variant("label_first", "label first", {"data.order": "label_first"}),
    Variant("rationale_first", "rationale first", {"data.order": "rationale_first"}),
)
MASKED = along(
    "data.perturbation.fraction",
    (0.25, 0.5),
    name="mask",
    title="{:.0%} masked",
    also={"data.perturbation.name": "mask"},
)


def test_values_along_a_field():
    assert (
        Variant(
            "mask-0.25",
            "25% masked",
            {"data.perturbation.name": "mask", "data.perturbation.fraction": 0.25},
            {"fraction": 0.25},
        ),
        Variant(
            "mask-0.5",
            "50% masked",
            {"data.perturbation.name": "mask", "data.perturbation.fraction": 0.5},
            {"fraction": 0.5},
        ),
    ) == MASKED


def test_crossed_axes_make_every_combination_once():
    crossed = cross(ORDERS, MASKED)
    assert [variant.name for variant in crossed] == [
        "label_first-mask-0.25", "label_first-mask-0.5",
        "rationale_first-mask-0.25", "rationale_first-mask-0.5",
    ]  # fmt: skip
    assert crossed[1].title == "label first, 50% masked"
    assert crossed[1].overrides == ORDERS[0].overrides | MASKED[1].overrides
    assert crossed[1].axes == {"fraction": 0.5}


def test_crossed_variants_are_runs():
    runs = plan(Study("Which?", default_config(), cross(ORDERS, MASKED), seeds=(4,)))
    assert [run.folder for run in runs][1] == "runs/label_first-mask-0.5-seed4"
    assert [run.config.data.perturbation.fraction for run in runs] == [0.25, 0.5] * 2
    assert [run.config.data.order for run in runs][1:3] == ["label_first", "rationale_first"]


def test_an_axis_may_have_a_name_of_its_own():
    (one,) = along("data.selection.k", (4,), name="n", title="{} samples", axis="samples")
    assert (one.name, one.axes) == ("n-4", {"samples": 4})


def test_what_members_are_compared_with_is_in_their_place():
    intact = Variant("intact", "intact", {})
    masked = along(
        "data.perturbation.fraction", (0.5,), name="mask", title="masked", against="intact"
    )
    crossed = cross(ORDERS, (intact, *masked))
    assert {variant.name: variant.against for variant in crossed} == {
        "label_first-intact": (),
        "label_first-mask-0.5": ("label_first-intact",),
        "rationale_first-intact": (),
        "rationale_first-mask-0.5": ("rationale_first-intact",),
    }


@pytest.mark.parametrize(
    ("first", "second", "against"),
    [
        ("a", "x", ("a-x",)),
        (("a", "c"), (), ("a-y", "c-y")),
        (("a", "c"), ("x", "z"), ("a-x", "a-z", "c-x", "c-z")),
        ((), (), ()),
    ],
)
def test_of_several_that_members_are_compared_with_every_combination_is(first, second, against):
    members = Variant("b", "b", {}, against=first), Variant("y", "y", {}, against=second)
    (both,) = cross(*([member] for member in members))
    assert both.against == against


def test_two_axes_of_one_field_are_refused():
    with pytest.raises(InputError, match=r"mask-0\.25 and mask-0\.25 .* set config\.data\.pert"):
        cross(MASKED, MASKED)
