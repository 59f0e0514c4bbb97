"""Studies that tune, match budgets and vote, from end to end; with students barely touched."""

import json
import shutil

import pytest
from rich.console import Console

from cotjax.study import one_run
from cotjax.study import run as study_run
from cotjax.study.definition import Study, Tuning
from cotjax.study.run import run_study
from tests.study.small import FIRST, WHOLE, small_study

WEIGHT = "loss.label_weight"  # which compiles nothing anew
SAMPLES = 3


def study(cache, **fields) -> Study:
    """A step of `first` has 8 * 13 supervised tokens, one of `whole` 8 * 10."""
    tuning = Tuning({WEIGHT: (1.0, 4.0)}, seeds=(7,))
    fields = {"tuning": tuning, "budget": "tokens", "samples": SAMPLES} | fields
    return small_study(cache, FIRST, WHOLE, steps=3, **fields)


def spied(patch: pytest.MonkeyPatch, place, name: str) -> list[str]:
    """The folders of runs that a function of a module does from here on."""
    done, original = [], getattr(place, name)

    def spy(workdir, run, *others):
        done.append(run.folder)
        return original(workdir, run, *others)

    patch.setattr(place, name, spy)
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def done(folder, quick_to_compile):
    """The folders of all runs that the study trained, and its results."""
    with pytest.MonkeyPatch.context() as patch:
        trained = spied(patch, study_run, "finish")
        return trained, run_study(study(folder / "cache"), folder / "out", Console(quiet=True))


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    return spied(monkeypatch, study_run, "finish")


@pytest.fixture
def voted(monkeypatch) -> list[str]:
    return spied(monkeypatch, study_run, "vote")


@pytest.fixture
def copy(done, folder, tmp_path):
    """A copy of the finished study's workdir."""
    return shutil.copytree(folder / "out", tmp_path / "out")


def test_every_variant_tries_all_settings_and_is_then_run_at_its_own(done):
    trained, results = done
    assert trained[:4] == [
        "tuning/first-label_weight=1.0-seed7", "tuning/whole-label_weight=1.0-seed7",
        "tuning/first-label_weight=4.0-seed7", "tuning/whole-label_weight=4.0-seed7",
    ]  # fmt: skip
    assert [name for name in trained[4:] if name.startswith("runs/")] == [
        "runs/first-seed0", "runs/whole-seed0",
    ]  # fmt: skip
    assert (results["failed"], results["waiting"]) == ([], [])
    for variant, run in zip(results["variants"], results["runs"], strict=True):
        tried = variant["tuned"]["tried"]
        best = max(tried, key=lambda one: one["mean"])
        assert run["tuned"] == variant["tuned"]["settings"] == best["settings"]


def test_every_run_ends_where_it_has_as_many_tokens_as_the_baselines(done, folder):
    trained, results = done
    spoken = {run["variant"]: (run["steps"], run["supervised_tokens"]) for run in results["runs"]}
    steps, tokens = spoken["first"]
    assert (steps, tokens) == (3, 3 * 8 * 13)
    assert spoken["whole"] == (4, 4 * 8 * 10)
    for name in trained:
        config = json.loads((folder / "out" / name / "config.json").read_text("utf-8"))
        assert config["schedule"]["total_steps"] == (4 if "whole" in name else 3)
    assert "as many supervised tokens" in results["budget"]["text"]


def test_those_that_say_a_rationale_first_vote_on_the_test_questions(done, folder):
    first, whole = done[1]["runs"]
    assert "test_vote" not in whole
    vote = first["test_vote"]
    assert (vote["num_questions"], vote["samples"]) == (60, SAMPLES)
    assert vote["right"] + vote["wrong"] + vote["unparsed"] == 60
    file = folder / "out" / "runs" / "first-seed0" / "eval" / f"test-3-samples{SAMPLES}.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [line["outcome"] for line in lines].count("right") == vote["right"]
    assert all(len(line["samples"]) == SAMPLES for line in lines)
    (gain,) = done[1]["comparisons_vote"]
    assert (gain["variant"], gain["baseline"]) == ("first by vote", "first")
    assert gain["difference"] == pytest.approx(vote["accuracy"] - first["test"]["accuracy"])
    assert list((folder / "out" / "tuning").glob("*/eval/test*")) == []


def test_nothing_of_it_is_done_twice(done, copy, folder, trained, voted):
    again = run_study(study(folder / "cache"), copy, Console(quiet=True))
    assert (trained, voted) == ([], [])
    assert json.loads(json.dumps(again)) == json.loads(json.dumps(done[1]))


def test_a_vote_that_was_cut_off_is_taken_without_training(done, copy, folder, trained, voted):
    file = copy / "runs" / "first-seed0" / "result.json"
    before = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({k: v for k, v in before.items() if k != "test_vote"}))
    (file.parent / "failure.json").write_text('{"reason": "of before"}')
    again = run_study(study(folder / "cache"), copy, Console(quiet=True))
    assert (trained, voted) == ([], ["runs/first-seed0"])
    votes = [one["runs"][0]["test_vote"] | {"seconds": 0} for one in (again, done[1])]
    assert votes[0] == votes[1]
    assert again["failed"] == []


def test_a_run_whose_vote_fails_is_still_compared(done, copy, folder):
    shutil.rmtree(copy / "runs" / "first-seed0" / "checkpoints")
    results = run_study(study(folder / "cache", samples=2), copy, Console(quiet=True))
    (failed,) = [one for one in results["failed"] if one["group"] == "runs"]
    assert (failed["variant"], failed["reason"][:8]) == ("first", "no vote:")
    assert results["comparisons"] == done[1]["comparisons"]


def test_a_repeated_tuning_run_changes_no_choice(done, copy, folder, trained, capsys):
    before = done[1]["variants"][0]["tuned"]
    for setting in ("1.0", "4.0"):
        file = copy / "tuning" / f"first-label_weight={setting}-seed7" / "result.json"
        chosen = float(setting) == before["settings"][WEIGHT]
        result = json.loads(file.read_text("utf-8")) | {"validation": 0.0 if chosen else 1.0}
        file.write_text(json.dumps(result))
    results = run_study(study(folder / "cache"), copy, Console(width=300, force_terminal=False))
    assert trained == []
    assert results["variants"][0]["tuned"] == before
    assert "first: its tuning runs would choose other settings now" in capsys.readouterr().out


def test_runs_that_wait_for_their_tuning_are_listed(folder, tmp_path, monkeypatch):
    def failing(*_):
        raise RuntimeError("no luck")

    monkeypatch.setattr(one_run, "train", failing)
    results = run_study(study(folder / "cache"), tmp_path / "out", Console(quiet=True))
    assert [one["group"] for one in results["failed"]] == ["tuning"] * 4
    reason = "no settings could be chosen: every one failed in a tuning run"
    assert results["waiting"] == [
        {"variant": name, "seed": 0, "group": "runs", "reason": reason}
        for name in ("first", "whole")
    ]
