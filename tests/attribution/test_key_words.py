"""Scored words reach the targets; on a task with planted key words, these are found."""

import numpy as np
import pytest

from cotjax import config as configs
from cotjax.attribution.run import Request, score_records
from cotjax.attribution.scores import read_scores
from cotjax.evaluation.run import evaluate_checkpoint
from cotjax.records import Manifest, write_records
from cotjax.tasks import get_task
from cotjax.training.loop import train
from cotjax.training.prepare import prepare


def load(repository, **changes):
    fields = {name.replace("__", "."): value for name, value in changes.items()}
    words = [f"--config.{name}={value}" for name, value in fields.items()]
    return configs.load(repository / "configs" / "default.py", words)


def records_of(folder, split, count):
    records = get_task("comparison", "text").oracle_records(split)[:count]
    write_records(folder, Manifest("comparison", split, "oracle"), records)
    return records


@pytest.mark.parametrize("by_rank", [False, True])
def test_targets_hold_the_best_words(repository, tmp_path, by_rank):
    records = records_of(tmp_path / "records", "train", 2_000)
    score_records(Request(tmp_path / "records", tmp_path / "scores", "random"))
    config = load(
        repository,
        data__cache=tmp_path,
        data__scores=tmp_path / "scores",
        data__words__name="key_words",
        data__words__k=3,
        data__words__by_rank=by_rank,
    )
    experiment, scores = prepare(config, row_multiple=1), read_scores(tmp_path / "scores")
    table = experiment.steps.table
    for target in range(0, 2_000, 100):
        record = records[table.question[target]]
        text = record.rationales[0].text
        best = scores.ranking(record.id, 0, text)[:3]
        expected = [text.split()[word] for word in (best if by_rank else sorted(best))]
        assert experiment.tokenizer.decode(table.rationales[target]).split() == expected


# So many entities that no student can learn their sizes by heart and do without the rationale's.
OPTIONS = {"sizes": 4, "entities": 1000, "test_questions": 100}
STUDENTS = {
    "rationale_input": {"schedule__total_steps": 500},
    # The label, one token of many, weighs as much as the rationale.
    "rationale_first": {
        "schedule__total_steps": 250,
        "loss__normalise": "kinds",
        "model__num_layers": 1,
    },
}


@pytest.fixture(scope="module", params=STUDENTS)
def converged(request, repository, tmp_path_factory):
    """The folder of a student that has learned to compare the sizes that a rationale states."""
    folder = tmp_path_factory.mktemp("converged")
    config = load(
        repository,
        task__options=",".join(f"{name}={value}" for name, value in OPTIONS.items()),
        data__cache=folder / "cache",
        data__order=request.param,
        model__dropout_rate=0.05,
        checkpoint__every=10_000,
        evaluation__every=10_000,
        evaluation__max_questions=10,
        **STUDENTS[request.param],
    )
    train(config, folder / "workdir")
    forced = request.param == "rationale_first"
    result, _, _ = evaluate_checkpoint(folder / "workdir", "latest", "test", forced=forced)
    assert result["accuracy"] >= 0.99
    return folder


def score(converged, method: str, **options):
    records = get_task("comparison", "text", **OPTIONS).oracle_records("test")
    write_records(converged / "records", Manifest("comparison", "test", "oracle"), records)
    request = Request(
        converged / "records",
        converged / method,
        method,
        converged / "workdir",
        checkpoint="latest",
        batch_size=100,
        **options,
    )
    return score_records(request), records


@pytest.mark.slow
def test_expected_gradients_find_planted_words(converged):
    """They are the best two of seven, and the scores of every example add up."""
    scores, records = score(converged, "expected_gradients", donors=8)
    ranked = [scores.ranking(one.id, 0, one.rationales[0].text) for one in records]
    assert np.mean([{2, 6} == set(ranking[:2]) for ranking in ranked]) >= 0.95
    assert all({1, 3, 5}.isdisjoint(ranking) for ranking in ranked)  # words that all share
    for line in scores.lines.values():
        assert sum(line.scores) == pytest.approx(line.gain, rel=0.01)
    assert scores.manifest.counts["sums off by over 1 %"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("converged", ["rationale_input"], indirect=True)
def test_integrated_gradients_are_complete(converged):
    """From `<unk>`, which the student never read: a few examples are off by 2 %."""
    lines = list(score(converged, "integrated_gradients")[0].lines.values())
    gains = np.array([line.gain for line in lines])
    errors = np.abs([sum(line.scores) for line in lines] - gains)
    assert errors.sum() < 0.01 * np.abs(gains).sum()
    assert np.mean(errors < np.maximum(0.01 * np.abs(gains), 0.01)) >= 0.9
    assert (errors < np.maximum(0.025 * np.abs(gains), 0.01)).all()
