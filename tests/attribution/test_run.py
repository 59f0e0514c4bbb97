"""The scoring job: what it writes, goes on with and refuses."""

import contextlib
import dataclasses
import json
import shutil
import subprocess
import sys

import jax.numpy as jnp
import pytest

from cotjax.attribution import embeddings, explained, lexical, run
from cotjax.attribution.report import marked
from cotjax.attribution.run import Request, score_records
from cotjax.attribution.scores import read_manifest, read_scores
from cotjax.claims import CLAIM
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, write_records
from cotjax.tasks import get_task
from tests.claiming import claiming


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Forty records of the comparison task; one has two rationales, one has none."""
    folder = tmp_path_factory.mktemp("records") / "train"
    made = get_task("comparison", "text").oracle_records("train")[:40]
    second = Rationale(1, "they differ\nin size", "first", True)
    made[1] = dataclasses.replace(made[1], rationales=(*made[1].rationales, second))
    made[2] = dataclasses.replace(made[2], rationales=())
    write_records(folder, Manifest("comparison", "train", "oracle"), made)
    return folder


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_rationale_is_scored(records, tmp_path):
    scores = score_records(Request(records, tmp_path / "s", "first"))
    assert scores.manifest.counts == {
        "rationales": 40, "words": 39 * 7 + 4, "all words score 0": 0,
    }  # fmt: skip
    assert scores.ranking("train-00001", 1, "they differ in size") == (0, 1, 2, 3)
    assert sorted(files(tmp_path / "s")) == [
        "manifest.json", "scores-00000.jsonl", "scores-00000.jsonl.sha256",
    ]  # fmt: skip


def test_a_stopped_job_goes_on_where_it_was(records, tmp_path, monkeypatch):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    score_records(Request(records, whole, "random"))
    asked = []

    def interrupted(items, seed):
        for number, scores in enumerate(lexical.random(items, seed)):
            if number == 7 and not asked:
                raise KeyboardInterrupt
            yield scores

    monkeypatch.setitem(lexical.METHODS, "random", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_records(Request(records, stopped, "random"))
    assert not read_manifest(stopped).complete
    with pytest.raises(InputError, match="is incomplete"):
        read_scores(stopped)
    score = lexical.Lexical.score

    def watched(self, items, wanted, advance):
        asked.extend(item.key for item in items if wanted(item))
        return score(self, items, wanted, advance)

    monkeypatch.setattr(lexical.Lexical, "score", watched)
    score_records(Request(records, stopped, "random"))
    assert len(asked) == 40 - 7
    assert files(stopped) == files(whole)


def test_a_stopped_student_goes_on_where_it_was(reader, records, tmp_path, monkeypatch):
    whole, stopped = (
        Request(records, tmp_path / name, "attention", reader, batch_size=8)
        for name in ("whole", "stopped")
    )
    expected, made, line = score_records(whole), [], explained._line

    def interrupted(item, *results):
        made.append(item.key)
        if len(made) == 12:
            raise KeyboardInterrupt
        return line(item, *results)

    monkeypatch.setattr(explained, "_line", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_records(stopped)
    found = score_records(stopped)
    assert sorted(made[:11] + made[12:]) == sorted(key[:2] for key in expected.lines)
    assert list(found.lines) == list(expected.lines)
    for key, one in found.lines.items():  # other rationales shared its batch
        assert one.scores == pytest.approx(expected.lines[key].scores, rel=1e-4)


def test_a_journal_that_a_kill_left_beside_whole_scores_goes(records, tmp_path, monkeypatch):
    request = Request(records, tmp_path / "s", "random")

    def killed(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run.Journal, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            score_records(request)
    assert "journal-00000.jsonl" in files(request.output)
    score_records(request)
    assert sorted(files(request.output)) == [
        "manifest.json", "scores-00000.jsonl", "scores-00000.jsonl.sha256",
    ]  # fmt: skip


def test_a_second_job_is_refused_until_the_first_is_dead(records, tmp_path):
    request = Request(records, tmp_path / "s", "first")
    with claiming(request.output) as other:
        with pytest.raises(InputError, match=rf"in use by .* \(process {other.pid}, since 20"):
            score_records(request)
        assert sorted(files(request.output)) == [CLAIM]
        other.kill()
        other.wait()
        score_records(request)
    assert CLAIM not in files(request.output)


def test_a_finished_job_changes_nothing(records, tmp_path, monkeypatch):
    request = Request(records, tmp_path / "s", "tf_idf")
    score_records(request)
    before = files(request.output)
    monkeypatch.delattr(lexical.Lexical, "score")
    score_records(request)
    assert files(request.output) == before


def other_records(folder):
    record = Record("a", "q", (), "x", (Rationale(0, "a b", "x", True),))
    write_records(folder, Manifest("comparison", "train", "oracle"), [record])
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "tf_idf"}, r'method="tf_idf" \(there "random"\)'),
        ({"seed": 4}, r"seed=4 \(there 3\)"),
        ({"records": other_records}, "records_sha256="),
    ],
)
def test_other_settings_are_refused(records, tmp_path, changes, message):
    request = Request(records, tmp_path / "s", "random", seed=3)
    score_records(request)
    if "records" in changes:
        changes = {"records": changes["records"](tmp_path / "other")}
    if changes.get("method"):
        changes = changes | {"seed": None}
    with pytest.raises(InputError, match=message):
        score_records(dataclasses.replace(request, **changes))


def test_a_folder_of_something_else_is_refused(records, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        score_records(Request(records, tmp_path, "first"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "occlusion"}, "--method=occlusion needs a student: --workdir"),
        ({"method": "tf_idf", "workdir": "w"}, "--workdir=w has no effect with --method=tf_idf"),
        ({"method": "first", "seed": 0}, "--seed=0 has no effect with --method=first"),
        ({"method": "attention", "workdir": "w", "steps": 9}, "--steps=9 has no effect"),
        ({"method": "integrated_gradients", "workdir": "w", "donors": 9}, "--donors=9 has no eff"),
        ({"method": "tf_idf", "batch_size": 32}, "--batch_size=32 has no effect"),
        (
            {"method": "label_similarity", "workdir": "w", "batch_size": 8},
            "--batch_size=8 has no effect with --method=label_similarity",
        ),
    ],
)
def test_options_without_effect_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Request("records", "output", **options)


def test_nothing_to_score_is_an_error(records, tmp_path):
    with pytest.raises(InputError, match=r"no rationale to score \(40 without human.extractive\)"):
        score_records(Request(records, tmp_path / "s", "human"))


def test_the_script_knows_every_method(repository):
    script = [sys.executable, "scripts/score_tokens.py", "--method=none"]
    said = subprocess.run(script, cwd=repository, capture_output=True, text=True, check=False)
    known = [*explained.METHODS, *embeddings.METHODS, *lexical.METHODS]
    assert f"<{'|'.join(known)}>" in said.stderr


@pytest.mark.parametrize(
    ("section", "field", "value", "message"),
    [
        ("", "order", "label_first",
         "order='label_first'; --method=attention needs rationale_input or rationale_first"),
        ("words", "name", "key_words", "words.name='key_words'; --method=attention needs all"),
        ("perturbation", "name", "shuffle", "perturbation.name='shuffle'; --method=attention"),
        ("perturbation", "name", "mask", None),
    ],
)  # fmt: skip
def test_a_student_of_other_rationales_tells_nothing(
    reader, records, tmp_path, section, field, value, message
):
    workdir = shutil.copytree(reader, tmp_path / "run")
    config = json.loads((workdir / "config.json").read_text())
    (config["data"][section] if section else config["data"])[field] = value
    if value == "key_words":
        config["data"]["words"]["k"] = 2
    (workdir / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message) if message else contextlib.nullcontext():
        explained.Attribution(workdir, "best", "attention", 8)


def test_any_student_has_embeddings(reader, records, tmp_path):
    request = Request(records, tmp_path / "s", "question_similarity", reader)
    line = next(iter(score_records(request).lines.values()))
    assert (line.scores[0], line.scores[4]) == pytest.approx((1, 1))  # entities of the question
    assert max(line.scores[1:4]) < 0.99


def test_the_label_is_compared_as_text_not_as_its_letter(reader, tmp_path):
    workdir = shutil.copytree(reader, tmp_path / "run")
    config = json.loads((workdir / "config.json").read_text())
    config["task"] |= {"name": "commonsense_qa", "label_format": "letter", "source": "hub"}
    (workdir / "config.json").write_text(json.dumps(config))
    rationale = Rationale(0, "size heavier first", "heavier", True)
    record = Record("q", "Where?", ("first", "heavier"), "heavier", (rationale,))
    write_records(tmp_path / "r", Manifest("commonsense_qa", "train", "oracle"), [record])
    request = Request(tmp_path / "r", tmp_path / "s", "label_similarity", workdir)
    (line,) = score_records(request).lines.values()
    assert line.scores[1] == pytest.approx(1)  # to "(B)" no word is the same
    assert line.scores[0] < 0.99


@pytest.mark.parametrize("options", [{}, {"donors": 2}])
def test_gradients_of_a_path_from_a_run_to_the_scores(reader, records, tmp_path, options):
    method = "expected_gradients" if options else "integrated_gradients"
    request = Request(records, tmp_path / "s", method, reader, batch_size=20, **options)
    scores = score_records(request)
    settings = scores.manifest.settings
    assert (settings["steps"], settings.get("donors")) == (64, options.get("donors"))
    assert settings["student_data"]
    assert scores.manifest.counts["rationales cut"] == 0
    for line in scores.lines.values():
        assert sum(line.scores) == pytest.approx(line.gain, rel=0.01, abs=0.001)
        assert line.steps >= 64
    assert scores.manifest.counts["sums off by over 1 %"] == 0
    ranked = scores.ranking("train-00001", 1, "they differ\nin size")
    assert set(ranked) <= {0, 1, 2, 3}


def test_paths_are_walked_again_until_the_scores_add_up(reader, records, tmp_path, monkeypatch):
    """Off by 0, 3 or 100 % at first and n times less in n parts; no other program is traced."""
    traced = []

    def off(explained, params, batch, steps):
        traced.append(batch["words"].shape)
        width = batch["path"][:, 1] - batch["path"][:, 0]
        error = jnp.array([0, 0.03, 1])[batch["encoder_tokens"].sum(axis=1) % 3]
        first = (jnp.arange(explained.num_words) == 0) * (width * (1 + error * width))[:, None]
        return {"scores": first, "gain": width}

    monkeypatch.setitem(explained.METHODS, "integrated_gradients", off)
    request = Request(
        records, tmp_path / "s", "integrated_gradients", reader, steps=10, batch_size=16
    )
    scores = score_records(request)
    lines, counts = list(scores.lines.values()), scores.manifest.counts
    expected = {10: 1, 40: 1 + 0.03 / 4, 160: 1 + 1 / 16}
    assert {line.steps for line in lines} == expected.keys()
    for line in lines:
        assert line.scores[0] == pytest.approx(expected[line.steps], rel=1e-5)
        assert line.gain == pytest.approx(1)
    assert len(lines) == 40
    assert counts["walked in more steps"] == sum(line.steps > 10 for line in lines)
    assert counts["sums off by over 1 %"] == sum(line.steps == 160 for line in lines)
    assert len(traced) == len(set(traced))


def test_more_donors_than_rationales_of_another_label_are_refused(reader, records, tmp_path):
    request = Request(records, tmp_path / "s", "expected_gradients", reader, donors=39)
    with pytest.raises(InputError, match=r"--donors=39: only [0-9]+ rationales have another label"):
        score_records(request)


def test_records_of_another_task_are_refused(reader, tmp_path):
    record = Record("a", "q", (), "x", (Rationale(0, "a b", "x", True),))
    write_records(tmp_path / "r", Manifest("gsm8k", "train", "oracle"), [record])
    with pytest.raises(InputError, match="holds task 'gsm8k', but the student"):
        score_records(Request(tmp_path / "r", tmp_path / "s", "label_similarity", reader))


def test_rationales_in_which_nothing_is_marked_are_counted(tmp_path):
    rationales = (Rationale(0, "a bank", "bank", True), Rationale(1, "it is", "bank", True))
    record = Record("q", "Where?", ("bank", "sea"), "bank", rationales)
    write_records(tmp_path / "r", Manifest("commonsense_qa", "train", "oracle"), [record])
    scores = score_records(Request(tmp_path / "r", tmp_path / "s", "label_overlap"))
    assert scores.manifest.counts["all words score 0"] == 1


def test_ranks_stand_beside_their_words():
    assert marked("a bee\nsees", "q1", (2, 0, 1)).plain == "q1: a[2] bee[3] sees[1] "
