"""Scored words reach the targets; on a task with planted key words, these are found."""

import json

import jax
import numpy as np
import pytest

from cotjax import config as configs
from cotjax.attribution.run import Request, score_records
from cotjax.attribution.scores import read_scores
from cotjax.records import Manifest, write_records
from cotjax.tasks import get_task
from cotjax.training.prepare import prepare
from cotjax.training.run import train


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
OPTIONS = {"sizes": 4, "entities": 1000, "test_questions": 40}
STUDENTS = {
    "rationale_input": {"schedule__total_steps": 450, "model__num_layers": 2},
    # The label, one token of many, weighs as much as the rationale.
    "rationale_first": {
        "schedule__total_steps": 250,
        "loss__normalise": "kinds",
        "model__num_layers": 1,
    },
}


@pytest.fixture(scope="module")
def one_device():
    """Spares what eight virtual devices of one processor cost."""
    devices = jax.devices()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "devices", lambda *_: devices[:1])
        yield


@pytest.fixture(scope="module", params=STUDENTS)
def converged(one_device, request, repository, tmp_path_factory):
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
        evaluation__max_questions=1,
        evaluation__max_tokens=4,
        **STUDENTS[request.param],
    )
    train(config, folder / "workdir")
    logged = (folder / "workdir" / "metrics.jsonl").read_text().splitlines()
    trained = [line for line in map(json.loads, logged) if "label_accuracy" in line]
    assert trained[-1]["label_accuracy"] >= 0.98  # with dropout
    return folder


def score(converged, method: str, **options):
    """Scores of the test questions, the ranking of each one's words, and the lines."""
    records = get_task("comparison", "text", **OPTIONS).oracle_records("test")
    write_records(converged / "records", Manifest("comparison", "test", "oracle"), records)
    request = Request(
        converged / "records",
        converged / method,
        method,
        converged / "workdir",
        checkpoint="latest",
        batch_size=20,
        **options,
    )
    scores = score_records(request)
    ranked = [scores.ranking(one.id, 0, one.rationales[0].text) for one in records]
    return scores.manifest.counts, ranked, list(scores.lines.values())


@pytest.mark.slow
def test_expected_gradients_find_planted_words(converged):
    """They are the best two of seven, and the scores of every example add up."""
    counts, ranked, lines = score(converged, "expected_gradients", donors=8)
    assert np.mean([{2, 6} == set(ranking[:2]) for ranking in ranked]) >= 0.95
    assert all({1, 3, 5}.isdisjoint(ranking) for ranking in ranked)  # words that all share
    check_complete(counts, lines)


@pytest.mark.slow
@pytest.mark.parametrize("converged", ["rationale_input"], indirect=True)
def test_integrated_gradients_are_complete(converged):
    """From `<unk>`, which the student never read, and where F bends more than 64 steps show.

    One path of 40 may be so bent that 1,024 do not show it: it depends on the student.
    """
    counts, _, lines = score(converged, "integrated_gradients")
    check_complete(counts, lines, most_off=1)
    assert counts["walked in more steps"] == sum(line.steps > 64 for line in lines)


def check_complete(counts, lines, most_off: int = 0) -> None:
    """Within 1 % for every example, or a thousandth of a nat where the gain is a tenth of one.

    Those that more steps do not bring there, `most_off` at most, are counted.
    """
    off = [
        line for line in lines if sum(line.scores) != pytest.approx(line.gain, rel=0.01, abs=0.001)
    ]
    assert counts["sums off by over 1 %"] == len(off) <= most_off
