"""The page: complete in itself, and with every number of the results."""

import copy
import html.parser
import io
import re
from typing import Any

import pytest
from matplotlib.axes import Axes
from rich.console import Console

from cotjax.study.report import page
from cotjax.study.terminal import comparison_table
from tests.study.drawn import against, results, tuned

SCRIPT = "<script>alert('$x$')</script>"
KEPT = {"right", "wrong", "unparsed", "over these seeds", "runs"}  # words of cotjax itself
NAMED = {
    "counts",
    "overrides",
    "base",
    "axes",
    "versions",
    "settings",
}  # whose keys come from users


@pytest.fixture(scope="module")
def text() -> str:
    return page(results())


def many(variants: int, seeds: int) -> dict[str, Any]:
    """As many copies of the second variant of the drawn results, compared with the first."""
    found = results()
    plain, first = found["variants"]
    runs = {run["variant"]: run for run in found["runs"]}
    names = [f"first{number}" for number in range(variants - 1)]
    found["variants"] = [plain, *(first | {"name": name, "title": name} for name in names)]
    found["runs"] = [
        runs["plain" if name == "plain" else "first"] | {"variant": name, "seed": seed}
        for name in ("plain", *names)
        for seed in range(seeds)
    ]
    of_seed = found["comparisons"][0]["mcnemar"][0]
    comparison = found["comparisons"][0] | {
        "seeds": list(range(seeds)),
        "unpaired": [],
        "mcnemar": [of_seed | {"seed": seed} for seed in range(seeds)],
        "label": "over these seeds" if seeds < 3 else "over seeds and questions",
        "seed_sd": None if seeds == 1 else 0.02,
    }
    found["comparisons"] = [comparison | {"variant": name} for name in names]
    found["differences"] = [one | {"variant": "first0"} for one in found["differences"]]
    return found | {"seeds": list(range(seeds)), "failed": [], "waiting": []}


LOADING = re.compile(r"""(?:src|href)\s*=\s*["'](?!#)|url\((?!#)|@import|<script|<link|<iframe""")


@pytest.fixture(scope="module", params=["plain", "tuned", "many", "against"])
def any_page(request) -> str:
    found = {"plain": results, "tuned": tuned, "many": lambda: many(9, 2), "against": against}
    return page(found[request.param]())


def test_the_page_needs_nothing_from_elsewhere(any_page):
    assert not LOADING.findall(any_page)
    assert "var(--series-0)" in any_page
    assert "#fe0" not in any_page  # a stand-in colour that the page does not know


def test_the_page_is_well_formed(any_page):
    void, opened = {"meta", "br"}, []

    class Checker(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in void:
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Checker().feed(any_page)
    assert not opened


def hostile(value: Any, inside: str = "") -> Any:
    """The same results with a script in every text that cotjax did not write."""
    if isinstance(value, dict):
        mark = SCRIPT if inside in NAMED else ""
        return {f"{key}{mark}": hostile(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [hostile(one, inside) for one in value]
    return value + SCRIPT if isinstance(value, str) and value not in KEPT else value


@pytest.mark.parametrize(
    "found", [tuned(), many(9, 1), against()], ids=["tuned", "many", "against"]
)
def test_whatever_comes_from_models_data_and_studies_is_escaped(found):
    text = page(hostile(found))
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(") > 40
    axis_labels = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    assert any("$x$" in label for label in axis_labels)  # not set as mathematics


def test_the_page_shows_each_seed_and_what_must_be_said(text):
    for number in ("50.0 54.0", "90.0 98.0", "94.0", "80.0 82.0", "81.0", "0.645", "2.5"):
        assert f">{number}<" in text
    assert "Little &amp; short." in text
    assert "said of first" in text
    assert "Every run takes 20 steps." in text


def test_a_comparison_is_shown_with_all_that_judges_it(text):
    cells = re.findall(r"<td>(.*?)</td>", text)
    assert any("+42.0" in cell and "+31.0 to +53.0" in cell for cell in cells)
    for cell in ("&lt; 0.001", "16.0", "43", "45", "5.50", "60.0", "2.00"):
        assert cell in cells
    assert "not on 2, which only one of the two has finished" in text


@pytest.mark.parametrize(
    ("seeds", "said"), [(1, True), (2, True), (3, False)], ids=["one", "two", "three"]
)
def test_few_seeds_are_told_from_enough(seeds, said):
    text = page(many(3, seeds))
    assert ("<small>over these seeds</small>" in text) == said
    assert ("With two it is wider than one’s" in text) == said


def test_examples_of_a_difference_stand_behind_its_number(text):
    place = re.search(r'<a href="#(differing-\d+)"><strong>\+42\.0', text)[1]
    block = text.partition(f'id="{place}"')[2].partition("</details>")[0]
    assert block.count("✓ right") == block.count("✗ wrong") == 2
    assert "c or &lt;d&gt; ?" in block
    assert '<span class="rationale">c &gt; d</span>' in block
    assert "no rationale of this question" in block


def test_links_lead_to_places_of_the_page(text):
    ids = re.findall(r' id="([^"]+)"', text)
    linked = re.findall(r'<a href="#([^"]+)"', text)
    assert linked
    assert all(ids.count(name) == 1 for name in linked)


def test_runs_that_are_not_there_are_listed_with_the_reason(text):
    assert "1 failed and 1 not finished" in text
    assert "interrupted at step 7" in text
    assert "has no records of split &#x27;train&#x27;" in text
    assert "What is not here" not in page(many(2, 2))


def test_a_variant_that_never_finished_is_named_all_the_same():
    found = results()
    found["failed"].append({"variant": "lost", "seed": 0, "group": "tuning", "reason": "no disk"})
    assert '<th scope="row">lost <small>tuning</small></th>' in page(found)


def test_without_the_baseline_the_page_says_that_nothing_is_compared():
    text = page(results() | {"baseline": "gone", "comparisons": [], "differences": []})
    assert "Nothing is compared" in text


def test_chance_is_shown_beside_the_majority_and_one_line_where_they_are_the_same(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "cotjax.study.report.accuracy_dots", lambda _, guesses: drawn.append(guesses) or ""
    )
    for chance in (None, 0.25, 0.515):
        found = results()
        found["constant_guess"]["test"] |= {} if chance is None else {"chance": chance}
        text = page(found)
        assert ("a random choice" in text) == (chance is not None)
    assert drawn == [
        {"majority": 0.52},
        {"chance": 0.25, "majority": 0.52},
        {"chance 51.5, majority": 0.52},
    ]


def test_tuned_choices_stand_beside_the_comparison_at_shared_settings():
    text = page(tuned())
    assert "What each chose for itself" in text
    assert ">failed<" in text or "40.0 failed" in text
    shared = text.partition("With the same settings for all")[2]
    assert "+42.0" in shared
    assert "+30.0" in shared
    assert "What each chose for itself" not in page(results())


def test_costs_and_losses_are_counted(text):
    assert "1.5·10<sup>9</sup>" in text  # FLOPs
    assert "<td>2 <small>1.0 %</small></td>" in text  # 1 of 100 answers unparsed, each of two seeds
    assert "<td>3 <small>0.9 %</small></td>" in text  # rationales cut, of 320
    found = copy.deepcopy(results())
    for run in found["runs"]:
        run["test"] |= {"unparsed": 0, "inputs_cut": 0}
        run["counts"]["rationales/cut"] = 0
    assert "Nothing: every test answer could be parsed" in page(found)


def test_the_page_tells_where_each_run_was_made(text):
    made = text.partition("Versions and devices")[2].partition("</table>")[0]
    assert made.count(">2 runs<") == 2
    assert re.findall(r"<td>(.*?)</td>", made) == ["0.1.0", "0.1.0", "1 x cpu", "2 x cpu"]


def test_an_interrupted_run_has_no_seconds():
    found = results()
    runs = page(found).partition("Every run</summary>")[2].partition("</details>")[0]
    assert runs.count("<td>–</td></tr>") == runs.count("<td>10</td></tr>") == 2


def test_the_validation_plot_has_the_guess_of_its_own_questions(monkeypatch):
    drawn = []
    monkeypatch.setattr(Axes, "axhline", lambda _, height, **__: drawn.append(height))
    text = page(results() | {"variants": [v | {"axes": {}} for v in results()["variants"]]})
    assert drawn == [pytest.approx(61)]
    assert "answers to 31 validation questions" in text


def test_the_checkpoint_of_the_results_is_named():
    text = page(results() | {"checkpoint": "best"})
    assert "of the best checkpoint of every run" in text


def test_many_variants_have_a_panel_each():
    few, many_of_them = page(many(8, 1)), page(many(9, 1))
    assert few.count('<div class="panels">') == 0
    panels = many_of_them.partition('<div class="panels">')[2].partition("<figcaption>")[0]
    assert panels.count("<svg") == 9


def test_plots_have_ids_of_their_own(any_page):
    ids = re.findall(r' id="([^"]+)"', any_page)
    # matplotlib numbers its groups in every figure; what is referred to must be unique.
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', any_page))
    assert all(ids.count(name) == 1 for name in referred)


def test_variants_that_differ_nowhere_are_told_from_those_not_compared():
    nowhere = page(results() | {"differences": []})
    assert "Nowhere: all variants were right on the same questions" in nowhere
    assert "<a href" not in nowhere.replace('<a href="#missing">', "")
    assert "Nowhere" not in page(results() | {"differences": [], "comparisons": []})


def test_settings_that_are_no_numbers_have_no_curve():
    found = tuned()
    for variant in found["variants"]:
        for tried in (variant["tuned"], *variant["tuned"]["tried"]):
            tried["settings"] = {"optimizer.name": str(tried["settings"])}
    chose = page(found).partition("What each chose for itself")[2].partition("<h2>")[0]
    assert "optimizer.name" in chose
    assert "<svg" not in chose
    assert '<ul class="legend">' not in chose


def test_p_is_shown_beside_p_by_holm():
    found = results()
    found["comparisons"][0] |= {"p": 0.0123, "p_holm": 0.0344}
    assert "<td>0.012</td><td>0.034</td>" in page(found)
    console = Console(file=io.StringIO(), width=80)
    console.print(comparison_table(found))
    assert "0.034" in console.file.getvalue()
