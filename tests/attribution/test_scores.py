"""Scores: what is written is read again, word for word, and belongs to one text."""

import dataclasses

import pytest

from cotjax.attribution.scores import (
    ScoreManifest,
    WordScores,
    read_scores,
    text_hash,
    write_scores,
)
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, fingerprint, write_records

TEXT = "1. Banks hold money.\n2. So,  a bank."
WORDS = ["1.", "Banks", "hold", "money.", "2.", "So,", "a", "bank."]
SCORES = (0.0, 0.5, -0.25, 2.0, 0.0, -0.5, 1e-7, -3.0)
LINE = WordScores("q1", 2, text_hash(TEXT), SCORES, gain=-1.25)


def manifest(signed: bool = True) -> ScoreManifest:
    return ScoreManifest("commonsense_qa", "train", "ab12", "occlusion", signed, {"step": 3})


def written(folder, *lines, signed=True):
    write_scores(folder, manifest(signed), lines)
    return read_scores(folder)


def test_scores_come_back_aligned_to_their_words(tmp_path):
    scores = written(tmp_path, LINE, WordScores("q1", 0, text_hash("x y"), (1.0, 2.0)))
    assert scores.lines["q1", 2, text_hash(TEXT)] == LINE
    assert dataclasses.replace(scores.manifest, complete=False, shards=()) == manifest()
    best = [WORDS[word] for word in scores.ranking("q1", 2, TEXT)]
    assert best == ["bank.", "money.", "Banks", "So,", "hold", "a"]  # 1. and 2. score 0
    assert scores.ranking("q1", 0, "x y") == (1, 0)


@pytest.mark.parametrize(("signed", "expected"), [(True, (0, 2, 1, 3)), (False, (2, 1, 3, 0))])
def test_signed_scores_rank_by_size_and_equal_ones_by_place(tmp_path, signed, expected):
    line = WordScores("q", 0, text_hash("a b c d"), (-2.0, 1.0, 1.5, 1.0))
    assert written(tmp_path, line, signed=signed).ranking("q", 0, "a b c d") == expected


def test_words_that_score_nothing_are_no_key_words(tmp_path):
    line = WordScores("q", 0, text_hash("a b c d"), (0.0, 0.0, -0.0, 1.5))
    none = WordScores("q", 1, text_hash("a b c d"), (0.0,) * 4)
    scores = written(tmp_path, line, none)
    assert [scores.ranking("q", sample, "a b c d") for sample in (0, 1, 2)] == [(3,), (), None]


def test_scores_of_other_records_are_refused(tmp_path):
    def records(name: str, text: str):
        record = Record("a", "q", (), "x", (Rationale(0, text, "x", True),))
        write_records(tmp_path / name, Manifest("comparison", "train", "oracle"), [record])
        return tmp_path / name

    mine, other = records("mine", "a b"), records("other", "a c")
    about = dataclasses.replace(manifest(), records_sha256=fingerprint(mine))
    (tmp_path / "scores").mkdir()
    write_scores(tmp_path / "scores", about, [LINE])
    assert read_scores(tmp_path / "scores", mine).lines
    with pytest.raises(InputError, match=r"scores: holds scores of other records than .*other"):
        read_scores(tmp_path / "scores", other)


@pytest.mark.parametrize("text", [" ".join(WORDS), TEXT.replace(" ", "\t"), f" {TEXT}\n"])
def test_spacing_does_not_matter(tmp_path, text):
    scores = written(tmp_path, LINE)
    assert scores.ranking("q1", 2, text) == scores.ranking("q1", 2, TEXT)


@pytest.mark.parametrize(
    "key", [("q2", 2, TEXT), ("q1", 1, TEXT), ("q1", 2, TEXT.replace("Banks", "banks"))]
)
def test_other_rationales_have_no_scores(tmp_path, key):
    assert written(tmp_path, LINE).ranking(*key) is None


def damage(folder, old, new):
    file = folder / "scores-00000.jsonl"
    file.write_bytes(file.read_bytes().replace(old, new))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "manifest.json").unlink(), "is not a folder of scores"),
        (lambda f: (f / "scores-00000.jsonl").unlink(), r"scores-00000\.jsonl: is missing"),
        (lambda f: damage(f, b"0.5", b"0.6"), "does not match its checksum"),
    ],
)
def test_damage_is_named(tmp_path, harm, message):
    write_scores(tmp_path, manifest(), [LINE])
    harm(tmp_path)
    with pytest.raises(InputError, match=message):
        read_scores(tmp_path)


def test_a_rationale_is_scored_once(tmp_path):
    with pytest.raises(InputError, match=r"scores-00000\.jsonl:2: 'q1', sample 2, was scored"):
        written(tmp_path, LINE, LINE)


@pytest.mark.parametrize(
    ("scores", "gain", "complete"),
    [
        ((1.0, 2.0), None, True),
        ((1.0, 1.009), 2.0, True),
        ((1.0, -3.03), -2.0, False),
        ((0.0504, 0.0005), 0.05, True),  # a thousandth of a nat
        ((0.0504, 0.0007), 0.05, False),
    ],
)
def test_scores_are_complete_if_they_add_up(scores, gain, complete):
    assert WordScores("q", 0, text_hash("a b"), scores, gain).complete == complete


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_are_finite(bad):
    with pytest.raises(InputError, match="finite"):
        WordScores("q", 0, text_hash("a"), (bad,))
