"""A study from end to end, with students that are barely touched."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import jax
import pytest
from rich.console import Console

from cotjax.data.work import Work
from cotjax.errors import InputError
from cotjax.study import one_run
from cotjax.study import run as study_run
from cotjax.study.definition import Study, Tuning, Variant
from cotjax.study.grid import plan
from cotjax.study.one_run import TRAIN_QUESTIONS
from cotjax.study.plan import Part
from cotjax.study.progress import StudyProgress
from cotjax.study.run import run_study
from cotjax.training.prepare import prepare
from cotjax.training.run import TrainResult, train
from cotjax.training.throughput import train_flops
from tests.conftest import REPOSITORY
from tests.study import drawn
from tests.study.small import FIRST, LOST, SWAPPED, WHOLE, small_study

STEPS = 3
RUNS = ["whole-seed0", "swapped-seed0"]


def tiny_study(cache, *more: Variant, steps: int = STEPS) -> Study:
    return small_study(cache, WHOLE, SWAPPED, *more, steps=steps)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished study, and a place for tokenised data."""
    return tmp_path_factory.mktemp("study")


def spy_on_bars(patch: pytest.MonkeyPatch) -> list[StudyProgress]:
    """The bars of the studies that are run from here on."""
    made = []

    def spy(*arguments) -> StudyProgress:
        made.append(StudyProgress(*arguments))
        return made[-1]

    patch.setattr(study_run, "StudyProgress", spy)
    return made


@pytest.fixture
def bars(monkeypatch) -> list[StudyProgress]:
    return spy_on_bars(monkeypatch)


@pytest.fixture(scope="module")
def first_bars() -> list[StudyProgress]:
    """Those of the first study."""
    return []


@pytest.fixture(scope="module")
def compilations() -> list[int]:
    """How many programs were compiled for each run of the study."""
    return []


@pytest.fixture(scope="module")
def finished(folder, compilations, first_bars, quick_to_compile):
    """Its results."""

    def count(event: str, _: float, **__) -> None:
        compilations[-1] += event.endswith("backend_compile_duration")

    def spy(*arguments) -> TrainResult:
        compilations.append(0)
        return train(*arguments)

    jax.monitoring.register_event_duration_secs_listener(count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_run, "train", spy)
        made = spy_on_bars(patch)
        results = run_study(tiny_study(folder / "cache"), folder / "out", Console(quiet=True))
        first_bars += made
    jax.monitoring.unregister_event_duration_listener(count)
    return results


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """Names of the runs that are trained from here on."""
    names = []

    def spy(config, workdir, progress):
        names.append(workdir.name)
        return train(config, workdir, progress)

    monkeypatch.setattr(one_run, "train", spy)
    return names


def test_results_are_what_the_evaluations_wrote(finished, folder):
    out = folder / "out"
    assert finished["constant_guess"]["test"]["num_questions"] == 60
    assert finished["constant_guess"]["validation"]["num_questions"] == 8
    assert json.loads((out / "results.json").read_text("utf-8")) == json.loads(json.dumps(finished))
    for name, run in zip(RUNS, finished["runs"], strict=True):
        assert f"{run['variant']}-seed{run['seed']}" == name
        for split, count in (("test", 60), ("train", TRAIN_QUESTIONS)):
            subset = f"-subset{count}" if split == "train" else ""
            file = out / "runs" / name / "eval" / f"{split}-{STEPS}{subset}.json"
            summary = dict(run[split])
            assert summary.pop("seconds") > 0
            assert summary.items() <= json.loads(file.read_text("utf-8")).items()
            assert run[split]["num_questions"] == count
        assert [step for step, _ in run["validation_curve"]] == [0, STEPS]
        assert [step for step, _ in run["label_loss_curve"]] == [1, 2, 3]
        assert run["seconds"] > 0
        assert (run["steps"], run["targets"]) == (STEPS, 8 * STEPS)
        assert run["supervised_tokens"] == 8 * STEPS * 10  # first because ent1 is ... size4 </s>
        assert run["counts"]["targets"] == 400


def test_flops_are_those_of_the_steps(finished, folder):
    whole = plan(tiny_study(folder / "cache"))[0]
    experiment = prepare(whole.config, row_multiple=1)
    works = [Work.of(experiment.steps[step], experiment.steps) for step in range(STEPS)]
    expected = sum(train_flops(experiment.model, work) for work in works)
    assert finished["runs"][0]["flops"] == expected


def test_variants_are_compared_with_the_first(finished):
    (comparison,) = finished["comparisons"]
    assert (comparison["variant"], comparison["baseline"]) == ("swapped", "whole")
    assert comparison["seeds"] == (0,)
    right = [run["test"]["accuracy"] for run in finished["runs"]]
    assert comparison["difference"] == pytest.approx(right[1] - right[0])
    assert finished["budget"]["text"] == "Every run takes 3 steps."


def test_all_variants_show_the_same_question(finished):
    whole, swapped = (variant["example"] for variant in finished["variants"])
    assert whole["input"] == swapped["input"]
    assert [kind for kind, _ in whole["segments"]] == ["label", "connective", "rationale", "eos"]
    assert whole["segments"][0] == swapped["segments"][0]
    assert whole["segments"][2] != swapped["segments"][2]


def test_runs_of_equal_shapes_share_what_is_compiled(finished, compilations):
    assert compilations[0] > 0
    assert compilations[1:] == [0]


def test_the_page_holds_the_numbers(finished, folder):
    text = (folder / "out" / "report.html").read_text("utf-8")
    rows = [html.unescape(row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)]
    for run, variant in zip(finished["runs"], finished["variants"], strict=True):
        own = [re.sub(r"<[^>]*>", " ", row) for row in rows if variant["title"] in row]
        for number in (100 * run["test"]["accuracy"], run["test"]["mean_tokens"]):
            assert any(re.search(rf"(?<![\d.]){number:.1f}(?!\d)", row) for row in own)


def test_a_finished_study_is_not_repeated(finished, folder, trained, bars):
    files = [folder / "out" / name for name in ("results.json", "report.html")]
    before = [file.read_bytes() for file in files]
    again = run_study(tiny_study(folder / "cache"), folder / "out", Console(quiet=True))
    assert trained == []
    assert again["runs"] == finished["runs"]
    assert [file.read_bytes() for file in files] == before
    assert bars[0].tasks[0].finished


def test_only_what_is_missing_is_run_and_an_interrupted_time_is_not_told(
    finished, folder, trained, bars
):
    result = folder / "out" / "runs" / "swapped-seed0" / "result.json"
    before = result.read_text("utf-8")
    result.unlink()  # as if the study had been killed between training and evaluation
    again = run_study(tiny_study(folder / "cache"), folder / "out", Console(quiet=True))
    assert trained == ["swapped-seed0"]
    tests = [one["runs"][1]["test"] | {"seconds": None} for one in (again, finished)]
    assert tests[0] == tests[1]
    assert again["runs"][1]["seconds"] is None
    assert (bars[0].tasks[0].completed, bars[0].tasks[0].total) == (2, 2)
    result.write_text(before, "utf-8")


@pytest.fixture
def half_done(finished, folder, tmp_path):
    """A workdir in which `whole` is finished, and nothing else was begun."""
    shutil.copytree(folder / "out", tmp_path / "half")
    shutil.rmtree(tmp_path / "half" / "runs" / "swapped-seed0")
    return tmp_path / "half"


def test_a_run_that_fails_does_not_stop_the_others(half_done, folder, trained, bars, capsys):
    study = small_study(folder / "cache", LOST, WHOLE, SWAPPED, baseline="whole")
    for _ in range(2):  # and it is tried again
        results = run_study(study, half_done, Console(width=200, force_terminal=False))
        reason = "nowhere: has no records of split 'train' (train/manifest.json)"
        assert results["failed"] == [
            {"variant": "lost", "seed": 0, "group": "runs", "reason": reason}
        ]
    assert trained == ["lost-seed0", "swapped-seed0", "lost-seed0"]
    assert (bars[0].tasks[0].completed, bars[0].tasks[0].total) == (3, 3)
    assert [run["variant"] for run in results["runs"]] == ["whole", "swapped"]
    assert [one["variant"] for one in results["comparisons"]] == ["swapped"]
    assert [one["example"] is None for one in results["variants"]] == [True, False, False]
    assert "swapped" in (half_done / "comparisons.csv").read_text("utf-8")
    assert f"failed: runs/lost, seed 0: {reason}" in capsys.readouterr().out


def test_what_a_programme_raises_is_told_on_one_line_and_kept(half_done, folder, monkeypatch):
    def burst(*_):
        raise RuntimeError("RESOURCE_EXHAUSTED:\nout of memory")

    monkeypatch.setattr(one_run, "train", burst)
    results = run_study(tiny_study(folder / "cache"), half_done, Console(quiet=True))
    assert results["failed"][0]["reason"] == "RuntimeError: RESOURCE_EXHAUSTED: out of memory"
    note = json.loads((half_done / "runs" / "swapped-seed0" / "failure.json").read_text("utf-8"))
    assert any("in burst" in line for line in note["traceback"])


def test_a_stop_is_no_failure(half_done, folder, monkeypatch):
    def stopped(*_):
        raise SystemExit(143)

    monkeypatch.setattr(one_run, "train", stopped)
    with pytest.raises(SystemExit):
        run_study(tiny_study(folder / "cache"), half_done, Console(quiet=True))
    assert not (half_done / "runs" / "swapped-seed0" / "failure.json").exists()


def test_a_part_of_a_study_reports_what_is_there(half_done, folder, trained):
    part = Part(names=frozenset({"whole-seed0"}))
    results = run_study(tiny_study(folder / "cache"), half_done, Console(quiet=True), part)
    assert trained == []
    assert results["waiting"] == [
        {"variant": "swapped", "seed": 0, "group": "runs", "reason": "not run yet"}
    ]
    assert [run["variant"] for run in results["runs"]] == ["whole"]
    assert results["comparisons"] == []


def test_what_another_process_runs_is_left_to_it(half_done, folder, trained, capsys):
    claim = {"host": "far", "process": 1, "process_began": "7", "since": "noon"}
    (half_done / "runs" / "swapped-seed0").mkdir()
    (half_done / "runs" / "swapped-seed0" / "claim.json").write_text(json.dumps(claim))
    console = Console(width=200, force_terminal=False)
    (waiting,) = run_study(tiny_study(folder / "cache"), half_done, console)["waiting"]
    assert trained == []
    assert waiting["reason"] == "being run by far (process 1, since noon)"
    text = capsys.readouterr().out
    assert "swapped-seed0: is being run by far (process 1, since noon)" in text
    assert "1 not finished: being run by far" in text


def test_what_another_process_has_finished_meanwhile_is_not_run_again(
    finished, half_done, folder, trained, monkeypatch
):
    name = "swapped-seed0"

    @contextmanager
    def claimed_late(run):
        shutil.copytree(folder / "out" / "runs" / name, half_done / "runs" / name)
        yield ""

    monkeypatch.setattr(study_run, "claimed", claimed_late)
    results = run_study(tiny_study(folder / "cache"), half_done, Console(quiet=True))
    assert trained == []
    assert results["runs"] == finished["runs"]


@pytest.fixture
def vanishing(finished, folder, monkeypatch):
    """Runs are there as a whole once they begin, and when one is over some path is gone."""

    def vanish(path) -> list[str]:
        begun = []

        @contextmanager
        def over_at_once(run):
            begun.append(run.name)
            shutil.copytree(folder / "out" / "runs" / run.name, run)
            yield ""
            shutil.rmtree(path) if path.is_dir() else path.unlink()

        monkeypatch.setattr(study_run, "claimed", over_at_once)
        return begun

    return vanish


GONE = ["", "runs/whole-seed0", "runs/whole-seed0/result.json"]
WAS_FINISHED = r"whole-seed0/result\.json: No such file .* was finished"


@pytest.mark.parametrize("gone", GONE)
def test_a_finished_run_that_vanishes_ends_the_study(gone, half_done, folder, vanishing):
    begun = vanishing(half_done / gone)
    (half_done / "results.json").unlink()
    with pytest.raises(InputError, match=WAS_FINISHED):
        run_study(tiny_study(folder / "cache"), half_done, Console(quiet=True))
    assert begun == ["swapped-seed0"]
    assert not (half_done / "results.json").exists()


@pytest.mark.parametrize("gone", GONE)
def test_no_run_begins_once_another_one_has_vanished(gone, tmp_path, folder, vanishing):
    begun = vanishing(tmp_path / "out" / gone)
    with pytest.raises(InputError, match=WAS_FINISHED):
        run_study(tiny_study(folder / "cache"), tmp_path / "out", Console(quiet=True))
    assert begun == ["whole-seed0"]
    assert not (tmp_path / "out" / "results.json").exists()


@pytest.mark.parametrize(
    ("is_made_again", "says"),
    [(False, "No such file .* was being done there"), (True, r"has lost its claim \(claim.json\)")],
)
@pytest.mark.parametrize("error", [OSError("gone"), None], ids=["amid it", "before its vote"])
def test_a_folder_that_vanishes_during_a_run_ends_the_study(
    error, is_made_again, says, tmp_path, monkeypatch
):
    out, tried = tmp_path / "out", []

    def vanish(workdir, run, *_) -> dict:
        tried.append(run.name)
        shutil.rmtree(workdir)
        if is_made_again:
            (workdir / run.folder).mkdir(parents=True)
        if error:
            raise error
        return {"validation": 0.5}

    monkeypatch.setattr(study_run, "finish", vanish)
    study = small_study(tmp_path / "cache", FIRST, WHOLE, samples=2)
    with pytest.raises(InputError, match=f"first-seed0: .*{says}"):
        run_study(study, out, Console(quiet=True))
    assert tried == ["first-seed0"]
    assert out.exists() == is_made_again
    assert list(out.rglob("failure.json")) == []


def test_a_run_of_another_shard_is_not_said_to_have_failed_here(half_done, folder, trained):
    lost = half_done / "runs" / "lost-seed0"
    lost.mkdir()
    (lost / "config.json").write_text("{}")  # it was begun
    study = small_study(folder / "cache", WHOLE, LOST, budget="examples")
    results = run_study(study, half_done, Console(quiet=True), Part(frozenset({"whole-seed0"})))
    assert trained == []
    assert (results["failed"], len(results["waiting"])) == ([], 1)
    assert not (lost / "failure.json").exists()


def test_variants_are_also_compared_with_what_they_name(finished, folder, tmp_path, trained):
    out, again = tmp_path / "out", Variant("again", "again", SWAPPED.overrides, against="swapped")
    shutil.copytree(folder / "out", out)
    shutil.copytree(out / "runs" / "swapped-seed0", out / "runs" / "again-seed0")
    result = json.loads((out / "runs" / "again-seed0" / "result.json").read_text("utf-8"))
    (out / "runs" / "again-seed0" / "result.json").write_text(
        json.dumps(result | {"variant": "again"})
    )
    (predictions,) = (out / "runs" / "again-seed0" / "eval").glob("test-*.jsonl")
    lines = [json.loads(line) for line in predictions.read_text("utf-8").splitlines()]
    for line in lines[:5]:
        line["outcome"] = "wrong" if line["outcome"] == "right" else "right"
    predictions.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    results = run_study(tiny_study(folder / "cache", again), out, Console(quiet=True))
    assert trained == []
    pairs = [(one["variant"], one["baseline"]) for one in results["comparisons"]]
    assert pairs == [("swapped", "whole"), ("again", "whole")]
    (against,) = results["comparisons_against"]
    assert (against["variant"], against["baseline"]) == ("again", "swapped")
    assert against["p_holm"] == against["p"]  # a family of its own
    assert sum(against["mcnemar"][0][only] for only in ("only_variant", "only_baseline")) == 5
    assert [one["against"] for one in results["variants"]] == [(), (), ("swapped",)]
    shown = {(one["variant"], one["baseline"]) for one in results["differences"]}
    assert ("again", "swapped") in shown


@pytest.mark.parametrize("lines", [0, 59])
def test_what_can_not_be_gathered_is_listed_and_the_rest_is_reported(
    finished, folder, tmp_path, lines
):
    out, more = tmp_path / "out", Variant("more", "more", WHOLE.overrides)
    shutil.copytree(folder / "out", out)
    shutil.copytree(out / "runs" / "whole-seed0", out / "runs" / "more-seed0")
    file = out / "runs" / "more-seed0" / "eval" / f"test-{STEPS}.jsonl"
    file.write_text("".join(file.read_text("utf-8").splitlines(keepends=True)[:lines]), "utf-8")
    results = run_study(tiny_study(folder / "cache", more), out, Console(quiet=True))
    assert results["comparisons"] == finished["comparisons"]
    (one,) = results["failed"]
    assert (one["variant"], one["seed"], one["group"]) == ("more", 0, "report")
    problem = "does not answer the study's test questions" if lines else "holds no predictions"
    assert one["reason"].startswith(f"not compared: {file}: {problem}")
    assert "not compared" in (out / "report.html").read_text("utf-8")


@pytest.mark.parametrize("changed", [{"data": "other"}, {"rationales": "other"}])
def test_other_data_is_refused_before_anything_runs(half_done, folder, trained, changed):
    file = half_done / "runs" / "whole-seed0" / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changed))
    with pytest.raises(InputError, match="whole-seed0: was run with other questions or rationales"):
        run_study(tiny_study(folder / "cache"), half_done, Console(quiet=True))
    assert trained == []


def test_results_of_older_versions_are_read(finished, folder, tmp_path, trained):
    out = tmp_path / "out"
    shutil.copytree(folder / "out", out)
    for file in (out / "runs").glob("*/result.json"):
        result = json.loads(file.read_text("utf-8"))
        del result["data"], result["rationales"], result["test"]["seconds"]
        file.write_text(json.dumps(result | {"versions": {"cotjax": "0.1.0", "jax": "0.4"}}))
    results = run_study(tiny_study(folder / "cache"), out, Console(quiet=True))
    assert trained == []
    assert results["comparisons"] == finished["comparisons"]


def test_nothing_finished_has_results_and_no_page(folder, tmp_path):
    study = small_study(folder / "cache", LOST)
    results = run_study(study, tmp_path / "out", Console(quiet=True))
    assert (results["runs"], len(results["failed"])) == ([], 1)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "results.json", "results.csv", "comparisons.csv", "runs",
    }  # fmt: skip


def test_a_tuned_study_compares_at_own_and_at_shared_settings(tmp_path, monkeypatch):
    rate, tried = "optimizer.learning_rate", []

    def came_to(workdir, run, splits, _) -> dict:
        """`whole` does best at 0.1, `swapped` at 0.2, and 0.1 is better for both together."""
        tried.append(run.folder)
        values = {("whole", 0.1): 0.9, ("whole", 0.2): 0.2, ("swapped", 0.1): 0.5}
        value = values.get((run.variant.name, run.settings[rate]), 0.6)
        result = drawn.results()["runs"][0] | {"variant": run.variant.name, "seed": run.seed}
        result |= {"validation": value, "tuned": dict(run.settings), "steps": STEPS}
        (workdir / run.folder / "eval").mkdir(parents=True)
        (workdir / run.folder / "result.json").write_text(json.dumps(result))
        lines = [json.dumps({"id": one.id, "outcome": "right"}) for one in splits["test"]]
        (workdir / run.folder / "eval" / f"test-{STEPS}.jsonl").write_text("\n".join(lines))
        return result

    monkeypatch.setattr(study_run, "finish", came_to)
    study = small_study(tmp_path, WHOLE, SWAPPED, tuning=Tuning({rate: (0.1, 0.2)}, seeds=(7,)))
    results = run_study(study, tmp_path / "out", Console(quiet=True))
    assert tried[4:] == ["runs/whole-seed0", "runs/swapped-seed0", "shared/swapped-seed0"]
    assert [one["tuned"]["settings"] for one in results["variants"]] == [{rate: 0.1}, {rate: 0.2}]
    assert [run["tuned"] for run in results["runs"]] == [{rate: 0.1}, {rate: 0.2}]
    shared = results["shared_settings"]
    assert shared["settings"] == {rate: 0.1}
    assert [run["tuned"] for run in shared["runs"]] == [{rate: 0.1}] * 2
    assert len(shared["comparisons"]) == len(results["comparisons"]) == 1


@pytest.mark.parametrize("with_checkpoints", [True, False])
def test_another_config_is_refused_before_anything_runs(
    finished, folder, trained, tmp_path, with_checkpoints
):
    shutil.copytree(folder / "out", tmp_path / "out")
    if not with_checkpoints:  # as somebody does who is short of space
        for checkpoints in (tmp_path / "out" / "runs").glob("*/checkpoints"):
            shutil.rmtree(checkpoints)
    study = tiny_study(folder / "cache", steps=STEPS + 1)
    with pytest.raises(InputError, match=r"schedule\.total_steps=3, not 4"):
        run_study(study, tmp_path / "out", Console(quiet=True))
    assert trained == []


def test_the_bar_of_a_fresh_study_reaches_its_end(finished, first_bars):
    (bar,) = first_bars[0].tasks  # those of the runs are gone
    assert (bar.completed, bar.total) == (2, 2)
    assert bar.description == "run 2 of 2: swapped-seed0"
    assert bar.speed > 0


def test_a_source_without_test_questions_is_refused_before_anything_runs(tmp_path, trained):
    study = tiny_study(tmp_path)
    study.base.task.test_split = "exam"
    with pytest.raises(InputError, match="no split 'exam'") as caught:
        run_study(study, tmp_path / "out", Console(quiet=True))
    assert "\n" not in str(caught.value)
    assert trained == []
    assert not (tmp_path / "out").exists()


def test_several_processes_are_refused(tmp_path, trained, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(InputError, match="run by one process, not 2"):
        run_study(tiny_study(tmp_path), tmp_path / "out", Console(quiet=True))
    assert trained == []


def test_the_terminal_shows_the_comparison_and_where_the_report_is(finished, folder, capsys):
    console = Console(width=200, force_terminal=False)
    run_study(tiny_study(folder / "cache"), folder / "out", console)
    lines = capsys.readouterr().out.splitlines()
    assert f"report: {folder / 'out' / 'report.html'}" in lines
    assert "overlap: 0 questions of test stand in train" in lines
    (row,) = (line for line in lines if line.startswith("another question’s"))
    (comparison,) = finished["comparisons"]
    numbers = row.removeprefix("another question’s").split()
    assert numbers[0] == f"{100 * finished['runs'][1]['test']['accuracy']:.1f}"
    assert numbers[1].lstrip("+−") == f"{100 * abs(comparison['difference']):.1f}"


STUDY_FILE = """
from pathlib import Path
from tests.study.small import LOST, small_study
def get_config():
    return small_study(Path(__file__).parent / "cache", LOST)
"""


def test_the_script_ends_with_1_where_a_run_failed(tmp_path):
    (tmp_path / "lost.py").write_text(STUDY_FILE)
    command = [sys.executable, REPOSITORY / "scripts/study.py"]
    command += [f"--config={tmp_path / 'lost.py'}", f"--workdir={tmp_path / 'out'}"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "failed: runs/lost, seed 0: nowhere: has no records of split 'train'" in done.stdout
    assert "Traceback" not in done.stderr
