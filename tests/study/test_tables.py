"""CSV of the results."""

import csv
import io

from cotjax.study.tables import comparison_rows, run_rows, write_csv
from tests.study.drawn import against, results, tuned


def read(file) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))


def test_a_row_a_run_with_its_place_on_the_axes(tmp_path):
    write_csv(tmp_path / "t.csv", run_rows(results()))
    rows = read(tmp_path / "t.csv")
    assert [(row["variant"], row["seed"], row["fraction"]) for row in rows] == [
        ("plain", "0", "0.25"), ("first", "0", "0.5"),
        ("plain", "1", "0.25"), ("first", "1", "0.5"),
    ]  # fmt: skip
    assert [row["test_right"] for row in rows] == ["50", "90", "54", "98"]
    assert rows[0]["seconds"] == ""  # interrupted
    assert rows[0]["test_choice_accuracy"] == ""  # not measured
    assert rows[0]["supervised_tokens"] == "1920"


def test_runs_at_shared_settings_have_rows_of_their_own():
    rows = run_rows(tuned())
    assert [row["settings"] for row in rows] == ["own"] * 4 + ["shared"] * 4
    assert rows[0]["tuned"] == "optimizer.learning_rate=0.001"
    assert rows[4]["tuned"] == "optimizer.learning_rate=0.003"


def test_a_row_a_comparison(tmp_path):
    write_csv(tmp_path / "t.csv", comparison_rows(tuned()))
    own, shared = read(tmp_path / "t.csv")
    assert (own["variant"], own["baseline"], own["seeds"]) == ("first", "plain", "0 1")
    assert (own["settings"], own["difference"]) == ("own", "0.42")
    assert (shared["settings"], shared["difference"]) == ("shared", "0.3")


def test_a_family_of_comparisons_is_told_from_the_other():
    rows = [(row["variant"], row["baseline"], row["family"]) for row in comparison_rows(against())]
    assert rows == [
        ("first", "plain", "baseline"),
        ("shuffled", "plain", "baseline"),
        ("shuffled", "first", "against"),
        ("first by vote", "first", "vote"),
        ("shuffled by vote", "shuffled", "vote"),
    ]


def test_votes_and_times_of_asking_are_columns():
    plain, first, *_ = run_rows(against())
    assert (plain["test_seconds"], plain["test_vote_accuracy"]) == (0.5, None)
    assert (first["test_vote_samples"], first["test_vote_accuracy"]) == (3, 0.89)


def test_nothing_to_tell_is_an_empty_file(tmp_path):
    write_csv(tmp_path / "t.csv", [])
    assert (tmp_path / "t.csv").read_text() == ""
