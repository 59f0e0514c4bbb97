"""CoS-E's explanations stand in `human` of the questions that have their id."""

import json

import pytest

from cotjax.errors import InputError
from tests.teacher.imports import run_import, write_lines

QUESTIONS = [
    {"id": "a", "question": "Where is sand?", "choices": ["bank", "beach"], "label": "beach"},
    {"id": "b", "question": "Where is money?", "choices": ["bank", "beach"], "label": "bank"},
]


def line(id, written, marked):
    return {"id": id, "explanation": {"open-ended": written, "selected": marked}}


@pytest.fixture
def import_lines(tmp_path):
    questions = write_lines(tmp_path / "questions.jsonl", QUESTIONS)

    def run(lines, questions=str(questions)):
        source = write_lines(tmp_path / "cose.jsonl", lines)
        output = tmp_path / "out" / "records"
        return run_import("cos_e", "commonsense_qa", source, output, questions=questions)

    return run


def test_explanations_join_by_id(import_lines):
    report, manifest, records = import_lines(
        [
            line("b", "banks have money ", "money"),
            line("z", "x", "y"),
            line("b", "again", "again"),
            line("a", " ", "sand"),
        ]
    )
    assert [record.human for record in records] == [
        {"extractive": "sand"},
        {"abstractive": "banks have money", "extractive": "money"},
    ]
    assert all(record.rationales == () for record in records)
    assert manifest.counts["questions with human explanations"] == 2
    assert report.total.noted == {
        "no question has this id": 1,
        "explains a question again: the first stands": 1,
    }
    assert [remark.partition("cose.jsonl:")[2][0] for remark in report.remarks] == ["2", "3"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (b'{"id": "a", "expl', r"cose.jsonl:2: not JSON .* is it cut short\?"),
        (b'{"id": "\xff"}', r"cose.jsonl:2: not UTF-8 \(byte 0xff\)"),
        ({"id": "a"}, r"cose.jsonl:2: explanation is missing"),
        (
            {"id": "a", "explanation": {"selected": "x"}},
            r"cose.jsonl:2: explanation must have open-ended and selected, not selected",
        ),
        (line("a", 3, "x"), r"cose.jsonl:2: explanation.open-ended must be text, not 3"),
        (line(3, "x", "x"), r"cose.jsonl:2: id must be text, not 3"),
    ],
)
def test_a_spoiled_line_is_named_and_nothing_is_written(import_lines, tmp_path, second, message):
    with pytest.raises(InputError, match=message):
        import_lines([line("b", "x", "y"), second])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("lines", "changes", "message"),
    [
        ([b""], {}, r"cose.jsonl: explains none of the 2 questions"),
        ([line("z", "x", "y")], {}, r"cose.jsonl: explains none of the 2 questions"),
        ([b""], {"questions": None}, r"--questions=SOURCE is required"),
    ],
)
def test_a_file_of_other_questions_is_named(import_lines, lines, changes, message):
    with pytest.raises(InputError, match=message):
        import_lines(lines, **changes)


def test_the_explanations_are_those_that_the_dss_release_holds(shared, tmp_path):
    """Its files were made of CoS-E's: undone and read again, both importers say the same."""
    source = shared / "data" / "dss" / "cqa"
    _, _, told = run_import("dss", "commonsense_qa", source, tmp_path / "dss", "test")
    examples = [json.loads(text) for text in (source / "cqa_test.json").read_text().splitlines()]
    lines = [
        line(one["id"], one["abstractive_explanation"], one["extractive_explanation"])
        for one in reversed(examples)
    ]
    path = write_lines(tmp_path / "cose_dev_v1.11_processed.jsonl", lines)
    report, _, records = run_import(
        "cos_e", "commonsense_qa", path, tmp_path / "cos_e", "test", questions=str(tmp_path / "dss")
    )
    assert report.human == len(records) == 1_221
    assert not report.remarks
    assert [(r.id, r.human) for r in records] == [(r.id, r.human) for r in told]
