"""docs/targets.md draws every target, and tells how often steps are cut wrongly."""

import itertools

import pytest

from cotjax.config_rules import CHOICES
from cotjax.targets.orders import ORDERS
from cotjax.targets.perturb import PERTURBATIONS
from tests.targets import drawn_targets as drawn
from tests.targets.cut_by_hand import agreement, rate_rows


@pytest.fixture(scope="module")
def tables(repository):
    """The rows of each table of the page, without its head, by the heading above."""
    text = (repository / "docs" / "targets.md").read_text("utf-8")
    sections = [part.partition("\n") for part in text.replace("`", "").split("\n## ")[1:]]
    return {
        heading: [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in body.splitlines()
            if line.startswith("|")
        ][2:]
        for heading, _, body in sections
    }


def test_the_page_names_all_there_is(tables):
    named = [
        {row[0].partition(",")[0] for row in rows} for rows in itertools.islice(tables.values(), 3)
    ]
    assert named == [set(ORDERS), set(CHOICES["data.words.name"]), set(PERTURBATIONS)]


def test_orders_are_drawn_as_they_are(tables):
    for name, _, *cells in tables["Orders: data.order"]:
        asked, rationale = drawn.QUESTIONS[0], drawn.RATIONALES[0]
        replies = drawn.said_in_order(name)
        found = [" / ".join(column) for column in zip(*replies, strict=True)]
        assert [t.replace(rationale, "R").replace(asked, "Q") for t in found] == cells


def test_words_are_drawn_as_they_are(tables):
    for name, _, example in tables["Words: data.words.name"]:
        assert drawn.words_that_stay(name) == example


def test_perturbations_are_drawn_as_they_are(tables):
    for name, _, example in tables["Perturbations: data.perturbation.name"]:
        assert drawn.perturbed(name) == example


def test_error_rates_are_those_of_the_rows_that_were_read(tables, shared):
    assert tables["Steps"] == rate_rows(shared)


def test_the_other_rows_are_counted_as_they_are(repository, shared):
    text = " ".join((repository / "docs" / "targets.md").read_text("utf-8").split())
    by, checked = (agreement(shared, [use]) for use in ("tuning", "held out"))
    assert f"has {by.rationales + checked.rationales} by which the rules were written" in text
    assert f"({by.wrong} of {by.rationales} wrong)" in text
    assert f"checked ({checked.wrong} of {checked.rationales})" in text
