"""Runs that end where they have as much as the baseline's."""

import pytest
from rich.console import Console
from rich.progress import Progress

from cotjax import config as configs
from cotjax.data.work import Work
from cotjax.errors import InputError
from cotjax.study.budget import Budget, amount_of, stretched
from cotjax.study.definition import Study, Tuning, Variant
from cotjax.study.grid import STEPS, plan
from cotjax.tasks.base import Question
from cotjax.tasks.splits import Splits
from cotjax.training.prepare import prepare
from tests.study.small import PLAIN, WHOLE, small_study

HALF = Variant("half", "half batches", {"data.batch_size": 4})


def lengths(study: Study, file) -> dict[str, int]:
    budget = Budget(study, file, Splits({}, {}))
    return {run.name: budget.fit(run).config.schedule.total_steps for run in plan(study)}


def test_by_tokens_a_label_alone_is_said_as_often_as_makes_up_for_the_rationale(tmp_path):
    study = small_study(tmp_path, WHOLE, PLAIN, steps=7, budget="tokens")
    whole, plain = (prepare(run.config, row_multiple=1) for run in plan(study))
    said = [Work.of(one.steps[0], one.steps).supervised / 8 for one in (whole, plain)]
    assert said == [10, 2]  # first because ent1 is size2 while ent3 is size4 </s>; first </s>
    assert lengths(study, tmp_path / "budget.json") == {"whole-seed0": 7, "plain-seed0": 35}


def test_by_examples_half_a_batch_takes_twice_the_steps(tmp_path):
    study = small_study(tmp_path, WHOLE, PLAIN, HALF, steps=7, budget="examples")
    found = lengths(study, tmp_path / "budget.json")
    assert found == {"whole-seed0": 7, "plain-seed0": 7, "half-seed0": 14}


def test_by_flops_the_last_step_reaches_the_budget_and_the_one_before_does_not(tmp_path):
    study = small_study(tmp_path, PLAIN, WHOLE, HALF, steps=23, baseline="whole", budget="flops")

    def total(run, steps: int) -> int:
        one = prepare(run.config, row_multiple=1)
        works = [Work.of(one.steps[step], one.steps) for step in range(steps)]
        return sum(amount_of("flops", one.model, work) for work in works)

    plain, whole, half = plan(study)
    budget, found = total(whole, 23), lengths(study, tmp_path / "budget.json")
    for run in (plain, half):
        assert total(run, found[run.name]) >= budget > total(run, found[run.name] - 1)
    assert found["plain-seed0"] > 23 < found["half-seed0"]


def test_what_was_counted_is_not_counted_again(tmp_path, monkeypatch):
    tuning = Tuning({"optimizer.learning_rate": (0.1, 0.2)}, seeds=(7,))
    study = small_study(tmp_path, WHOLE, PLAIN, budget="tokens", tuning=tuning)
    before = lengths(study, tmp_path / "budget.json")
    monkeypatch.setattr("cotjax.study.budget.prepare", None)
    assert lengths(study, tmp_path / "budget.json") == before
    study.base.optimizer.weight_decay = 0.5  # changes nothing that is counted, but the baseline
    with pytest.raises(TypeError):
        lengths(study, tmp_path / "budget.json")


def test_of_other_data_it_is_counted_again(tmp_path, monkeypatch):
    study = small_study(tmp_path, WHOLE, PLAIN, budget="tokens")
    lengths(study, tmp_path / "budget.json")
    monkeypatch.setattr("cotjax.study.budget.prepare", None)
    other = Splits({"train": [Question("q", "Which?", (), "a", "train")]}, {})
    with pytest.raises(TypeError):
        Budget(study, tmp_path / "budget.json", other).fit(plan(study)[0])


def test_counting_shows_how_far_it_is(tmp_path):
    study = small_study(tmp_path, WHOLE, PLAIN, steps=7, budget="tokens")
    shown: dict[str, list[float]] = {}

    class Spy(Progress):
        def add_task(self, description, **fields):
            shown[description] = []
            return super().add_task(description, **fields)

        def advance(self, task_id, advance=1):
            (task,) = self.tasks
            super().advance(task_id, advance)
            shown[task.description].append(task.completed / task.total)

    with Spy(console=Console(quiet=True)) as progress:
        Budget(study, tmp_path / "budget.json", Splits({}, {})).fit(plan(study)[1], progress)
    assert shown == {
        "counting tokens of the baseline, seed 0": pytest.approx([n / 7 for n in range(1, 8)]),
        "counting tokens of plain-seed0": pytest.approx([n / 35 for n in range(1, 36)]),
    }
    assert progress.tasks == []


def test_all_that_is_timed_by_steps_is_stretched(tmp_path):
    base = small_study(tmp_path, WHOLE, steps=100).base
    base.schedule.warmup_steps, base.evaluation.every, base.checkpoint.every = 10, 50, 30
    longer = configs.flatten(stretched(base, 250))
    assert longer == configs.flatten(base) | {
        STEPS: 250, "schedule.warmup_steps": 25, "evaluation.every": 125, "checkpoint.every": 75,
    }  # fmt: skip
    assert stretched(base, 1).evaluation.every == 1
    assert base.schedule.total_steps == 100


def test_a_run_that_has_none_of_it_is_refused(tmp_path):
    mute = Variant("mute", "mute", {"data.order": "label_only", "loss.label_weight": 0.0})
    study = small_study(tmp_path, WHOLE, mute, budget="tokens")
    with pytest.raises(InputError, match="budget is of supervised tokens, and the run has none"):
        lengths(study, tmp_path / "budget.json")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "Every run takes 3 steps."),
        ({"budget": "tokens"}, "as many supervised tokens as the run of the same seed of “label f"),
        ({"tuning": Tuning({STEPS: (3, 6)}, (7,))}, "as many steps as it chose"),
    ],
)
def test_the_budget_is_told_in_words(tmp_path, fields, text):
    study = small_study(tmp_path, WHOLE, PLAIN, **fields)
    assert text in Budget(study, tmp_path / "budget.json", Splits({}, {})).text()


def test_variants_of_other_lengths_are_not_said_to_be_matched(tmp_path):
    longer = Variant("longer", "longer", {STEPS: 9})
    study = small_study(tmp_path, WHOLE, longer)
    text = Budget(study, tmp_path / "budget.json", Splits({}, {})).text()
    assert "not the same number" in text
