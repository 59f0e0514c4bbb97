"""A study from end to end, with students that are barely touched."""

import json

import pytest
from rich.console import Console

from configs.default import get_config as default_config
from cotjax.errors import InputError
from cotjax.study import run as study_run
from cotjax.study.grid import Study, Variant
from cotjax.study.run import TRAIN_QUESTIONS, run_study

STEPS = 3
RUNS = ["plain-seed0", "words-seed0"]


def tiny_study(cache, steps: int = STEPS) -> Study:
    base = default_config()
    base.data.cache = str(cache)
    base.data.batch_size = 8
    base.model.d_model = base.model.d_kv = base.model.d_ff = 8
    base.model.num_heads = base.model.num_layers = base.model.num_decoder_layers = 1
    base.schedule.total_steps, base.schedule.warmup_steps = steps, 1
    base.evaluation.max_questions, base.evaluation.max_tokens = 8, 4
    base.evaluation.batch_size = 256
    base.profile.log_every = 1
    variants = (
        Variant("plain", "label only", {"data.order": "label_only"}),
        Variant("words", "2 words", {"data.words.name": "key_words", "data.words.k": 2}),
    )
    return Study("Tiny", base, variants, seeds=(0,), about=("What.",), caveats=("Careful.",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished study, and a place for tokenised data."""
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def finished(folder):
    """Its results."""
    return run_study(tiny_study(folder / "cache"), folder / "out", Console(quiet=True))


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """Names of the runs that are trained from here on."""
    names = []

    def spy(config, workdir, progress):
        names.append(workdir.name)
        return train(config, workdir, progress)

    train = study_run.train
    monkeypatch.setattr(study_run, "train", spy)
    return names


def test_results_are_what_the_evaluations_wrote(finished, folder):
    out = folder / "out"
    assert finished["constant_guess"]["num_questions"] == 600
    assert json.loads((out / "results.json").read_text("utf-8")) == json.loads(json.dumps(finished))
    for name, run in zip(RUNS, finished["runs"], strict=True):
        assert f"{run['variant']}-seed{run['seed']}" == name
        for split, count in (("test", 600), ("validation", 300), ("train", TRAIN_QUESTIONS)):
            file = out / "runs" / name / "eval" / f"{split}-{STEPS}.json"
            assert json.loads(file.read_text("utf-8")) == {
                "split": split, "step": STEPS, **run[split],
            }  # fmt: skip
            assert run[split]["num_questions"] == count
        assert [step for step, _ in run["validation_curve"]] == [0, STEPS]
        assert [step for step, _ in run["label_loss_curve"]] == [1, 2, 3]
        assert run["seconds"] > 0


def test_all_variants_show_the_same_question(finished):
    plain, words = (run["example"] for run in finished["runs"])
    assert plain["input"] == words["input"]
    assert [kind for kind, _ in plain["segments"]] == ["label", "eos"]
    assert [kind for kind, _ in words["segments"]] == ["label", "connective", "rationale", "eos"]


def test_the_page_holds_the_numbers(finished, folder):
    text = (folder / "out" / "report.html").read_text("utf-8")
    for run in finished["runs"]:
        assert f"{100 * run['test']['accuracy']:.1f} <small>" in text
        assert f"{run['test']['mean_tokens']:.1f}" in text


def test_a_finished_study_is_not_repeated(finished, folder, trained):
    again = run_study(tiny_study(folder / "cache"), folder / "out", Console(quiet=True))
    assert trained == []
    assert again["runs"] == finished["runs"]


def test_only_what_is_missing_is_run_and_an_interrupted_time_is_not_told(finished, folder, trained):
    result = folder / "out" / "runs" / "words-seed0" / "result.json"
    before = result.read_text("utf-8")
    result.unlink()  # as if the study had been killed between training and evaluation
    again = run_study(tiny_study(folder / "cache"), folder / "out", Console(quiet=True))
    assert trained == ["words-seed0"]
    assert again["runs"][1]["test"] == finished["runs"][1]["test"]
    assert again["runs"][1]["seconds"] is None
    result.write_text(before, "utf-8")


def test_another_config_is_refused_before_anything_runs(finished, folder, trained):
    study = tiny_study(folder / "cache", steps=STEPS + 1)
    with pytest.raises(InputError, match=r"schedule\.total_steps=3, not 4"):
        run_study(study, folder / "out", Console(quiet=True))
    assert trained == []


def test_progress_reaches_the_end(finished, folder, capsys):
    lines = []
    console = Console(width=200, force_terminal=False)
    run_study(tiny_study(folder / "cache"), folder / "out", console)
    lines = capsys.readouterr().out
    assert "report.html" in lines
    assert "label only" in lines
