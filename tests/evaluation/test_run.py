"""Evaluation in the loop and from a checkpoint, and what it leaves on disk."""

import io
import json
import shutil

import pytest
from rich.console import Console

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.evaluation import run
from cotjax.evaluation.metrics import summarise
from cotjax.evaluation.predict import Prediction
from cotjax.evaluation.report import summary_table
from cotjax.evaluation.run import evaluate, evaluate_checkpoint, fixed_subset, write
from cotjax.evaluation.voting import Sampling
from cotjax.records import Manifest, write_records
from cotjax.targets.orders import make_order
from cotjax.tasks import get_task
from cotjax.training.writers import make_progress, read_scalars
from tests.evaluation import tiny


def test_a_checkpoint_is_evaluated_as_in_the_loop(workdir):
    written = {name: workdir / "eval" / f"validation-2.{name}" for name in ("json", "jsonl")}
    before = {name: file.read_bytes() for name, file in written.items()}
    scalars = read_scalars(workdir)[-1]
    for file in written.values():
        file.unlink()
    summary, step, predictions = evaluate_checkpoint(workdir, "latest", "validation")
    assert (step, predictions) == (2, written["jsonl"])
    assert {name: file.read_bytes() for name, file in written.items()} == before
    assert {f"validation/{name}": value for name, value in summary.items()}.items() <= (
        scalars.items()
    )


def test_the_test_split_is_asked_as_a_whole(workdir):
    progress = make_progress(Console(record=True, file=io.StringIO()))
    summary, _, predictions = evaluate_checkpoint(workdir, "2", "test", progress=progress)
    assert "overlap: 0 questions of test stand in train" in progress.console.export_text()
    lines = [json.loads(line) for line in predictions.read_text("utf-8").splitlines()]
    assert [line["id"] for line in lines] == [f"test-{number:05d}" for number in range(600)]
    assert summary["num_questions"] == 600
    assert progress.tasks == []
    content = json.loads(predictions.with_suffix(".json").read_text("utf-8"))
    assert content == {"split": "test", "step": 2, "source": "procedural", **summary}


def test_other_questions_have_their_own_files(workdir, tmp_path):
    evaluate_checkpoint(workdir, "2", "validation")
    whole = (workdir / "eval" / "validation-2.json").read_bytes()
    manifest = Manifest(task="comparison", split="validation", teacher="oracle")
    write_records(tmp_path / "few", manifest, tiny.TASK.oracle_records("validation")[:5])
    _, _, predictions = evaluate_checkpoint(workdir, "2", "validation", tmp_path / "few")
    assert predictions == workdir / "eval" / "validation-few-2.jsonl"
    assert len(predictions.read_text("utf-8").splitlines()) == 5
    content = json.loads(predictions.with_suffix(".json").read_text("utf-8"))
    assert (content["num_questions"], content["source"]) == (5, f"records:{tmp_path / 'few'}")
    assert (workdir / "eval" / "validation-2.json").read_bytes() == whole


def test_other_questions_are_compared_with_the_runs_own(workdir, tmp_path, monkeypatch):
    manifest = Manifest(task="comparison", split="test", teacher="oracle")
    seen = get_task("comparison", "text").oracle_records("train")[:5]
    write_records(tmp_path / "seen", manifest, seen)
    progress = make_progress(Console(record=True, file=io.StringIO(), width=200))
    evaluate_checkpoint(workdir, "2", "test", tmp_path / "seen", progress)
    assert "overlap: 5 questions of test stand in train" in progress.console.export_text()

    def gone(*_):
        raise InputError("records/train: is missing")

    monkeypatch.setattr(run, "load_splits", gone)
    evaluate_checkpoint(workdir, "2", "test", tmp_path / "seen", progress)
    assert "overlap unknown: records/train: is missing" in progress.console.export_text()


def of_order(workdir, folder, order):
    """A copy of a run that was trained in another order, for all that its config says."""
    shutil.copytree(workdir, folder)
    shutil.rmtree(folder / "eval")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["data"]["order"] = order
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


def read(file):
    """Summary and predictions of an evaluation."""
    lines = file.read_text("utf-8").splitlines()
    return json.loads(file.with_suffix(".json").read_text("utf-8")), list(map(json.loads, lines))


def test_forced_rationales_and_votes_have_their_own_files(workdir, tmp_path):
    run_ = of_order(workdir, tmp_path / "run", "rationale_first")
    records = get_task("comparison", "text").oracle_records("validation")
    summary, _, forced = evaluate_checkpoint(run_, "2", "validation", forced=True)
    assert forced == run_ / "eval" / "validation-2-forced.jsonl"
    content, lines = read(forced)
    assert [line["rationale"] for line in lines] == [r.rationales[0].text for r in records]
    assert all(line["given"] for line in lines)
    assert content["rationales_given"] == summary["rationales_given"] == 300
    assert content["given"] == {"words": "all", "perturbation": "none"}
    _, _, both = evaluate_checkpoint(
        run_, "2", "validation", forced=True, sampling=Sampling(3, seed=1)
    )
    assert both == run_ / "eval" / "validation-2-forced-samples3-seed1.jsonl"
    content, lines = read(both)
    assert content["sampling"] == {"samples": 3, "temperature": 0.7, "seed": 1}
    assert all(len(line["samples"]) == 3 for line in lines)
    assert [line["rationale"] for line in lines] == [r.rationales[0].text for r in records]
    assert not (run_ / "eval" / "validation-2.jsonl").exists()


def test_a_rationale_is_read_wherever_the_order_reads_it(workdir, tmp_path):
    run_ = of_order(workdir, tmp_path / "run", "rationale_input")
    _, _, predictions = evaluate_checkpoint(run_, "2", "validation")
    assert predictions == run_ / "eval" / "validation-2.jsonl"
    content, lines = read(predictions)
    assert content["rationales_given"] == 300
    records = get_task("comparison", "text").oracle_records("validation")
    assert [line["rationale"] for line in lines] == [r.rationales[0].text for r in records]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("label_first", "says no rationale before its label"),
        ("multitask", "says no rationale before its label"),
        ("rationale_input", "reads the teacher's rationales anyway"),
    ],
)
def test_no_other_order_can_be_made_to_say_a_rationale(workdir, tmp_path, order, message):
    with pytest.raises(InputError, match=f"order '{order}' {message}"):
        evaluate_checkpoint(of_order(workdir, tmp_path / "run", order), "2", "test", forced=True)


def test_a_subset_has_its_own_files(workdir, tmp_path):
    config = configs.from_workdir(workdir)
    config.evaluation.max_questions = 4
    asked, order = tiny.questions(6), make_order("label_only")
    for questions in (asked, asked[:4]):
        evaluate(
            tiny.student(), tiny.TASK, questions, order, config,
            split="test", step=3, folder=tmp_path,
        )  # fmt: skip
    assert {file.name for file in tmp_path.glob("*.json")} == {"test-3-subset4.json", "test-3.json"}


def test_bad_requests(workdir, tmp_path):
    with pytest.raises(InputError, match=r"nowhere.config\.json is missing"):
        evaluate_checkpoint(tmp_path / "nowhere", "best", "test")
    with pytest.raises(InputError, match=r"no checkpoint '7'; steps that exist: 2"):
        evaluate_checkpoint(workdir, "7", "test")
    with pytest.raises(InputError, match="has no records of split 'test'"):
        evaluate_checkpoint(workdir, "best", "test", questions=tmp_path)
    shutil.copytree(workdir, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "checkpoints")
    with pytest.raises(InputError, match="checkpoints"):
        evaluate_checkpoint(tmp_path / "copy", "best", "test")


def test_numbers_that_are_not_finite_become_null(tmp_path):
    broken = Prediction("q", "", None, "unparsed", "a", 1, choice_logprobs=(float("nan"), -1.0))
    write(tmp_path / "eval", "test-3", [broken], summarise([]))
    (line,) = (tmp_path / "eval" / "test-3.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["choice_logprobs"] == [None, -1.0]
    assert json.loads(line)["answer"] is None
    assert "rationale" not in json.loads(line)
    content = json.loads((tmp_path / "eval" / "test-3.json").read_text("utf-8"))
    assert content["accuracy"] is None
    assert not list((tmp_path / "eval").glob(".*"))


def test_a_subset_is_fixed_and_nested():
    asked = tiny.questions(13)
    few, more = fixed_subset(asked, 4), fixed_subset(asked, 9)
    assert len(few) == 4
    assert [question for question in asked if question in more] == more
    assert all(question in more for question in few)
    assert {q.id for q in fixed_subset(asked[::-1], 4)} == {q.id for q in few}
    assert fixed_subset(asked, None) == fixed_subset(asked, 13) == asked


def test_the_table_shows_counts_and_intervals():
    predictions = tiny.ask("label_first")
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(summary_table(summarise(predictions), "title"))
    shown = console.export_text()
    right = sum(prediction.outcome == "right" for prediction in predictions)
    assert f"{right} of 13" in shown
    assert "unparsed" in shown
    assert " to " in shown


def test_the_table_shows_rationales_and_votes():
    summary = summarise(tiny.ask("label_first", choices=False)) | {
        "rationales_given": 11, "rationales_missing": 2, "rationales_cut": 1, "samples": 4,
        "accuracy_by_samples": [0.25, 0.5, 0.75, 1.0], "unparsed_samples": 7,
    }  # fmt: skip
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(summary_table(summary, "title"))
    shown = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "│ rationales given (unperturbed) │ │ │ 11 │" in shown
    assert "│ questions without one │ │ │ 2 │" in shown
    assert "│ accuracy of 1 sample │ 25.0 % │ │ │" in shown
    assert "│ accuracy of 3 samples │ 75.0 % │ │ │" in shown
    assert not any("accuracy of 4" in line for line in shown)  # that is the vote itself
    assert any(line.startswith("│ accuracy (vote of 4 samples)") for line in shown)
