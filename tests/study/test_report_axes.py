"""Which variants make a line along an axis, and where their points stand."""

import pytest

from cotjax.study import report_axes
from cotjax.study.axes import along as variants_along
from cotjax.study.axes import cross
from cotjax.study.definition import Variant
from cotjax.study.report_axes import axes_figures, common_words, lines_on
from tests.study.drawn import results

ORDERS = (
    Variant("lf", "label first", {"data.order": "label_first"}),
    Variant("rf", "rationale first", {"data.order": "rationale_first"}),
)
MASKED = variants_along(
    "data.perturbation.fraction",
    (0.25, 0.5),
    name="mask",
    title="{:.0%} masked",
    also={"data.perturbation.name": "mask"},
)
KEPT = variants_along("data.words.k", (1, 2), name="kept", title="{} words")


@pytest.mark.parametrize(
    ("variants", "axis", "lines"),
    [
        (MASKED, "fraction", ["mask-0.25 mask-0.5"]),
        (
            cross(ORDERS, MASKED),
            "fraction",
            ["lf-mask-0.25 lf-mask-0.5", "rf-mask-0.25 rf-mask-0.5"],
        ),
        (cross(MASKED, KEPT), "k", ["mask-0.25-kept-1 mask-0.25-kept-2",
                                    "mask-0.5-kept-1 mask-0.5-kept-2"]),
        ((*ORDERS, *KEPT), "k", ["kept-1 kept-2"]),
    ],
)  # fmt: skip
def test_a_line_differs_in_nothing_but_its_axis(variants, axis, lines):
    described = [vars(variant) for variant in variants]
    found = lines_on(described, axis)
    assert [" ".join(one["name"] for one in line) for line in found] == lines


@pytest.mark.parametrize(
    ("titles", "name"),
    [
        (["label first, 25% masked", "label first, 50% masked"], "label first, … masked"),
        (["label first, 5 key words", "label first, 20 key words"], "label first, … key words"),
        (["label first, words 1 to 1", "label first, words 1 to 2"], "label first, words 1 to …"),
        (["five words", "twenty two words"], "… words"),
        (["one", "two"], "axis"),
    ],
)
def test_a_line_is_named_by_what_its_titles_share(titles, name):
    assert common_words(titles, "axis") == name


@pytest.fixture
def drawn(monkeypatch):
    """What the last figure was drawn from."""
    drawn = {}

    def draw(series, name, words, limits, guesses):
        drawn.update(series=series, name=name, words=words, guesses=guesses)
        return ""

    monkeypatch.setattr(report_axes, "along_axis", draw)
    return drawn


def test_the_interval_of_the_difference_stands_on_the_line_of_the_baseline(drawn):
    axes_figures(results())
    ((number, (plain, first)),) = drawn["series"].items()
    assert number == 0  # the first variant's colour and shape
    assert (drawn["name"], drawn["words"]) == ("fraction", [])
    assert (plain.value, plain.rates, plain.interval) == (0.25, (0.5, 0.54), None)
    assert (first.value, first.mean) == (0.5, pytest.approx(0.94))
    assert first.interval == pytest.approx((0.52 + 0.31, 0.52 + 0.53))
    assert drawn["guesses"] == {"majority": 0.52, "baseline: label only": pytest.approx(0.52)}


def test_with_unpaired_seeds_an_interval_tells_whether_the_two_differ(drawn):
    found = results()
    found["runs"] = [run for run in found["runs"] if (run["variant"], run["seed"]) != ("first", 0)]
    found["comparisons"][0] |= {"difference": 0.02, "low": -0.01, "high": 0.05}
    axes_figures(found)
    ((_, first),) = drawn["series"].values()
    assert first.mean == pytest.approx(0.98)
    low, high = first.interval
    assert low < drawn["guesses"]["baseline: label only"] < high


def test_words_on_an_axis_stand_side_by_side():
    found = results()
    for variant, teacher in zip(found["variants"], ("palm", "gpt <4>"), strict=True):
        variant["axes"] = {"teacher": teacher}
    text = axes_figures(found)
    assert ">palm</text>" in text
    assert ">gpt &lt;4&gt;</text>" in text


def test_one_place_on_an_axis_is_no_figure():
    found = results()
    for variant in found["variants"]:
        variant["axes"] = {"fraction": 0.5}
    assert axes_figures(found) == ""
