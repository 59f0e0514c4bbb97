"""Sections of the report by themselves, and the tables for the terminal."""

import io
import re

from rich.console import Console

from cotjax.study import report_against
from cotjax.study.report_costs import asking_table, losses_table
from cotjax.study.report_examples import differing, places
from cotjax.study.report_settings import settings
from cotjax.study.report_votes import votes
from cotjax.study.terminal import comparison_table
from tests.study.drawn import against, results, tuned

CELL = re.compile(r"<td>(.*?)</td>")


def test_what_differs_between_runs_is_not_said_to_be_shared():
    for found, shared in ((results(), True), (tuned(), False)):
        differs, _, shares = "".join(settings(found)).partition("What all share")
        assert ("optimizer.learning_rate" in shares) == shared
        assert ("optimizer.learning_rate" in differs) != shared
        assert ">plain</code>" in differs
        assert "data.order" not in shares
        assert "<th>seed</th>" not in shares


def test_what_is_stretched_to_a_run_is_not_said_to_be_shared():
    fields = ("schedule.total_steps", "schedule.warmup_steps", "evaluation.every",
              "checkpoint.every")  # fmt: skip
    for by, shared in (("steps", True), ("tokens", False)):
        found = results()
        found["budget"]["by"] = by
        found["base"] |= dict.fromkeys(fields, 20)
        stretched, _, shares = "".join(settings(found)).partition("What all share")
        assert [field in shares for field in fields] == [shared] * 4
        assert [field in stretched for field in fields] == [not shared] * 4


def test_a_value_of_the_base_that_a_variant_does_not_override_is_shown_as_its():
    found = results()
    del found["variants"][0]["overrides"]["data.order"]
    row = "".join(settings(found)).partition("</i>label only</th>")[2].partition("</tr>")[0]
    assert row == '<td><code class="quiet">label_first</code></td>'


def test_milliseconds_are_of_the_seed_in_the_middle():
    assert CELL.findall(asking_table(results()))[2:4] == ["5.0", "1.0"]  # of 5.0 and 5.4
    assert CELL.findall(asking_table(results()))[7:9] == ["9.0", "1.8"]  # of 9.0 and 9.8
    old = results()
    for run in old["runs"]:
        del run["test"]["seconds"]
    assert CELL.findall(asking_table(old))[2:4] == ["–", "–"]


def test_comparisons_with_the_intact_form_have_a_table_of_their_own():
    found = against()
    section = report_against.against(found, places(found))
    assert "<small>against label &lt;first&gt;</small>" in section
    for said in ("−23.5", "−34.5 to −12.5", ">0.012<", ">0.025<", ">70.5<", ">94.0<"):
        assert said in section
    place = re.search(r'<a href="#(differing-\d+)"><strong>−23\.5', section)[1]
    block = differing(found).partition(f'id="{place}"')[2].partition("</details>")[0]
    assert "test-8" in block
    assert "test-7" not in block


def test_older_results_have_no_such_comparisons():
    found = results()
    del found["comparisons_against"]
    assert report_against.against(found, {}) == ""
    assert len(terminal(found)) == 4


def test_a_vote_stands_beside_the_likeliest_answer():
    section = votes(against())
    gains = re.findall(r"<strong>(\S+)</strong>", section)[2::3]
    assert gains == ["+2.0", "+2.0"]
    assert section.count("<small>−28.0 to +32.0</small>") == 2
    assert section.count("<td>0.560</td><td>0.800</td>") == 2
    assert (
        "not on 2, which only one of the two has finished: label first, shuffled, by v" in section
    )
    assert ">3<" in section
    assert ">7.5</td><td>3.0<" in section
    assert "label only" not in section.partition("</table>")[0]
    assert votes(results()) == ""


def test_a_vote_that_could_not_be_compared_is_shown_without_its_gain():
    found = against()
    del found["comparisons_vote"][0]
    assert votes(found).count("<td>–</td><td></td><td></td>") == 1


def test_inputs_that_were_cut_are_shares_of_inputs_and_of_questions_in_older_results():
    found = results()
    for run in found["runs"]:
        run["counts"] |= {"inputs/cut": 16}
    assert losses_table(found).count("<td>16 <small>5.0 %</small></td>") == 2  # of 320
    for run in found["runs"]:
        run["counts"] |= {"inputs/count": 640}
    assert losses_table(found).count("<td>16 <small>2.5 %</small></td>") == 2


def test_what_is_missing_for_a_target_is_told():
    found = results()
    found["differences"][0] |= {"targets": [None, None], "without_targets": ["no <disk>", None]}
    assert "no &lt;disk&gt;" in differing(found)


def test_the_terminal_shows_both_families():
    *pair, difference, low, _, high, p = terminal(against())[-1].split()
    assert " ".join(pair) == "label first, shuffled label <first>"
    assert (difference, low, high, p) == ("−23.5", "−34.5", "−12.5", "0.025")


def test_the_table_for_the_terminal_has_the_same_numbers():
    plain, first, guess = terminal(results())[1:]
    assert plain.split() == ["label", "only", "52.0", "baseline", "81.0", "2.5"]
    assert first.split()[2:5] == ["94.0", "+42.0", "+31.0"]
    assert "< 0.001" in first
    assert guess.split()[-1] == "52.0"


def terminal(found) -> list[str]:
    """Lines of the tables for the terminal."""
    console = Console(file=io.StringIO(), width=80)
    console.print(comparison_table(found))
    return console.file.getvalue().splitlines()
