"""A study from end to end, with students that are barely touched."""

import json

import jax
import pytest
from rich.console import Console

from configs.default import get_config as default_config
from cotjax.errors import InputError
from cotjax.study import run as study_run
from cotjax.study.grid import Study, Variant
from cotjax.study.progress import StudyProgress
from cotjax.study.run import TRAIN_QUESTIONS, run_study
from cotjax.training.loop import TrainResult, train

STEPS = 3
RUNS = ["whole-seed0", "swapped-seed0"]


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
        Variant("whole", "label first", {}),
        Variant("swapped", "another question’s", {"data.perturbation.name": "swap"}),
    )
    return Study("Tiny", base, variants, seeds=(0,), about=("What.",), caveats=("Careful.",))


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
def finished(folder, compilations, first_bars):
    """Its results."""

    def count(event: str, _: float, **__) -> None:
        compilations[-1] += event.endswith("backend_compile_duration")

    def spy(*arguments) -> TrainResult:
        compilations.append(0)
        return train(*arguments)

    jax.monitoring.register_event_duration_secs_listener(count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_run, "train", spy)
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

    monkeypatch.setattr(study_run, "train", spy)
    return names


def test_results_are_what_the_evaluations_wrote(finished, folder):
    out = folder / "out"
    assert finished["constant_guess"]["test"]["num_questions"] == 600
    assert finished["constant_guess"]["validation"]["num_questions"] == 8
    assert json.loads((out / "results.json").read_text("utf-8")) == json.loads(json.dumps(finished))
    for name, run in zip(RUNS, finished["runs"], strict=True):
        assert f"{run['variant']}-seed{run['seed']}" == name
        for split, count in (("test", 600), ("train", TRAIN_QUESTIONS)):
            subset = f"-subset{count}" if split == "train" else ""
            file = out / "runs" / name / "eval" / f"{split}-{STEPS}{subset}.json"
            assert run[split].items() <= json.loads(file.read_text("utf-8")).items()
            assert run[split]["num_questions"] == count
        assert [step for step, _ in run["validation_curve"]] == [0, STEPS]
        assert [step for step, _ in run["label_loss_curve"]] == [1, 2, 3]
        assert run["seconds"] > 0


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
    for run in finished["runs"]:
        assert f"{100 * run['test']['accuracy']:.1f} <small>" in text
        assert f"{run['test']['mean_tokens']:.1f}" in text


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
    assert again["runs"][1]["test"] == finished["runs"][1]["test"]
    assert again["runs"][1]["seconds"] is None
    assert (bars[0].tasks[0].completed, bars[0].tasks[0].total) == (2, 2)
    result.write_text(before, "utf-8")


def test_another_config_is_refused_before_anything_runs(finished, folder, trained):
    study = tiny_study(folder / "cache", steps=STEPS + 1)
    with pytest.raises(InputError, match=r"schedule\.total_steps=3, not 4"):
        run_study(study, folder / "out", Console(quiet=True))
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
    lines = capsys.readouterr().out
    assert "report.html" in lines
    assert "overlap: 0 questions of test stand in train" in lines
    assert "label first" in lines
