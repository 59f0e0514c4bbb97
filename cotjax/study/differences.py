"""Test questions on which a variant and its baseline differ, to be read beside the numbers."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections.config_dict import ConfigDict

from cotjax.errors import InputError
from cotjax.json_files import read_json_lines
from cotjax.study.grid import PlannedRun, Study
from cotjax.study.one_run import predictions_file
from cotjax.targets.keys import stable_hash
from cotjax.tasks import configured_task
from cotjax.tasks.base import Question
from cotjax.training.prepare import prepare
from cotjax.training.preview import shown_targets

EACH = 3  # questions that the variant alone got right, and as many that the baseline alone did

Segments = list[list[str]]  # [kind, text] each


def differences(
    study: Study, workdir: Path, runs: Sequence[PlannedRun], questions: Sequence[Question]
) -> list[dict[str, Any]]:
    """Up to six questions of each variant and the baseline, of the first seed that both have.

    Half of them the variant alone got right, half the baseline alone; which ones is settled by a
    hash of their ids, not by how well they look. `outputs` and `targets` are [variant's,
    baseline's]; a target is what the variant would be taught to say to this test question, None
    where its rationales are of training questions alone.
    """
    baseline = study.baseline_variant.name
    found = []
    for variant in study.variants:
        seeds = _seeds(runs, variant.name) & _seeds(runs, baseline)
        if variant.name == baseline or not seeds:
            continue
        seed = min(seeds, key=study.seeds.index)
        pair = [_find(runs, name, seed) for name in (variant.name, baseline)]
        found += _between(workdir, pair)
    return _with_texts(workdir, runs, found, {question.id: question for question in questions})


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


def _with_texts(
    workdir: Path,
    runs: Sequence[PlannedRun],
    found: Sequence[dict[str, Any]],
    questions: Mapping[str, Question],
) -> list[dict[str, Any]]:
    """Adds input and targets; each variant's test targets are composed once a seed."""
    wanted: dict[tuple[str, int], set[str]] = {}
    for one in found:
        for name in (one["variant"], one["baseline"]):
            wanted.setdefault((name, one["seed"]), set()).add(one["id"])
    targets = {}
    for (name, seed), ids in wanted.items():
        run = _find(runs, name, seed)
        targets[name, seed] = _targets(run.config, workdir / run.folder, ids)
    added = []
    for one in found:
        run = _find(runs, one["variant"], one["seed"])
        text = configured_task(run.config).format_input(questions[one["id"]])
        said = [
            targets[one[whose], one["seed"]].get(one["id"]) for whose in ("variant", "baseline")
        ]
        added.append(one | {"input": text, "targets": said})
    return added


def _targets(config: ConfigDict, folder: Path, ids: Iterable[str]) -> dict[str, Segments]:
    """What a run's config makes of some test questions, by their ids; in epoch 0, with its words.

    Of several rationales the first that the data order meets is shown.
    """
    asked = config.copy_and_resolve_references()
    asked.task.train_split = asked.task.validation_split = config.task.test_split
    asked.model.tokenizer = str(folder / "tokenizer")
    missing, found = set(ids), {}
    try:
        experiment = prepare(asked, row_multiple=1)
        for target in shown_targets(experiment, last_step=experiment.steps.per_epoch):
            if target.id in missing:
                said = [segment for reply in target.replies for segment in reply.segments]
                found[target.id] = [[kind.name.lower(), text] for kind, text in said]
                missing.remove(target.id)
            if not missing:
                break
    except InputError:  # no rationales of this split
        pass
    return found


def _predictions(workdir: Path, run: PlannedRun) -> Iterable[dict[str, Any]]:
    return (line for _, line in read_json_lines(predictions_file(workdir / run.folder)))


def _right(prediction: Mapping[str, Any]) -> bool:
    return prediction["outcome"] == "right"


def _seeds(runs: Sequence[PlannedRun], name: str) -> set[int]:
    return {run.seed for run in runs if run.variant.name == name}


def _find(runs: Sequence[PlannedRun], name: str, seed: int) -> PlannedRun:
    return next(run for run in runs if (run.variant.name, run.seed) == (name, seed))
