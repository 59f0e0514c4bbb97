"""The loop: resumed equals uninterrupted, and whatever stops a run leaves it resumable."""

import dataclasses
import shutil
import signal
from contextlib import closing

import jax
import pytest

from cotjax import config as configs
from cotjax.checkpoints import Checkpoints
from cotjax.errors import InputError
from cotjax.evaluation import predict as predicting
from cotjax.evaluation import student
from cotjax.evaluation.student import default_mesh
from cotjax.json_files import read_json
from cotjax.records import Manifest, write_records
from cotjax.tasks import get_task
from cotjax.training import run
from cotjax.training.run import train
from cotjax.training.writers import read_scalars
from tests.training.runs import interrupt_after, trained

pytestmark = pytest.mark.usefixtures("quick_to_compile")


@pytest.fixture(scope="module")
def whole(make_config, tmp_path_factory):
    """An uninterrupted run: its workdir and result."""
    workdir = tmp_path_factory.mktemp("whole")
    return workdir, train(make_config(), workdir)


def test_every_step_is_logged_and_the_untouched_student_evaluated(whole):
    workdir, result = whole
    assert [line[0] for line in trained(workdir)] == list(range(1, 9))
    evaluated = [line["step"] for line in read_scalars(workdir) if "validation/accuracy" in line]
    assert evaluated == [0, 2, 4, 6, 8]
    assert result.step == 8
    line = next(line for line in read_scalars(workdir) if "mfu" in line)  # not of the first step
    for name in (
        "label_accuracy",
        "rationale_accuracy",
        "examples_per_second",
        "supervised_tokens_per_second",
        "tokens_per_second",
        "mfu",
        "encoder_non_pad",
        "decoder_non_pad",
    ):
        assert line[name] >= 0
    assert any((workdir / "events").iterdir())
    assert "resumed" not in (workdir / "log.txt").read_text()


def test_best_and_latest_are_kept_and_files_agree(whole):
    workdir, result = whole
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    accuracy = {
        step: read_json(workdir / "eval" / f"validation-{step}-subset8.json")["accuracy"]
        for step in (0, 2, 4, 6, 8)
    }
    assert checkpoints.latest_step() == 8
    best = max(accuracy[step] for step in (2, 4, 6, 8))
    assert accuracy[checkpoints.best_step()] == best
    assert result.metrics["validation/accuracy"] == accuracy[8]
    meta = checkpoints.meta(8)
    assert (meta["step"], meta["examples"]) == (8, 8 * 16)
    checkpoints.close()


def test_a_terminated_run_resumes_bit_for_bit(whole, make_config, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 5, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit) as stop:
            train(make_config(), tmp_path)
    assert stop.value.code == 128 + signal.SIGTERM
    assert [line[0] for line in trained(tmp_path)] == [1, 2, 3, 4, 5]
    assert "run the same command to go on" in (tmp_path / "log.txt").read_text()
    train(make_config(), tmp_path)
    assert "resumed after step 5" in (tmp_path / "log.txt").read_text()
    assert trained(tmp_path) == trained(whole[0])


@pytest.mark.parametrize(("nth", "step"), [(1, 0), (3, 4), (4, 6), (5, 8)])
def test_a_run_that_is_terminated_amid_an_evaluation_leaves_at_once(
    nth, step, whole, make_config, tmp_path, monkeypatch
):
    """Before any step, with a checkpoint due and without, at the end; it is made up for later."""
    begun = []
    label_logprobs = predicting.label_logprobs

    def terminated(*arguments, **options):
        begun.append(None)
        if len(begun) == nth:
            signal.raise_signal(signal.SIGTERM)
        return label_logprobs(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(predicting, "label_logprobs", terminated)
        with pytest.raises(SystemExit) as stop:
            train(make_config(), tmp_path)
    assert stop.value.code == 128 + signal.SIGTERM
    assert not (tmp_path / "eval" / f"validation-{step}-subset8.json").exists()
    told = (tmp_path / "log.txt").read_text().splitlines()[-1]
    done = f"saved step {step}" if step else "stopped after step 0"
    assert told == f"SIGTERM: {done}, amid its evaluation; run the same command to go on"
    result = train(make_config(), tmp_path)
    assert trained(tmp_path) == trained(whole[0])
    assert evaluated(tmp_path) == evaluated(whole[0])
    assert result.metrics == whole[1].metrics
    found, expected = (
        closing(Checkpoints(one / "checkpoints", read_only=True)) for one in (tmp_path, whole[0])
    )
    with found as found, expected as expected:
        assert found.best_step() == expected.best_step()
        assert found.meta(8)["best"] == expected.meta(8)["best"]


def evaluated(workdir):
    """What the lines of evaluations say."""
    return [line for line in read_scalars(workdir) if "loss" not in line]


def test_a_killed_run_goes_on_from_its_last_checkpoint(whole, make_config, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def kill():
        raise Killed

    with monkeypatch.context() as patch:
        interrupt_after(patch, 7, kill)
        with pytest.raises(Killed):
            train(make_config(), tmp_path)
    train(make_config(), tmp_path)
    assert trained(tmp_path) == trained(whole[0])  # steps taken twice stand there once


def test_a_finished_run_is_left_as_it_is(whole, make_config):
    workdir, result = whole
    before = trained(workdir)
    again = train(make_config(), workdir)
    assert trained(workdir) == before
    assert again.step == result.step
    assert again.metrics == result.metrics


@pytest.mark.slow
def test_another_mesh_resumes_with_the_same_losses(whole, make_config, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_after(patch, 4, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit):
            train(make_config(), tmp_path)
    moved = {"mesh__data": 2, "mesh__fsdp": 2, "mesh__tensor": 2}
    train(make_config(model__dropout_rate=0.1, **moved), tmp_path)
    for one, other in zip(trained(tmp_path), trained(whole[0]), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_a_workdir_of_another_config_is_refused(whole, make_config):
    with pytest.raises(InputError, match=r"holds a run with config\.data\.order='label_first'"):
        train(make_config(data__order="rationale_first"), whole[0])


def test_a_mesh_that_does_not_divide_is_refused(make_config, tmp_path):
    with pytest.raises(InputError, match=r"config\.mesh"):
        train(make_config(mesh__data=3), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_other_data_under_the_same_names_is_refused(make_config, tmp_path, monkeypatch):
    records = tmp_path / "records"
    write_comparison_records(records, "it is size1")
    config = make_config(data__records=records)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit):
            train(config, tmp_path / "run")
    names = ("config.json", "model.json", "tokenizer/tokenizer.json")
    before = [(tmp_path / "run" / name).read_bytes() for name in names]
    shutil.rmtree(records)
    write_comparison_records(records, "it is size2")
    with pytest.raises(InputError, match="trained on other data"):
        train(config, tmp_path / "run")
    assert [(tmp_path / "run" / name).read_bytes() for name in names] == before


def test_a_profile_is_traced_even_where_the_run_ends_first(make_config, tmp_path):
    train(make_config(profile__steps=(7, 19)), tmp_path)
    assert _traced(tmp_path / "profile") == [7, 8]


def test_nothing_is_compiled_after_the_first_steps(make_config, tmp_path):
    """Evaluations and saves among them; there are two shapes, of full and of spilling steps."""
    train(make_config(schedule__total_steps=12, model__d_ff=24), tmp_path)
    lines = [line for line in read_scalars(tmp_path) if "loss" in line]
    compiled = {line["step"]: line["compilations"] for line in lines if "compilations" in line}
    assert compiled[1] > 0
    assert max(compiled) <= 3


def test_compiled_programs_are_kept_where_the_config_says(make_config, tmp_path, monkeypatch):
    folders = []
    for module in (run, student):
        monkeypatch.setattr(module, "keep_compiled", folders.append)
    train(make_config(schedule__total_steps=3, compilation_cache_dir="kept"), tmp_path)
    default_mesh(configs.from_workdir(tmp_path))
    assert folders == ["kept", "kept"]


@pytest.mark.parametrize(("task", "split"), [("commonsense_qa", "train"), ("comparison", "test")])
def test_records_of_another_task_or_split_are_refused(make_config, tmp_path, task, split):
    write_comparison_records(tmp_path / "records", "size1", task, split)
    with pytest.raises(InputError, match=r"holds (task|split)|has no records of split"):
        train(make_config(data__records=tmp_path / "records"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def write_comparison_records(folder, text, task="comparison", split="train"):
    """The task's own questions, all with one rationale."""
    records = [
        dataclasses.replace(
            record,
            rationales=(dataclasses.replace(record.rationales[0], text=text, key_words=None),),
        )
        for record in get_task("comparison", "text").oracle_records("train")
    ]
    write_records(folder, Manifest(task=task, split=split, teacher="test"), records)


def _traced(folder):
    """Numbers of the steps in a trace."""
    (file,) = folder.rglob("*.xplane.pb")
    events = [
        dict(event.stats)["step_num"]
        for plane in jax.profiler.ProfileData.from_file(str(file)).planes
        for line in plane.lines
        for event in line.events
        if event.name == "train"
    ]
    return sorted(events)
