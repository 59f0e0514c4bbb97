"""The folder of a job: shards as soon as they are complete, and nobody else's folder."""

import dataclasses
import json

import pytest

from cotjax.errors import InputError
from cotjax.records import (
    Manifest,
    Rationale,
    read_manifest,
    read_records,
    write_manifest,
    write_records,
)
from cotjax.teacher import output as outputs
from cotjax.teacher.output import Output, begin
from cotjax.teacher.questions import Judged
from tests.teacher.tiny import entry, questions

MANIFEST = Manifest(
    task="commonsense_qa",
    split="train",
    teacher="tiny",
    prompt="few_shot",
    prompt_sha256="0",
    sampling={"samples": 2, "sampling.max_tokens": 8},
    seed=0,
)
QUESTIONS = questions(5).records
EVERY = [(q.id, n) for q in QUESTIONS for n in range(2)]


def judge(record, entry):
    """The answer is a bank, but for those who say nothing; some give no reason."""
    answer = "bank" if entry.text else None
    reason = None
    if entry.text.strip():
        reason = Rationale(
            entry.sample, entry.text, answer, True, finish_reason=entry.finish_reason
        )
    return Judged(reason, answer, answer is not None)


def start(folder, refused=None, manifest=MANIFEST, asked=QUESTIONS):
    """Begins or goes on with a job of two samples a question, two questions a shard."""
    begin(folder, manifest)
    return Output(folder, manifest, asked, refused or {}, 2, 2, judge)


def add(output, *names, **changes):
    for id_, number in names:
        output.add(entry(id_, number, **changes))


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def finished(tmp_path):
    """The folder of a job that was not disturbed."""
    output = start(tmp_path / "whole")
    add(output, *EVERY)
    output.finish()
    return tmp_path / "whole"


def test_a_finished_folder_holds_records_alone(finished):
    assert sorted(files(finished)) == [
        "manifest.json",
        *(f"records-00000-0000{n}.jsonl{end}" for n in range(3) for end in ("", ".sha256")),
    ]
    manifest, records = read_records(finished)
    assert [record.id for record in records] == [question.id for question in QUESTIONS]
    assert [record.human for record in records] == [question.human for question in QUESTIONS]
    assert [len(record.rationales) for record in records] == [2] * 5
    assert manifest.counts == {
        "rows": 10,
        "parsed": 10,
        "right": 10,
        "rationales": 10,
        "dropped: empty rationale": 0,
        "truncated": 0,
    }


@pytest.mark.parametrize("order", [EVERY, EVERY[::-1], EVERY[1::2] + EVERY[::2]])
@pytest.mark.parametrize("kills", [[], [1], [3, 4, 9]])
def test_neither_order_nor_kills_change_it(tmp_path, finished, order, kills):
    output = start(tmp_path / "killed")
    for number, name in enumerate(order):
        if number in kills:
            output = start(tmp_path / "killed")  # the old one is never closed
        add(output, name)
    output.finish()
    assert files(tmp_path / "killed") == files(finished)


def test_what_is_missing(tmp_path):
    output = start(tmp_path)
    assert output.missing == {question.id: (0, 1) for question in QUESTIONS}
    assert (output.num_questions, output.num_samples, output.answered) == (5, 10, 0)
    add(output, ("q0", 1), ("q2", 0), ("q2", 1))
    again = start(tmp_path)
    assert again.missing == {"q0": (0,), "q1": (0, 1), "q3": (0, 1), "q4": (0, 1)}
    assert (again.num_samples, again.answered) == (10, 1)


def test_a_shard_is_readable_as_soon_as_it_is_complete(tmp_path):
    output = start(tmp_path)
    add(output, ("q2", 0), ("q3", 0), ("q3", 1))
    with pytest.raises(InputError, match="is incomplete"):
        read_records(tmp_path)
    assert read_records(tmp_path, allow_incomplete=True)[1] == []
    add(output, ("q2", 1))
    manifest, records = read_records(tmp_path, allow_incomplete=True)
    assert [record.id for record in records] == ["q2", "q3"]
    assert not manifest.complete


def test_a_kill_before_the_checksum_writes_the_shard_again(tmp_path, finished):
    output = start(tmp_path / "killed")
    add(output, *EVERY[:4])
    for name in ("records-00000-00000.jsonl.sha256", "records-00000-00000.jsonl"):
        (tmp_path / "killed" / name).unlink()
    (tmp_path / "killed" / ".records-00000-00000.jsonl.tmp").write_text("{")
    output = start(tmp_path / "killed")
    assert "q0" not in output.missing
    add(output, *EVERY[4:])
    output.finish()
    assert files(tmp_path / "killed") == files(finished)


def test_a_kill_at_the_very_end_leaves_a_finished_job(tmp_path, finished):
    """The manifest is complete, but the journal is not yet removed."""
    before = files(finished)
    (finished / "journal-00000.jsonl").write_text("")
    assert begin(finished, MANIFEST)
    assert files(finished) == before


def test_a_kill_at_the_very_beginning_is_forgotten(tmp_path):
    (tmp_path / ".manifest.json.tmp").write_text("{")
    assert not begin(tmp_path, MANIFEST)
    assert read_manifest(tmp_path) == MANIFEST


def test_questions_that_can_not_be_asked_are_recorded_and_counted(tmp_path):
    output = start(tmp_path, {"prompt of more than 9 tokens": ["q1", "q4"]})
    assert (output.num_samples, output.answered) == (6, 2)
    add(output, *(name for name in EVERY if name[0] not in ("q1", "q4")))
    output.finish()
    manifest, records = read_records(tmp_path)
    assert [len(record.rationales) for record in records] == [2, 0, 2, 2, 0]
    assert manifest.counts["not asked: prompt of more than 9 tokens"] == 2
    assert (manifest.counts["rows"], manifest.counts["rationales"]) == (6, 6)


def test_samples_without_a_rationale_are_counted(tmp_path):
    output = start(tmp_path)
    add(output, *EVERY[:2], text="")
    add(output, EVERY[2], text=" ", finish_reason="length")
    output = start(tmp_path)  # what its shards don't hold is in its journal
    add(output, *EVERY[3:], finish_reason="length")
    output.finish()
    manifest, records = read_records(tmp_path)
    assert [len(record.rationales) for record in records] == [0, 1, 2, 2, 2]
    assert manifest.counts["dropped: empty rationale"] == 3
    assert manifest.counts["truncated"] == 8
    # An answer counts without a rationale, too.
    assert (manifest.counts["parsed"], manifest.counts["right"]) == (8, 8)


class TestFolders:
    """Whose folder it is."""

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"seed": 1}, "seed=1 (there 0)"),
            ({"teacher": "other"}, 'teacher="other" (there "tiny")'),
            ({"revision": "abc"}, 'revision="abc" (there null)'),
            ({"prompt_sha256": "1"}, 'prompt_sha256="1" (there "0")'),
            (
                {"sampling": {"samples": 3, "sampling.max_tokens": 9}},
                "samples=3 (there 2), sampling.max_tokens=9 (there 8)",
            ),
            (
                {"sampling": {"samples": 2, "sampling.max_tokens": 8, "sampling.stop": ["Q"]}},
                'sampling.stop=["Q"] (there null)',
            ),
        ],
    )
    def test_another_job_is_refused_with_what_differs(self, tmp_path, changes, message):
        output = start(tmp_path)
        add(output, ("q0", 0))
        output.close()
        before = files(tmp_path)
        with pytest.raises(InputError) as error:
            begin(tmp_path, dataclasses.replace(MANIFEST, **changes))
        assert f"was begun with another configuration: {message}; choose" in str(error.value)
        assert files(tmp_path) == before

    def test_a_finished_folder_of_another_job_is_refused(self, finished):
        with pytest.raises(InputError, match="another configuration: seed=7"):
            begin(finished, dataclasses.replace(MANIFEST, seed=7))

    def test_a_folder_without_samples_may_change_its_config(self, tmp_path):
        begin(tmp_path, MANIFEST)
        changed = dataclasses.replace(MANIFEST, seed=7)
        assert not begin(tmp_path, changed)
        assert read_manifest(tmp_path).seed == 7

    def test_another_version_goes_on(self, tmp_path):
        begin(tmp_path, dataclasses.replace(MANIFEST, version="0.0.1"))
        add(start(tmp_path), ("q0", 0))
        assert not begin(tmp_path, MANIFEST)

    def test_records_of_another_origin_are_refused(self, tmp_path):
        imported = Manifest(task="commonsense_qa", split="train", teacher="tiny")
        write_records(tmp_path / "r", imported, [])
        with pytest.raises(InputError, match="holds records that were not sampled"):
            begin(tmp_path / "r", MANIFEST)
        unfinished = tmp_path / "unfinished"
        unfinished.mkdir()
        write_manifest(unfinished, imported)
        assert not begin(unfinished, MANIFEST)  # it has nothing to lose

    def test_something_else_is_refused(self, tmp_path):
        (tmp_path / "thesis.tex").write_text("")
        with pytest.raises(InputError, match="holds something else"):
            begin(tmp_path, MANIFEST)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_what_can_not_be_written_is_refused(self, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match=r"file: cannot be written \(File exists\)"):
            begin(tmp_path / "file", MANIFEST)
        with pytest.raises(InputError, match=r"cannot be written \(Not a directory\)"):
            begin(tmp_path / "file" / "below", MANIFEST)
        monkeypatch.setattr(outputs.os, "access", lambda *_: False)  # root may write anywhere
        with pytest.raises(InputError, match="may not be written"):
            begin(tmp_path / "folder", MANIFEST)

    def test_a_damaged_manifest_is_named(self, tmp_path):
        (tmp_path / "manifest.json").write_text(json.dumps({"task": 3}))
        with pytest.raises(InputError, match=r"manifest\.json"):
            begin(tmp_path, MANIFEST)
