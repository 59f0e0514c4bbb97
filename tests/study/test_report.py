"""The page: complete in itself, and with every number of the results."""

import html.parser
import io
import re

import pytest
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
    for number in ("50.0 54.0", "90.0 98.0", "94.0", "52.0"):
        assert number in text
