"""Which runs are done here, and how far each is."""

import dataclasses
import json

import pytest

from configs.default import get_config as default_config
from cotjax.errors import InputError
from cotjax.study.definition import Study, Tuning, Variant
from cotjax.study.grid import plan, plan_tuning
from cotjax.study.plan import Part, State, state_of
from cotjax.study.tuning import Choice, Choices, final_runs

VARIANTS = tuple(Variant(name, name, {}) for name in ("a", "b", "c"))
STUDY = Study("Which?", default_config(), VARIANTS, (0, 1))


def names(only: str | None, shard: str | None) -> list[str]:
    return [run.name for run in Part.parse(STUDY, only, shard).of(plan(STUDY))]


def test_no_run_changes_shards_while_tuning_makes_its_choices():
    study = dataclasses.replace(STUDY, tuning=Tuning({"loss.label_weight": (1.0, 2.0)}, (7,)))
    own, shared, c_seed1 = {"loss.label_weight": 2.0}, {"loss.label_weight": 1.0}, "runs/c-seed1"

    def second_half(**chosen) -> list[str]:
        choices = Choices({name: Choice(own, ()) for name in chosen}, shared, {}, ())
        runs = [*plan_tuning(study), *final_runs(study, choices)]
        return [run.folder for run in Part.parse(study, None, "2/2").of(runs)]

    tuning = [f"tuning/{name}-seed7" for name in (
        "b-label_weight=1.0", "a-label_weight=2.0", "c-label_weight=2.0",
    )]  # fmt: skip
    assert second_half() == tuning
    assert second_half(c=own) == [*tuning, c_seed1, "shared/c-seed1"]
    assert second_half(a=own, c=own) == [
        *tuning, "runs/a-seed1", "shared/a-seed1", c_seed1, "shared/c-seed1",
    ]  # fmt: skip


def test_everything_is_done_here_unless_it_is_said():
    assert names(None, None) == [run.name for run in plan(STUDY)]


def test_named_variants_alone():
    assert names("c,a", None) == ["a-seed0", "c-seed0", "a-seed1", "c-seed1"]


@pytest.mark.parametrize("only", [None, "a,b"])
@pytest.mark.parametrize("shards", [1, 2, 4, 9])
def test_shards_together_do_every_run_once(only, shards):
    parts = [names(only, f"{shard}/{shards}") for shard in range(1, shards + 1)]
    assert sorted(name for part in parts for name in part) == sorted(names(only, None))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    ("only", "shard", "message"),
    [
        ("a,bb", None, "--only=a,bb: the study has no variant 'bb'"),
        ("", None, "no variant ''"),
        (None, "0/2", "--shard=0/2: write i/n"),
        (None, "3/2", "--shard=3/2: write i/n"),
        (None, "2", "--shard=2: write i/n"),
        (None, "1/2/3", "write i/n"),
        (None, "", "--shard=: write i/n"),
    ],
)
def test_odd_parts_are_refused(only, shard, message):
    with pytest.raises(InputError, match=message):
        Part.parse(STUDY, only, shard)


def test_states_of_a_folder(tmp_path):
    assert state_of(tmp_path / "none") == State("waiting")
    (tmp_path / "checkpoints" / "20.orbax-checkpoint-tmp").mkdir(parents=True)
    assert state_of(tmp_path) == State("waiting")
    (tmp_path / "checkpoints" / "5").mkdir()
    (tmp_path / "checkpoints" / "10").mkdir()
    assert state_of(tmp_path) == State("interrupted", 10)
    (tmp_path / "failure.json").write_text(json.dumps({"reason": "no luck"}))
    assert state_of(tmp_path) == State("failed", 10, "no luck")
    (tmp_path / "result.json").write_text("{}")
    assert state_of(tmp_path) == State("finished", 10)
