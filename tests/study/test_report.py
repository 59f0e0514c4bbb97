"""The page: complete in itself, and with every number of the results."""

import html.parser
import io
import re

import pytest
from matplotlib.axes import Axes
from rich.console import Console

from cotjax.study.report import comparison_table, page
from tests.study.drawn import results


@pytest.fixture(scope="module")
def text() -> str:
    return page(results())


LOADING = re.compile(r"""(?:src|href)\s*=\s*["'](?!#)|url\((?!#)|@import|<script|<link|<iframe""")


def test_the_page_needs_nothing_from_elsewhere(text):
    assert not LOADING.findall(text)
    assert text.count("<svg") == 3
    assert "var(--series-0)" in text
    assert "#fe0" not in text  # a stand-in colour that the page does not know


def test_the_page_is_well_formed(text):
    void, opened = {"meta", "br"}, []

    class Checker(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in void:
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Checker().feed(text)
    assert not opened


def test_the_page_shows_each_seed_and_what_must_be_said(text):
    for number in ("50.0", "54.0", "90.0", "98.0", "94.0", "82.0", "52.0", "0.645", "2.5"):
        assert f">{number}" in text
    assert "Little &amp; short." in text
    assert "said of first" in text
    assert "data.order = plain" in text


def test_what_a_variant_overrides_and_the_seed_are_not_shared(text):
    shared = text.partition("What all share")[2]
    assert "optimizer.learning_rate" in shared
    assert "data.order" not in shared
    assert "<th>seed</th>" not in shared


def test_the_page_tells_where_each_run_was_made(text):
    assert "cotjax 0.1.0, 1 x cpu; cotjax 0.1.0, 2 x cpu." in text


def test_the_seconds_of_each_seed_are_shown_and_a_dash_for_an_interrupted_run(text):
    assert "<span>–</span><span>10</span>" in text


def test_the_validation_plot_has_the_guess_of_its_own_questions(monkeypatch):
    drawn = []
    monkeypatch.setattr(Axes, "axhline", lambda _, height, **__: drawn.append(height))
    text = page(results())
    assert drawn == [pytest.approx(61)]
    assert "answers to 31 validation questions" in text


def test_the_checkpoint_of_the_results_is_named():
    text = page(results() | {"checkpoint": "best"})
    assert "of the best checkpoint of every run" in text


def test_titles_are_escaped(text):
    assert "label &lt;first&gt;" in text
    assert "<first>" not in text


def test_plots_have_ids_of_their_own(text):
    ids = re.findall(r' id="([^"]+)"', text)
    # matplotlib numbers its groups in every figure; what is referred to must be unique.
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert all(ids.count(name) == 1 for name in referred)


def test_the_table_for_the_terminal_has_the_same_numbers():
    console = Console(file=io.StringIO(), width=80)
    console.print(comparison_table(results()))
    text = console.file.getvalue()
    for number in ("50.0 54.0", "90.0 98.0", "94.0", "52.0", "– 10"):
        assert number in text
