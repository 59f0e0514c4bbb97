"""Runs whose numbers go wrong: what they skip, where they stop or go back, what they never save."""

import contextlib
import json
import math
import signal

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from orbax.checkpoint.checkpoint_managers import preservation_policy
from safetensors.numpy import load_file, save_file

from cotjax import config as configs
from cotjax.checkpoints import Checkpoints
from cotjax.config import config_hash, flatten
from cotjax.errors import InputError, NotFiniteError
from cotjax.evaluation.student import export_checkpoint
from cotjax.json_files import read_json
from cotjax.training import feeding, left_out, loop
from cotjax.training.prepare import prepare
from cotjax.training.run import train
from cotjax.training.writers import read_scalars
from tests.training.runs import interrupt_after, trained

LONG = {
    "data__batch_size": 8,
    "schedule__total_steps": 30,
    "checkpoint__every": 24,
    "evaluation__every": 24,
    "profile__log_every": 4,
    "guard__skipped_in_a_row": 2,
    "guard__then": "go_back",
}
CHECKPOINT, SPIKE, ALONE, TOGETHER = 24, 25, 27, (29, 30)  # steps, as the log counts them
TOO_MUCH = 1e30  # a weight whose gradients overflow

pytestmark = pytest.mark.usefixtures("quick_to_compile")


class Killed(Exception):
    """Ends a run in the middle."""


def kill():
    raise Killed


def faults_of(workdir):
    return [json.loads(line) for line in (workdir / "faults.jsonl").read_text().splitlines()]


def weigh(monkeypatch, weights):
    """Multiplies the loss weights of targets, by their rows in the table, wherever they stand."""
    batches = feeding.batches

    def weighed(*arguments):
        for work, batch in batches(*arguments):
            batch["loss_weights"] = batch["loss_weights"].copy()
            for row, weight in weights.items():
                for place in np.argwhere(batch["segment_target"] == row):
                    there = batch["decoder_segments"][place[0]] == place[1] + 1
                    batch["loss_weights"][place[0], there] *= weight
            yield work, batch

    monkeypatch.setattr(feeding, "batches", weighed)


@pytest.fixture
def bad_rows(make_config, monkeypatch):
    """A spike, and three targets whose gradients overflow; returns the latter."""
    steps = prepare(make_config(**LONG), row_multiple=8).steps
    spike = dict.fromkeys(map(int, steps.targets(SPIKE - 1)[0]), 50.0)
    bad = [int(steps.targets(step - 1)[0][3]) for step in (ALONE, *TOGETHER)]
    weigh(monkeypatch, spike | dict.fromkeys(bad, TOO_MUCH))
    return bad


@pytest.mark.slow
def test_a_run_goes_back_without_the_targets_at_fault(bad_rows, make_config, tmp_path, monkeypatch):
    config = make_config(**LONG)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(config, whole)
    returns = read_json(whole / "left_out.json")["returns"]
    assert [(r["to_step"], r["first"], r["last"]) for r in returns] == [(CHECKPOINT, *TOGETHER)]
    assert returns[0]["rows"] == sorted(bad_rows[1:])
    spike, skipped = faults_of(whole)  # the one that stands alone is skipped, and no more
    assert (spike["step"], spike["kind"]) == (SPIKE, "spike")
    assert (skipped["step"], skipped["kind"]) == (ALONE, "skipped")
    assert len(skipped["targets"]) == 8
    assert spike["score"] > 10
    assert sum(line.get("skipped_steps", 0) for line in read_scalars(whole)) == 1
    log = (whole / "log.txt").read_text()
    assert f"back to step {CHECKPOINT}, from where others stand in for 2 target(s)" in log
    assert all(name in log for name in returns[0]["targets"])
    with monkeypatch.context() as patch:
        interrupt_after(patch, 30 + 2, kill)  # two steps after it went back
        with pytest.raises(Killed):
            train(config, killed)
    train(config, killed)
    assert trained(killed) == trained(whole)
    for name in ("faults.jsonl", "left_out.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_a_diverging_run_stops_with_advice(make_config, tmp_path):
    config = make_config(optimizer__learning_rate=1e30, guard__skipped_in_a_row=3)
    with pytest.raises(NotFiniteError, match=r"in steps 2 to 4; .* --config\.guard\.then=go_back"):
        train(config, tmp_path)
    assert [fault["step"] for fault in faults_of(tmp_path)] == [2, 3, 4]
    assert not list((tmp_path / "checkpoints").iterdir())
    log = (tmp_path / "log.txt").read_text()
    assert "step 2 is not saved, for the steps before it were skipped" in log


def test_too_few_steps_to_end_a_run_do_so_at_its_end_if_the_student_is_lost(
    make_config, tmp_path, monkeypatch
):
    monkeypatch.setattr(left_out, "MOST_RETURNS", 1)
    config = make_config(optimizer__learning_rate=1e30, guard__then="go_back")
    with pytest.raises(NotFiniteError, match=r"in steps 2 to 8, and to leave .* did not help"):
        train(config, tmp_path)
    (one,) = read_json(tmp_path / "left_out.json")["returns"]
    assert (one["to_step"], len(one["rows"])) == (0, 8 * 16)  # none at fault: all around
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_signal_amid_skipped_steps_saves_nothing(make_config, tmp_path, monkeypatch):
    steps = prepare(make_config(), row_multiple=8).steps
    weigh(monkeypatch, {int(steps.targets(4)[0][0]): math.inf})
    with monkeypatch.context() as patch:
        interrupt_after(patch, 5, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit):
            train(make_config(), tmp_path)
    assert "SIGTERM: stopped after step 5" in (tmp_path / "log.txt").read_text()
    with contextlib.closing(Checkpoints(tmp_path / "checkpoints", read_only=True)) as checkpoints:
        assert checkpoints.latest_step() == 4


def test_a_poisoned_student_is_never_saved(make_config, tmp_path, monkeypatch):
    """A number in memory turns into NaN, in a place that no step's loss depends on."""
    train_step = loop.train_step

    def flipping(*arguments):
        step = train_step(*arguments)

        def flip(state, batch, seed):
            state, metrics = step(state, batch, seed)
            with jax.transfer_guard("allow"):
                if int(state.step) == 5:
                    encoder = state.params["encoder"]
                    bias = encoder["relative_bias"]["embedding"]
                    encoder["relative_bias"]["embedding"] = bias.at[-1, 0].set(jnp.nan)
            return state, metrics

        return flip

    monkeypatch.setattr(loop, "train_step", flipping)
    line = r"not finite after step 6 \(params/encoder/.* is not saved; the last .* of step 4"
    with pytest.raises(NotFiniteError, match=line):
        train(make_config(), tmp_path)
    with contextlib.closing(Checkpoints(tmp_path / "checkpoints", read_only=True)) as checkpoints:
        assert checkpoints.latest_step() == 4
        assert checkpoints.best_step() <= 4
    assert not (tmp_path / "eval" / "validation-6-subset8.json").exists()


def test_weights_that_are_not_finite_are_refused(repository, make_config, tmp_path):
    config = make_config(schedule__total_steps=4, optimizer__learning_rate=0)
    train(config, tmp_path / "run")
    export_checkpoint(tmp_path / "run", "latest", tmp_path / "weights")
    file = tmp_path / "weights" / "model.safetensors"
    tensors = load_file(file)
    tensors["shared.weight"][7, 3] = np.inf
    save_file(tensors, file, metadata={"format": "pt"})
    fields = {"model.pretrained": tmp_path / "weights", "data.cache": config.data.cache}
    words = [f"--config.{name}={value}" for name, value in fields.items()]
    line = r"config\.model\.pretrained: weights of .*weights are not finite \(shared/embedding\)"
    with pytest.raises(InputError, match=line):
        train(configs.load(repository / "configs" / "default.py", words), tmp_path / "other")


def test_orbax_would_remove_the_true_best_for_a_nan(tmp_path):
    """Why no metric that is not a number may reach it."""

    def metric(metrics):
        return metrics["metric"]

    best = preservation_policy.BestN(get_metric_fn=metric, n=1)
    options = ocp.CheckpointManagerOptions(best_fn=metric, preservation_policy=best)
    item = ocp.args.StandardSave({"kernel": jnp.ones(2)})
    with ocp.CheckpointManager(tmp_path / "orbax", options=options) as manager:
        for step, value in enumerate([0.9, math.nan, 0.1]):
            manager.save(step, args=item, metrics={"metric": value}, force=True)
        manager.wait_until_finished()
        assert 0 not in manager.all_steps()
    with contextlib.closing(Checkpoints(tmp_path / "ours")) as ours:
        for step, value in enumerate([0.9, math.nan, 0.1]):
            ours.save(step, {"kernel": jnp.ones(2)}, {"count": jnp.ones(1)}, {}, value, wait=True)
        assert ours.best_step() == 0
        assert ours.all_steps() == [0, 2]


def test_the_guard_is_no_part_of_what_is_learned(make_config, tmp_path):
    """A run that stopped may go back instead; one from before there was a guard goes on."""
    config = make_config(guard__then="go_back", guard__skipped_in_a_row=3)
    assert config_hash(config) == config_hash(make_config())
    older = config.to_dict()
    del older["guard"]
    (tmp_path / "config.json").write_text(json.dumps(older))
    read = configs.from_workdir(tmp_path)
    assert flatten(read)["guard.then"] == "stop"
    configs.check_same_config(config, tmp_path)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"guard__then": "goback"}, "did you mean 'go_back'"),
        ({"guard__skipped_in_a_row": 0}, "guard.skipped_in_a_row=0 must be 1 or more"),
        ({"guard__spike_score": -1}, "guard.spike_score=-1.0 must not be negative"),
        ({"model__dtype": "float16"}, "model.dtype='float16' is not one of None, float32"),
    ],
)
def test_mistakes_name_the_field(make_config, change, line):
    with pytest.raises(InputError) as error:
        make_config(**change)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
