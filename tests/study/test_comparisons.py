"""Families of comparisons, from files that runs have left."""

import json
from pathlib import Path

import pytest

from cotjax.study.comparisons import compared
from cotjax.study.definition import Study, Variant
from cotjax.study.grid import PlannedRun, plan
from cotjax.study.problems import Problems
from cotjax.tasks.base import Question
from cotjax.tasks.splits import Splits
from tests.study.small import PLAIN, small_study

FIRST = Variant("first", "rationale first", {"data.order": "rationale_first"})
OTHER = Variant("other", "label first", {}, against="first")
SPLITS = Splits({"test": [Question(f"q{n}", "?", ("a", "b"), "a", "test") for n in range(6)]}, {})
GREEDY = {"plain": "+-----", "first": "++++--", "other": "++----"}
VOTED = "+++++-"


def answer(file: Path, right: str) -> None:
    lines = [
        json.dumps({"id": f"q{number}", "outcome": "right" if mark == "+" else "wrong"})
        for number, mark in enumerate(right)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines))


def finish(workdir: Path, study: Study, voted: dict[int, int]) -> list[PlannedRun]:
    """Writes the runs' answers; `voted` has the number of samples by seed of `first`."""
    for run in plan(study):
        folder, result = workdir / run.folder, {"steps": 3}
        answer(folder / "eval" / "test-3.jsonl", GREEDY[run.variant.name])
        if run.variant is FIRST and run.seed in voted:
            result["test_vote"] = {"samples": voted[run.seed]}
            answer(folder / "eval" / f"test-3-samples{voted[run.seed]}.jsonl", VOTED)
        (folder / "result.json").write_text(json.dumps(result))
    return plan(study)


def test_votes_are_compared_with_the_likeliest_answers_in_a_family_of_their_own(tmp_path):
    study = small_study(tmp_path, PLAIN, FIRST, OTHER, seeds=(0, 1, 2), samples=5)
    runs, problems = finish(tmp_path, study, {0: 5, 1: 5, 2: 4}), Problems()
    found = compared(study, tmp_path, runs, SPLITS, problems)
    assert problems == []
    pairs = {
        family: [(one["variant"], one["baseline"]) for one in comparisons]
        for family, comparisons in found.items()
    }
    assert pairs == {
        "comparisons": [("first", "plain"), ("other", "plain")],
        "comparisons_against": [("other", "first")],
        "comparisons_vote": [("first by vote", "first")],
    }
    (vote,) = found["comparisons_vote"]
    assert vote["difference"] == pytest.approx(1 / 6)
    assert (vote["seeds"], vote["unpaired"]) == ((0, 1), (2,))  # whose vote was of four
    assert vote["p_holm"] == vote["p"]


def test_without_samples_nothing_votes(tmp_path):
    study = small_study(tmp_path, PLAIN, FIRST, OTHER)
    found = compared(study, tmp_path, finish(tmp_path, study, {0: 5}), SPLITS, Problems())
    assert found["comparisons_vote"] == []


def test_a_vote_of_other_questions_is_not_compared_and_told(tmp_path):
    study = small_study(tmp_path, PLAIN, FIRST, OTHER, samples=5)
    runs, problems = finish(tmp_path, study, {0: 5}), Problems()
    answer(tmp_path / "runs/first-seed0/eval/test-3-samples5.jsonl", VOTED[1:])
    found = compared(study, tmp_path, runs, SPLITS, problems)
    assert (len(found["comparisons"]), found["comparisons_vote"]) == (2, [])
    assert "no votes compared" in problems[0]["reason"]
