"""Rows of one question become its samples."""

import collections

import pytest

from cotjax.errors import InputError
from tests.teacher.imports import run_import, write_json

GAME = "Alice has a red ball. \n\nIn the end, Bob has the \nWhich choice is true? Answer choices: "
BALLS = GAME + "(A) red ball, (B) blue, or so: ball, (C) tan ball."
NAMES = 'Take the last letters of each words in "Amy Bo" and concatenate them.'


def sample(input, answer, chain=None, **more):
    values = {"input": input, "answer": answer, "chain": chain} | more
    return {name: value for name, value in values.items() if value is not None}


def import_list(tmp_path, task, rows, split="train"):
    path = write_json(tmp_path / "list.json", rows)
    return run_import("multi_sample", task, path, tmp_path / "out" / "records", split)


def test_rows_with_one_input_are_one_question(tmp_path):
    report, manifest, records = import_list(
        tmp_path,
        "last_letter",
        [
            sample(NAMES, "yo", 'Amy: y, Bo: o. We get "yo".', initial_correct=True),
            sample(NAMES.replace("Bo", "Ann"), "yn", "The answer is yn.", initial_correct=True),
            sample(NAMES, "yo", "y and o. So the answer is oy.", initial_correct=True),
        ],
    )
    first, second = records
    assert (first.question, first.choices, first.label) == (NAMES, (), "yo")
    assert [(r.sample, r.text, r.answer, r.correct, r.tags) for r in first.rationales] == [
        (0, 'Amy: y, Bo: o. We get "yo".', "yo", True, {"conclusion": "right"}),
        (1, "y and o.", "yo", True, {"conclusion": "wrong"}),
    ]
    assert second.rationales == ()
    assert len({first.id, second.id}) == 2
    assert len(first.id) == 16
    assert manifest.teacher == "GPT-3.5"
    assert manifest.counts == {
        "questions": 2,
        "rows": 3,
        "parsed": 3,
        "right": 3,
        "right by the release's rule": 3,
        "rationales": 2,
        "dropped: empty rationale": 1,
        "chains that come to another answer": 1,
    }
    assert report.total.rationales == 2


def test_the_question_ends_before_its_choices(tmp_path):
    chain = "Bob swaps. Therefore, the correct choice is (A)."
    _, _, (record,) = import_list(tmp_path, "shuffled_objects", [sample(BALLS, "B", chain)])
    assert record.question == "Alice has a red ball. \n\nIn the end, Bob has the"
    assert record.choices == ("red ball", "blue, or so: ball", "tan ball")
    assert record.label == "blue, or so: ball"
    (rationale,) = record.rationales
    assert (rationale.text, rationale.answer, rationale.correct) == (
        "Bob swaps.",
        "red ball",
        False,
    )


def test_the_completion_is_the_answer_where_there_is_one(tmp_path):
    chain = "Bob swaps. So the answer is (A)."
    rows = [
        sample(BALLS, "B", chain, completion=" (B).", initial_correct=False),
        sample(BALLS, "B", "He has none.", completion=" None.", initial_correct=False),
        sample(BALLS.replace("tan", "pink"), "C"),
    ]
    report, _, (record, bare) = import_list(tmp_path, "shuffled_objects", rows, split="test")
    assert [(r.text, r.correct, r.tags) for r in record.rationales] == [
        ("Bob swaps.", True, None),
        ("He has none.", False, None),
    ]
    assert (bare.label, bare.rationales) == ("pink ball", ())
    assert (report.total.rows, report.total.parsed, report.total.release_right) == (2, 1, 0)
    assert report.total.noted == {"questions without a rationale": 1}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([sample(BALLS, "D", "x")], r"row 1: the label 'D' is not among the choices"),
        ([sample(BALLS, "A"), sample(BALLS, "B")], r"row 2: answer 'B', but 'red ball' in a row"),
        ([sample(BALLS + ", (C) x", "A")], r"row 1: input .* can't be split into question and"),
        ([sample("", "A")], r"row 1: input '' can't be split"),
        ([sample("No choices?", "A")], r"row 1: field 'choices' is missing or empty"),
        ([sample(BALLS, "A", 7)], r"row 1: chain must be text, not 7"),
        ([sample(BALLS, "A", cot="x")], r"row 1: cot is not a known field"),
        ([sample(BALLS, "A", initial_correct="yes")], r"row 1: initial_correct must be true or"),
        ([], r"list.json: has no rows"),
        ({}, r"list.json: must be a list"),
    ],
)
def test_a_spoiled_list_is_named_and_nothing_is_written(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        import_list(tmp_path, "shuffled_objects", rows)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"input": "x", "ans', r"list.json:1: not JSON .* is it cut short\?"),
        (b'["\xff"]', r"list.json:1: not UTF-8 \(byte 0xff\)"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, message):
    (tmp_path / "list.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        run_import("multi_sample", "last_letter", tmp_path / "list.json", tmp_path / "records")


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        ("last_letter", {}, r"last_letter_concatenation_train.json: cannot be read"),
        ("svamp", {}, r"--task=svamp: --input must be the file"),
        ("last_letter", {"questions": "hub"}, r"--questions=hub: this form has questions of its"),
    ],
)
def test_wrong_flags_are_named(tmp_path, task, changes, message):
    with pytest.raises(InputError, match=message):
        run_import("multi_sample", task, tmp_path, tmp_path / "records", **changes)


# The real files: questions, rows, right, right by the release, chains with another conclusion. Of
# the test questions the release doesn't take "h-e-e-o" for heeo; the parser does.
REAL = {
    ("shuffled_objects", "train"): (512, 1_536, 1_536, 1_536, 16),
    ("shuffled_objects", "test"): (225, 225, 113, 113, 0),
    ("last_letter", "train"): (350, 1_050, 1_050, 1_050, 4),
    ("last_letter", "test"): (150, 150, 88, 84, 0),
}


@pytest.fixture(scope="module")
def imported(shared, tmp_path_factory):
    folder, source = tmp_path_factory.mktemp("records"), shared / "data" / "multi_sample"
    return {
        (task, split): run_import("multi_sample", task, source, folder / task / split, split)
        for task, split in REAL
    }


@pytest.mark.parametrize("key", REAL)
def test_the_real_files_are_imported_whole(imported, key):
    report, manifest, records = imported[key]
    questions, rows, right, release_right, other = REAL[key]
    total = report.total
    assert (report.questions, total.rows, total.rationales) == (questions, rows, rows)
    assert (total.parsed, total.right, total.release_right) == (rows, right, release_right)
    assert manifest.counts.get("chains that come to another answer", 0) == other
    samples = collections.Counter(len(record.rationales) for record in records)
    assert samples == {rows // questions: questions}
    judged = [r.correct for record in records for r in record.rationales]
    assert sum(judged) == right
    if key[0] == "shuffled_objects":
        assert {len(record.choices) for record in records} == {3}
        assert not any("choice" in record.question for record in records)


def test_a_rationale_does_not_tell_the_letter(imported):
    _, _, records = imported["shuffled_objects", "train"]
    texts = [r.text for record in records for r in record.rationales]
    assert not any("correct answer is" in text for text in texts)
