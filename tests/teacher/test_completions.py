"""Completions of one's own are joined with questions by id or by text."""

import pytest

from cotjax.errors import InputError
from tests.teacher.imports import run_import, write_lines

CHOICES = ["bank", "beach", "bridge"]
QUESTIONS = [
    {"id": "a", "question": "Where is sand?", "choices": CHOICES, "label": "beach"},
    {"id": "b", "question": "Where is money?", "choices": CHOICES, "label": "bank"},
    {"id": "c", "question": "Where to?", "choices": CHOICES, "label": "bank"},
    {"id": "d", "question": "Where  TO?", "choices": CHOICES[::-1], "label": "bank"},
]
SAND = "Sand is wet. The answer is (B)."


@pytest.fixture
def import_lines(tmp_path):
    questions = write_lines(tmp_path / "questions.jsonl", QUESTIONS)

    def run(lines, **changes):
        source = write_lines(tmp_path / "said.jsonl", lines)
        more = {"questions": str(questions), "teacher": "me"} | changes
        output = tmp_path / "out" / "records"
        return run_import("completions", "commonsense_qa", source, output, **more)

    return run


def test_completions_join_by_id_or_text(import_lines):
    details = {"logprob": -2.5, "finish_reason": "stop", "num_tokens": 9}
    money = "where is  money?"
    report, manifest, records = import_lines(
        [
            {"id": "a", "completion": SAND},
            {
                "question": money,
                "completions": ["Cash. The answer is (A)", {"text": SAND} | details],
            },
            {"id": "a", "completions": [SAND, "Dunes. Thus the answer is (C)"]},
        ]
    )
    told = {record.id: record.rationales for record in records}
    assert [(r.sample, r.text, r.answer, r.correct) for r in told["a"]] == [
        (0, "Sand is wet.", "beach", True),
        (1, "Dunes.", "bridge", False),
    ]
    assert [r.correct for r in told["b"]] == [True, False]
    second = told["b"][1]
    assert (second.logprob, second.finish_reason, second.num_tokens) == (-2.5, "stop", 9)
    assert told["c"] == told["d"] == ()
    assert manifest.teacher == "me"
    assert report.remarks[0].endswith("said.jsonl:3: repeats an earlier line")
    assert manifest.counts == {
        "questions": 4,
        "rows": 5,
        "parsed": 4,
        "right": 2,
        "rationales": 4,
        "dropped: repeats an earlier line": 1,
        "questions without a rationale": 2,
    }


def test_equal_samples_of_one_line_all_stand(import_lines):
    _, _, records = import_lines([{"id": "a", "completions": [SAND, SAND]}])
    assert [r.sample for r in records[0].rationales] == [0, 1]


def test_what_comes_to_nothing_is_counted_and_named(import_lines, capsys):
    report, _, records = import_lines(
        [
            {"id": "z", "completions": [SAND, SAND]},
            {"question": "Where to?", "completion": SAND},
            {"question": "What?", "completion": SAND},
            {"id": "a", "completion": "Sand is wet."},
            {"id": "a", "completion": "Sand. The answer is none of these"},
            {"id": "a", "completion": "The answer is (B)"},
        ]
    )
    assert report.total.dropped == {
        "no question has this id": 2,
        "several questions have this text; name one by its id": 1,
        "no question has this text": 1,
        "no answer phrase": 1,
        "empty rationale": 1,
    }
    assert [(r.text, r.answer) for r in records[0].rationales] == [("Sand.", None)]
    lines = [remark.partition("said.jsonl:")[2] for remark in report.remarks]
    assert [line.partition(":")[0] for line in lines] == ["1", "1", "2", "3", "4", "5", "6"]
    assert lines[5] == "5: no answer that can be parsed"
    assert "said.jsonl:4: no answer phrase" in capsys.readouterr().out


def test_only_so_many_remarks_are_printed(import_lines, capsys):
    import_lines([{"id": "a", "completion": SAND}, {"id": "z", "completions": ["x"] * 30}])
    shown = capsys.readouterr().out
    assert shown.count("no question has this id") == 10 + 1  # and once in the table
    assert "... and 20 more like these" in shown


def test_records_can_be_the_questions(import_lines, tmp_path):
    import_lines([{"id": "a", "completion": SAND}])
    first = (tmp_path / "out" / "records").rename(tmp_path / "records")
    for questions in (str(first), f"records:{first}"):
        _, _, records = import_lines([{"id": "b", "completion": SAND}], questions=questions)
        assert [len(record.rationales) for record in records] == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "a", "compl', r"said.jsonl:2: not JSON .* is it cut short\?"),
        (b'{"id": "\xff"}', r"said.jsonl:2: not UTF-8 \(byte 0xff\)"),
        ([1], r"said.jsonl:2: the value must be an object"),
        ({"completion": SAND}, r"said.jsonl:2: must have either 'id' or 'question'"),
        ({"id": "a", "question": "x", "completion": ""}, r"either 'id' or 'question'"),
        ({"id": "a"}, r"said.jsonl:2: must have either 'completion' or 'completions'"),
        ({"id": 7, "completion": SAND}, r"said.jsonl:2: id must be text, not 7"),
        ({"id": "a", "completion": 7}, r"said.jsonl:2: the value must be an object, not 7"),
        ({"id": "a", "completions": SAND}, r"said.jsonl:2: completions must be a list"),
        ({"id": "a", "completion": {"txt": "x"}}, r"said.jsonl:2: txt is not a known field"),
        (
            {"id": "a", "completion": {"text": "x", "num_tokens": 1.5}},
            r"said.jsonl:2: num_tokens must be a whole number, not 1.5",
        ),
    ],
)
def test_a_spoiled_line_is_named_and_nothing_is_written(import_lines, tmp_path, line, message):
    with pytest.raises(InputError, match=message):
        import_lines([{"id": "b", "completion": SAND}, line])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("lines", "changes", "message"),
    [
        ([b""], {}, r"said.jsonl: has no completions"),
        ([b""], {"teacher": None}, r"--teacher=NAME is required"),
        ([b""], {"questions": None}, r"--questions=SOURCE is required"),
        ([b""], {"questions": "nowhere"}, r"nowhere"),
    ],
)
def test_what_is_missing_is_named(import_lines, lines, changes, message):
    with pytest.raises(InputError, match=message):
        import_lines(lines, **changes)
