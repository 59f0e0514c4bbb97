"""Runs of equal budgets: where a run has as many examples, tokens or FLOPs as the baseline's."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

from ml_collections.config_dict import ConfigDict
from rich.progress import Progress

from cotjax import config as configs
from cotjax.data.work import Work
from cotjax.errors import InputError
from cotjax.evaluation.batching import advancing
from cotjax.json_files import dump_json, replace_file
from cotjax.models.t5_config import T5Config
from cotjax.study.definition import Study
from cotjax.study.grid import PlannedRun, config_of
from cotjax.study.kept import read_kept
from cotjax.study.same import data_hashes
from cotjax.tasks.splits import Splits
from cotjax.training.prepare import Experiment, prepare
from cotjax.training.throughput import train_flops

WORDS = {
    "examples": "training targets",
    "tokens": "supervised tokens",
    "flops": "model FLOPs (matrix products of its training steps, padding left out)",
}
STRETCHED = ("schedule.warmup_steps", "evaluation.every", "checkpoint.every")  # with the length


class Budget:
    """The lengths of a study's runs.

    Counting lays out every step, about a millisecond each, so what was counted is kept in a file,
    and how far it is can be shown.
    """

    def __init__(self, study: Study, file: Path, splits: Splits):
        """Reads what was counted before, of these or of other data."""
        self._study, self._file, self._splits = study, file, splits
        self._data: dict[str | None, str] = {}  # by the folder of records
        self._counted: dict[str, int] = read_kept(file) if file.exists() else {}

    def fit(self, run: PlannedRun, progress: Progress | None = None) -> PlannedRun:
        """The run at its length: it ends at the first step that reaches the budget of its seed.

        Warm-up, and the steps between evaluations and checkpoints, are stretched with it.

        Raises:
          InputError: if its data, or the baseline's, can't be used, or it has nothing to count.
        """
        by = self._study.budget
        if by == "steps":
            return run
        baseline = config_of(self._study.base, self._study.baseline_variant, run.seed)
        key = f"{self._key(baseline)}, steps of {_hash_of_steps(run.config)}"
        if key not in self._counted:
            budget = self._total(baseline, progress)
            told = f"counting {by} of {run.spoken}"
            with advancing(progress, told, baseline.schedule.total_steps) as advance:
                whole = baseline.schedule.total_steps / max(budget, 1)
                steps = _steps_to(by, run.config, budget, lambda more: advance(more * whole))
            self._keep(key, steps)
        return dataclasses.replace(run, config=stretched(run.config, self._counted[key]))

    def text(self) -> str:
        """What all runs have alike, in a sentence or two."""
        study = self._study
        if study.budget != "steps":
            return (
                f"Every run ends at the first step at which it has had as many "
                f"{WORDS[study.budget]} as the run of the same seed of "
                f"“{study.baseline_variant.title}”. The schedule of its learning rate is "
                "stretched to its length."
            )
        plain = [
            config_of(study.base, variant, 0).schedule.total_steps for variant in study.variants
        ]
        if study.tuning and "schedule.total_steps" in study.tuning.grid:
            return "Every variant takes as many steps as it chose on validation questions."
        if len(set(plain)) > 1:
            return "Runs take as many steps as their variant says: not the same number."
        return f"Every run takes {plain[0]:,} steps."

    def _total(self, config: ConfigDict, progress: Progress | None) -> int:
        """How much the baseline's run has."""
        by, steps = self._study.budget, config.schedule.total_steps
        key = self._key(config)
        if key not in self._counted:
            experiment, total = prepare(config, row_multiple=1), 0
            told = f"counting {by} of the baseline, seed {config.seed}"
            with advancing(progress, told, steps) as advance:
                for step in range(steps):
                    total += _amount(by, experiment, step)
                    advance(1)
            self._keep(key, total)
        return self._counted[key]

    def _key(self, config: ConfigDict) -> str:
        """What the count of a run depends on."""
        records = config.data.records
        if records not in self._data:
            hashes = data_hashes(config, self._splits)
            self._data[records] = f"data {hashes['data']}, rationales {hashes['rationales']}"
        return f"{self._study.budget} of {configs.config_hash(config)}, {self._data[records]}"

    def _keep(self, key: str, count: int) -> None:
        self._counted[key] = count
        self._file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._file, dump_json(self._counted, indent=1) + "\n")


def amount_of(by: str, model: T5Config, work: Work) -> int:
    """How many examples, supervised tokens or FLOPs some work is."""
    if by == "flops":
        return train_flops(model, work)
    return work.examples if by == "examples" else work.supervised


def stretched(config: ConfigDict, steps: int) -> ConfigDict:
    """A config whose schedule ends after so many steps, all else in proportion."""
    config, flat = copy.deepcopy(config), configs.flatten(config)
    longer = steps / config.schedule.total_steps
    configs.set_field(config, "schedule.total_steps", steps)
    for name in STRETCHED:
        least = 0 if name == "schedule.warmup_steps" else 1
        configs.set_field(config, name, max(round(flat[name] * longer), least))
    configs.validate(config)
    return config


def _hash_of_steps(config: ConfigDict) -> str:
    """A hash of what decides what the steps hold: neither learning rate nor schedule."""
    config = copy.deepcopy(config)
    for section in ("optimizer", "schedule"):
        del config[section]
    return configs.config_hash(config)


def _amount(by: str, experiment: Experiment, step: int) -> int:
    """How many of them one step has."""
    return amount_of(by, experiment.model, Work.of(experiment.steps[step], experiment.steps))


def _steps_to(by: str, config: ConfigDict, budget: int, advance: Callable[[int], None]) -> int:
    """The first number of steps that has at least the budget."""
    experiment = prepare(config, row_multiple=1)
    total, steps = 0, 0
    while total < budget:
        amount = _amount(by, experiment, steps)
        total, steps = total + amount, steps + 1
        advance(amount)
        if steps == experiment.steps.per_epoch and total == 0:
            raise InputError(f"the study's budget is of {WORDS[by]}, and the run has none")
    return steps
