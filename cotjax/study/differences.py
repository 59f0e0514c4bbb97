"""Test questions on which a variant and its baseline differ, to be read beside the numbers."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections.config_dict import ConfigDict

from cotjax.errors import InputError
from cotjax.json_files import read_json_lines
from cotjax.study.definition import Study
from cotjax.study.grid import PlannedRun
from cotjax.study.one_run import predictions_file
from cotjax.study.problems import Problems
from cotjax.targets.keys import stable_hash
from cotjax.tasks import configured_task
from cotjax.tasks.base import Question
from cotjax.training.prepare import prepare
from cotjax.training.preview import shown_targets

EACH = 3  # questions that the variant alone got right, and as many that the baseline alone did

Segments = list[list[str]]  # [kind, text] each


@dataclasses.dataclass(frozen=True)
class Targets:
    """What a variant would be taught to say to test questions.

    Attributes:
      said: By question id.
      reason: Why nothing can be known of any, in words; None where something is.
    """

    said: Mapping[str, Segments] = dataclasses.field(default_factory=dict)
    reason: str | None = None


def differences(
    study: Study,
    workdir: Path,
    runs: Sequence[PlannedRun],
    questions: Sequence[Question],
    problems: Problems,
) -> list[dict[str, Any]]:
    """Up to six questions of each compared pair of variants, of the first seed that both have.

    Half of them the variant alone got right, half the other alone (its `baseline`: the study's, and
    each that it names by `against`); which ones is settled by a hash of their ids, not by
    how well they look. `outputs` and `targets` are [variant's, baseline's]; a target is what the
    variant would be taught to say to this test question, None where that can't be known, with the
    reason in `without_targets`.
    """
    task = configured_task(study.base)  # variants may differ in label formats alone
    inputs = {question.id: task.format_input(question) for question in questions}
    found = []
    for variant, other in itertools.chain(*study.families.values()):
        seeds = _seeds(runs, variant) & _seeds(runs, other)
        if not seeds:
            continue
        seed = min(seeds, key=study.seeds.index)
        pair = [_find(runs, name, seed) for name in (variant, other)]
        with problems.of(variant, seed, f"no examples beside {other!r}"):
            found += [one | {"input": inputs[one["id"]]} for one in _between(workdir, pair)]
    targets = _all_targets(workdir, runs, found, problems)
    return [_with_targets(one, targets) for one in found]


def _between(workdir: Path, pair: Sequence[PlannedRun]) -> list[dict[str, Any]]:
    """Differing questions of two runs of one seed."""
    mine, its = ({line["id"]: line for line in _predictions(workdir, run)} for run in pair)
    ids = sorted(mine.keys() & its.keys(), key=stable_hash)
    differing = [id for id in ids if _right(mine[id]) != _right(its[id])]
    won = [id for id in differing if _right(mine[id])][:EACH]
    lost = [id for id in differing if _right(its[id])][:EACH]
    return [
        {
            "variant": pair[0].variant.name,
            "baseline": pair[1].variant.name,
            "seed": pair[0].seed,
            "id": id,
            "label": mine[id]["label"],
            "outcomes": [mine[id]["outcome"], its[id]["outcome"]],
            "outputs": [mine[id]["output"], its[id]["output"]],
        }
        for id in (*won, *lost)
    ]


def _all_targets(
    workdir: Path,
    runs: Sequence[PlannedRun],
    found: Sequence[dict[str, Any]],
    problems: Problems,
) -> dict[tuple[str, int], Targets]:
    """By variant and seed, targets of the questions that are shown; each composed once."""
    wanted: dict[tuple[str, int], set[str]] = {}
    for one in found:
        for name in (one["variant"], one["baseline"]):
            wanted.setdefault((name, one["seed"]), set()).add(one["id"])
    targets = {}
    for (name, seed), ids in wanted.items():
        run = _find(runs, name, seed)
        with problems.of(name, seed, "no targets of test questions"):
            targets[name, seed] = _targets(run.config, workdir / run.folder, ids)
    return targets


def _with_targets(
    one: dict[str, Any], targets: Mapping[tuple[str, int], Targets]
) -> dict[str, Any]:
    """Adds what both would be taught to say."""
    sides = [targets.get((one[whose], one["seed"]), Targets()) for whose in ("variant", "baseline")]
    return one | {
        "targets": [side.said.get(one["id"]) for side in sides],
        "without_targets": [side.reason for side in sides],
    }


def _targets(config: ConfigDict, folder: Path, ids: Iterable[str]) -> Targets:
    """What a run's config makes of some test questions, by their ids; in epoch 0, with its words.

    Of several rationales the first that the data order meets is shown.
    """
    asked = config.copy_and_resolve_references()
    asked.task.train_split = asked.task.validation_split = config.task.test_split
    asked.model.tokenizer = str(folder / "tokenizer")
    asked.data.fraction = 1.0  # of the training questions; here any may be shown
    missing, found = set(ids), {}
    try:
        experiment = prepare(asked, row_multiple=1)
    except InputError as error:  # such as no rationales of this split
        return Targets(reason=str(error))
    for target in shown_targets(experiment, last_step=experiment.steps.per_epoch):
        if target.id in missing:
            said = [segment for reply in target.replies for segment in reply.segments]
            found[target.id] = [[kind.name.lower(), text] for kind, text in said]
            missing.remove(target.id)
        if not missing:
            break
    return Targets(found)


def _predictions(workdir: Path, run: PlannedRun) -> Iterable[dict[str, Any]]:
    return (line for _, line in read_json_lines(predictions_file(workdir / run.folder)))


def _right(prediction: Mapping[str, Any]) -> bool:
    return prediction["outcome"] == "right"


def _seeds(runs: Sequence[PlannedRun], name: str) -> set[int]:
    return {run.seed for run in runs if run.variant.name == name}


def _find(runs: Sequence[PlannedRun], name: str, seed: int) -> PlannedRun:
    return next(run for run in runs if (run.variant.name, run.seed) == (name, seed))
