"""What tells the data of a workdir from the study's."""

import json

import pytest

from configs.default import get_config as default_config
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, write_records
from cotjax.study.grid import plan
from cotjax.study.same import check_data, data_hashes
from cotjax.tasks.base import Question
from cotjax.tasks.splits import Splits
from tests.study.small import WHOLE, small_study

TRAIN = Question("q1", "Which?", ("a", "b"), "a", "train")
TEST = Question("q2", "What?", ("a", "b"), "b", "test")


def splits(*questions: Question) -> Splits:
    return Splits({"train": [one for one in questions if one.split == "train"],
                   "test": [one for one in questions if one.split == "test"]}, {})  # fmt: skip


def write(folder, text: str) -> None:
    """Records of the training split with one rationale."""
    rationale = Rationale(0, text, "a", True)
    record = Record("q1", "Which?", ("a", "b"), "a", (rationale,))
    write_records(folder, Manifest(task="comparison", split="train", teacher="t"), [record])


def test_any_change_of_a_question_changes_the_hash():
    config = default_config()
    hashes = [
        data_hashes(config, asked)["data"]
        for asked in (
            splits(TRAIN, TEST),
            splits(TRAIN),
            splits(TRAIN, Question("q2", "What?", ("a", "b"), "a", "test")),
            splits(TRAIN, Question("q2", "What ?", ("a", "b"), "b", "test")),
        )
    ]
    assert len(set(hashes)) == 4
    assert data_hashes(config, splits(TRAIN, TEST)) == {"data": hashes[0], "rationales": None}


@pytest.mark.parametrize("of_every_split", [True, False])
@pytest.mark.parametrize("source", [True, False])
def test_any_change_of_a_rationale_changes_the_hash(tmp_path, of_every_split, source):
    config, hashes = default_config(), []
    for text in ("because", "since"):
        folder = tmp_path / text
        write(folder / "train" if of_every_split else folder, text)
        config.task.source = f"records:{folder}" if source else "procedural"
        config.data.records = None if source else str(folder)
        hashes.append(data_hashes(config, splits(TRAIN, TEST)))
    assert hashes[0]["data"] == hashes[1]["data"]
    assert hashes[0]["rationales"] != hashes[1]["rationales"]


def test_a_workdir_of_other_data_is_refused_and_an_old_one_is_not(tmp_path):
    (run,) = runs = plan(small_study(tmp_path, WHOLE))
    now = data_hashes(run.config, splits(TRAIN, TEST))
    (tmp_path / run.folder).mkdir(parents=True)
    for result in ({}, {"data": now["data"]}, now):
        (tmp_path / run.folder / "result.json").write_text(json.dumps({"steps": 3} | result))
        check_data(tmp_path, runs, splits(TRAIN, TEST))
    with pytest.raises(InputError, match="was run with other questions or rationales"):
        check_data(tmp_path, runs, splits(TRAIN))
