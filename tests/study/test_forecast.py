"""What a dry run tells."""

import json
from datetime import timedelta

import pytest
from rich.console import Console

from cotjax.data.work import Work
from cotjax.study.definition import Tuning, Variant
from cotjax.study.forecast import forecast, show_forecast
from cotjax.study.grid import plan_tuning
from cotjax.study.plan import Part
from cotjax.training.prepare import prepare
from cotjax.training.throughput import train_flops
from tests.study.small import LOST, PLAIN, WHOLE, small_study


@pytest.fixture
def workdir(tmp_path):
    """`plain` is finished with seed 0, after 30 s, and interrupted with seed 1 after step 2."""
    done = tmp_path / "out" / "runs" / "plain-seed0"
    done.mkdir(parents=True)
    result = {"steps": 3, "supervised_tokens": 48, "seconds": 30.0}
    (done / "result.json").write_text(json.dumps(result))
    (tmp_path / "out" / "runs" / "plain-seed1" / "checkpoints" / "2").mkdir(parents=True)
    return tmp_path / "out"


def test_steps_tokens_and_time_of_every_run(workdir, tmp_path):
    study = small_study(tmp_path, PLAIN, WHOLE, LOST, seeds=(0, 1))
    found = forecast(study, workdir, Part())
    told = {one.run.name: (one.state.word, one.steps, one.tokens, one.seconds) for one in found}
    assert told == {
        "plain-seed0": ("finished", 3, 48, 0.0),
        "whole-seed0": ("waiting", 3, 3 * 8 * 10, 30.0),
        "lost-seed0": ("waiting", None, None, None),
        "plain-seed1": ("interrupted", 3, 3 * 8 * 2, 10.0),
        "whole-seed1": ("waiting", 3, 3 * 8 * 10, 30.0),
        "lost-seed1": ("waiting", None, None, None),
    }


def test_a_matched_budget_has_other_steps_and_equal_tokens(tmp_path):
    study = small_study(tmp_path, WHOLE, PLAIN, budget="tokens")
    found = forecast(study, tmp_path / "none", Part())
    assert [(one.steps, one.tokens) for one in found] == [(3, 240), (15, 240)]


def test_the_table_tells_what_would_fail_and_nothing_is_written(workdir, tmp_path, capsys):
    before = sorted(workdir.rglob("*"))
    study = small_study(tmp_path, PLAIN, WHOLE, LOST, seeds=(0, 1))
    show_forecast(study, workdir, Part(), Console(width=100, force_terminal=False))
    text = capsys.readouterr().out
    assert "interrupted at 2" in text
    assert "would fail" in text
    assert "runs/lost-seed0: nowhere: has no records of split 'train'" in text
    counts = "1 finished, 2 waiting, 2 would fail, 1 interrupted"
    assert f"6 runs: {counts}; time left: 0:01:10" in text
    assert sorted(workdir.rglob("*")) == before


def test_where_every_run_would_fail_no_time_is_told(tmp_path, capsys):
    study = small_study(tmp_path, LOST)
    show_forecast(study, tmp_path / "none", Part(), Console(width=100, force_terminal=False))
    assert "1 runs: 1 would fail; time left: not known, none can be run" in capsys.readouterr().out


def test_before_a_run_is_finished_its_flops_tell_how_long_it_takes_at_least(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("cotjax.study.forecast.peak_flops", lambda devices: 1e6)
    study = small_study(tmp_path, WHOLE, PLAIN, steps=400)
    (tmp_path / "out/runs/plain-seed0/checkpoints/300").mkdir(parents=True)
    whole, plain = forecast(study, tmp_path / "out", Part())
    one = prepare(whole.run.config, row_multiple=1)
    works = [Work.of(one.steps[step], one.steps) for step in range(32)]
    assert whole.flops == pytest.approx(400 * sum(train_flops(one.model, w) for w in works) / 32)
    assert (whole.seconds, whole.at_least) == (pytest.approx(whole.flops / 1e6), True)
    assert plain.seconds == pytest.approx(plain.flops / 1e6 / 4)
    show_forecast(study, tmp_path / "out", Part(), Console(width=300, force_terminal=False))
    text = capsys.readouterr().out
    assert f"≥ {timedelta(seconds=round(whole.seconds))}" in text
    told = timedelta(seconds=round(whole.seconds + plain.seconds))
    assert f"time left: {told} at least" in text


def test_on_an_unknown_machine_nothing_is_known_before_a_run_is_finished(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("cotjax.study.forecast.peak_flops", lambda devices: None)
    study = small_study(tmp_path, PLAIN)
    show_forecast(study, tmp_path / "none", Part(), Console(width=100, force_terminal=False))
    assert "1 waiting; time left: not known before a run has finished" in capsys.readouterr().out


def test_a_vote_that_was_not_taken_is_told(workdir, tmp_path, capsys):
    said_first = Variant("plain", "rationale first", {"data.order": "rationale_first"})
    study = small_study(tmp_path, said_first, samples=5)
    assert forecast(study, workdir, Part())[0].state.word == "to vote"
    show_forecast(study, workdir, Part(), Console(width=100, force_terminal=False))
    assert "1 to vote; time left: 0:00:00; votes come on top" in capsys.readouterr().out


def test_asking_the_student_takes_time_too(workdir, tmp_path, capsys):
    said_first = Variant("first", "rationale first", {"data.order": "rationale_first"})
    study = small_study(tmp_path, PLAIN, said_first, seeds=(0, 1), samples=5)

    def finish(name: str, samples: int = 5, **asked: float) -> None:
        result = {"steps": 3, "supervised_tokens": 48, "seconds": 30.0}
        result |= {of: {"seconds": seconds, "samples": samples} for of, seconds in asked.items()}
        (workdir / "runs" / name).mkdir(parents=True, exist_ok=True)
        (workdir / "runs" / name / "result.json").write_text(json.dumps(result))

    def seconds() -> dict[str, float]:
        return {one.run.name: one.seconds for one in forecast(study, workdir, Part())}

    def told() -> str:
        show_forecast(study, workdir, Part(), Console(width=100, force_terminal=False))
        return capsys.readouterr().out

    finish("plain-seed0", test=5.0, train=2.0)
    assert seconds() == {  # 10 a step, of which one is left of plain-seed1, and 7 of asking
        "plain-seed0": 0.0, "first-seed0": 37.0, "plain-seed1": 17.0, "first-seed1": 37.0,
    }  # fmt: skip
    assert "time left: 0:01:31; votes come on top" in told()
    finish("first-seed0", test=6.0, train=4.0, test_vote=80.0)
    assert seconds()["first-seed1"] == 30 + 10 + 80
    assert seconds()["plain-seed1"] == 17.0  # which takes no vote
    assert "votes come on top" not in told()
    finish("first-seed1", samples=4, test=6.0, train=4.0, test_vote=70.0)
    assert seconds()["first-seed1"] == 80.0  # to vote again, of five
    assert "1 to vote; time left: 0:01:37" in told()


def test_variants_that_have_not_chosen_are_told_too(tmp_path):
    tuning = Tuning({"optimizer.learning_rate": (0.1, 0.2)}, seeds=(7,))
    study = small_study(tmp_path, PLAIN, WHOLE, tuning=tuning)
    for run in plan_tuning(study):
        if run.variant is PLAIN:
            (tmp_path / run.folder).mkdir(parents=True)
            result = {"validation": 0.5, "steps": 3, "supervised_tokens": 48, "seconds": 30.0}
            (tmp_path / run.folder / "result.json").write_text(json.dumps(result))
    found = forecast(study, tmp_path, Part())
    assert [one.run.folder for one in found[4:]] == ["runs/plain-seed0", "runs/whole-seed0"]
    assert found[4].run.settings == {"optimizer.learning_rate": 0.1}
    assert found[5].run.settings == {}


def test_tuning_comes_first(tmp_path, capsys):
    tuning = Tuning({"optimizer.learning_rate": (0.1, 0.2)}, seeds=(7,))
    study = small_study(tmp_path, PLAIN, tuning=tuning)
    found = forecast(study, tmp_path / "none", Part())
    assert [one.run.group for one in found] == ["tuning", "tuning", "runs"]
    show_forecast(study, tmp_path / "none", Part(), Console(force_terminal=False))
    assert "follow from tuning/" in capsys.readouterr().out
