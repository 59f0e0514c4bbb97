"""Questions that are shown beside the numbers, and what would have been taught of them."""

import dataclasses
import json
from collections.abc import Sequence

import pytest

from cotjax.study.definition import Variant
from cotjax.study.differences import differences
from cotjax.study.grid import PlannedRun, plan
from cotjax.study.problems import Problems
from cotjax.training.prepare import prepare
from tests.study.small import LOST, PLAIN, WHOLE, small_study

PART = Variant("part", "a tenth of the questions", {"data.fraction": 0.1})


def write_answers(workdir, run: PlannedRun, right: Sequence[str], wrong: Sequence[str]) -> None:
    folder = workdir / run.folder
    (folder / "eval").mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps({"steps": 3}))
    lines = [
        json.dumps({"id": id, "outcome": outcome, "label": "first", "output": outcome})
        for outcome, ids in (("right", right), ("wrong", wrong))
        for id in ids
    ]
    (folder / "eval" / "test-3.jsonl").write_text("\n".join(lines))


@pytest.fixture
def found(tmp_path):
    """Differences of some variants, each right on one question that is the next one's mistake."""

    def found(*variants: Variant, unknown: int | None = None):
        asked = small_study(tmp_path / "cache", *variants)
        experiment = prepare(small_study(tmp_path / "cache", WHOLE).base, row_multiple=1)
        questions = experiment.splits["test"]
        names = [question.id for question in questions[: len(variants)]]
        if unknown is not None:
            names[unknown] = "nobody knows"
        for number, run in enumerate(plan(asked)):
            others = [name for name in names if name != names[number]]
            write_answers(tmp_path, run, names[number : number + 1], others)
            experiment.tokenizer.save(tmp_path / run.folder / "tokenizer")
        problems = Problems()
        return differences(asked, tmp_path, plan(asked), questions, problems), problems

    return found


def test_targets_of_a_student_of_few_questions_are_shown_too(found):
    shown, problems = found(WHOLE, PART)
    assert problems == []
    assert [one["outcomes"] for one in shown] == [["right", "wrong"], ["wrong", "right"]]
    for one in shown:
        part, whole = one["targets"]
        assert part == whole  # the question's own
        assert [kind for kind, _ in part] == ["label", "connective", "rationale", "eos"]
        assert one["without_targets"] == [None, None]


def test_why_there_are_no_targets_is_kept(found):
    shown, problems = found(WHOLE, LOST)
    assert problems == []
    for one in shown:
        assert [target is None for target in one["targets"]] == [True, False]
        reason, none = one["without_targets"]
        assert reason == "nowhere: has no records of split 'test' (test/manifest.json)"
        assert none is None


def test_pairs_are_those_that_are_compared(found):
    shown, _ = found(WHOLE, PART, dataclasses.replace(PLAIN, against="part"))
    pairs = [(one["variant"], one["baseline"]) for one in shown]
    assert list(dict.fromkeys(pairs)) == [("part", "whole"), ("plain", "whole"), ("plain", "part")]
    assert len(pairs) == 6


def test_answers_to_an_unknown_question_are_a_problem_of_their_pair_alone(found):
    shown, (problem,) = found(WHOLE, PART, PLAIN, unknown=1)
    assert {one["variant"] for one in shown} == {"plain"}
    assert (problem["variant"], problem["seed"], problem["group"]) == ("part", 0, "report")
    assert problem["reason"] == "no examples beside 'whole': KeyError: 'nobody knows'"
