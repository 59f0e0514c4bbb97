"""The release of Distilling Step-by-Step becomes records, and every loss has a number."""

import json

import pytest

from cotjax.errors import InputError
from cotjax.tasks import get_task
from cotjax.tasks.sources import load_questions
from cotjax.tasks.splits import overlap
from cotjax.teacher.importers.dss import DSS, equation_in_brackets, text_after_letter
from tests.teacher.imports import run_import, write_json, write_lines

CHOICES = ["bus depot", "beach", "Train station", "bridge", "bridge"]
GOOD = "R. So the answer is (d) bridge."


def make_example(number: int, **changes) -> dict:
    return {
        "id": f"q{number}",
        "question": f"Where is {number}?",
        "choices": CHOICES,
        "answer": "bridge",
        "abstractive_explanation": "people live there",
        "extractive_explanation": " ",
    } | changes


def make_release(folder, completions, examples=None, prefix="cqa"):
    """Writes a release whose completions stand in a file each."""
    examples = examples or [make_example(n) for n in range(len(completions))]
    write_lines(folder / f"{prefix}_train.json", examples)
    for number, completion in enumerate(completions):
        write_json(folder / "llm" / f"train_CoT_{number}.json", [completion])
    return folder


def import_cqa(source, output, **changes):
    return run_import(
        "dss", **{"task": "commonsense_qa", "source": source} | changes, output=output
    )


def test_completions_become_rationales_and_answers(tmp_path):
    completions = [
        "It spans. So the answer is (e) bridge.\n\nQ: Where?\nA: There. So the answer is (a) bus.",
        "It moves. So the answer is either (c) train station or (d) bridge.",
        "Who knows. So the answer is one of these.",
        "It goes on and on and on and",
        " So the answer is (d) bridge.",
    ]
    release = make_release(tmp_path / "cqa", completions)
    report, manifest, records = import_cqa(release, tmp_path / "records")
    assert (manifest.task, manifest.split) == ("commonsense_qa", "train")
    assert manifest.teacher == "PaLM-540B"
    rationales = [r for record in records for r in record.rationales]
    assert [(r.text, r.answer, r.correct) for r in rationales] == [
        ("It spans.", "bridge", True),
        ("It moves.", "Train station", False),
        ("Who knows.", None, False),
    ]
    assert [len(record.rationales) for record in records] == [1, 1, 1, 0, 0]
    assert records[0].human == {"abstractive": "people live there"}
    assert manifest.sources is None
    assert manifest.counts == report.counts() == {
        "questions": 5,
        "questions with human explanations": 5,
        "rows": 5,
        "parsed": 3,
        "parsed, of several choices the first": 1,
        "right": 2,
        "right by the release's rule": 2,
        "rationales": 3,
        "dropped: no answer phrase": 1,
        "dropped: empty rationale": 1,
        "ran on into another exemplar: cut": 1,
    }  # fmt: skip


def test_files_are_joined_by_number(tmp_path):
    """By name, train_CoT_10 would come before train_CoT_2 and shift the answers."""
    completions = [f"Reason {n}. So the answer is (d) bridge." for n in range(12)]
    _, _, records = import_cqa(make_release(tmp_path / "cqa", completions), tmp_path / "records")
    assert [r.rationales[0].text for r in records] == [f"Reason {n}." for n in range(12)]


@pytest.mark.parametrize(
    ("conclusion", "answer"),
    [
        (" (c) wooded area.", "wooded area"),
        (" (e) Washington D.C.", "Washington D.C"),
        (" either (a) aquarium or (e) pond.", "aquarium or"),
        (" one of these four.", ""),
        (" (a)", ""),
    ],
)
def test_the_release_takes_the_text_after_the_letter(conclusion, answer):
    assert text_after_letter(conclusion) == answer


@pytest.mark.parametrize(
    ("conclusion", "equation"),
    [
        (" (84 / 2).", "(84 / 2)"),
        (" (34 + 40) and (62 - 17).", "(34 + 40) and (62 - 17)"),
        (" (9 * 10) / 2.", "(9 * 10)"),
        (" ((491 - 21", ""),
    ],
)
def test_the_release_takes_the_first_to_the_last_bracket(conclusion, equation):
    assert equation_in_brackets(conclusion) == equation


def test_equations_are_compared_by_value(tmp_path):
    examples = [
        {"input": "84 points in 2 rounds.\nHow many a round?", "label": "( 84.0 / 2.0 )"},
        {"input": "4 boxes of 16 bags?", "label": "( 4.0 * 16.0 )"},
        {"input": "Some apples?", "label": "( 3.0 + 4.0 )"},
    ]
    completions = [
        "Divide. The answer is (84 / 2).\n\nQ: There are",
        "Multiply. The answer is (16 * 2) * 2.",
        "Add. The answer is (x + 4).",
    ]
    release = make_release(tmp_path / "svamp", completions, examples, prefix="svamp")
    report, _, records = run_import("dss", "svamp", release, tmp_path / "records")
    assert [record.id for record in records] == ["train-0", "train-1", "train-2"]
    assert records[0].question == "84 points in 2 rounds.\nHow many a round?"
    assert records[0].label == "( 84.0 / 2.0 )"
    (rationale,) = records[0].rationales
    assert (rationale.text, rationale.answer, rationale.correct) == ("Divide.", "84 / 2", True)
    assert (report.total.right, report.total.release_right) == (2, 1)


@pytest.mark.parametrize(
    ("task", "prefix", "completion"),
    [
        ("anli", "anli1", "It rains. So the answer is contradiction.\n\nPremise: A man"),
        ("esnli", "esnli", "It rains.\nAnswer: contradiction\n\nPremise: A man\nAnswer: neutral"),
    ],
)
def test_inference_reads_the_fields_of_its_data_set(tmp_path, task, prefix, completion):
    """Label 2 is contradiction; the release's loaders say so."""
    example = {"premise": "It rains.", "hypothesis": "It is dry.", "label": 2}
    release = make_release(tmp_path / "nli", [completion], [example], prefix)
    report, _, (record,) = run_import("dss", task, release, tmp_path / "records")
    assert record.question == "premise: It rains. hypothesis: It is dry."
    assert record.label == "contradiction"
    (rationale,) = record.rationales
    assert (rationale.text, rationale.answer, rationale.correct) == (
        "It rains.",
        "contradiction",
        True,
    )
    assert report.total.release_right == 1


def _spoil(folder, name):
    completions = folder / "llm" / "train_CoT_1.json"
    questions = folder / "cqa_train.json"
    line = questions.read_text().splitlines()[0]
    match name:
        case "a completion too few":
            completions.unlink()
        case "a file missing":
            completions.rename(completions.with_name("train_CoT_2.json"))
        case "no completions":
            (folder / "llm").rename(folder / "gone")
        case "an empty file":
            completions.write_text("[]")
        case "no questions":
            questions.unlink()
        case "cut completions":
            completions.write_text('["R. So the')
        case "cut questions":
            questions.write_text(f"{line}\n{line[:40]}")
        case "completion of bad bytes":
            completions.write_bytes(b'["caf\xe9"]')
        case "question of bad bytes":
            questions.write_bytes(f"{line}\n".encode() + b'{"id": "\xff"}\n')
        case "completion not text":
            completions.write_text("[3]")
        case "completions not a list":
            completions.write_text('{"a": 1}')
        case "question not an object":
            questions.write_text(f"{line}\n[1]\n")
        case "strange label":
            questions.write_text(f"{line}\n{json.dumps(make_example(1, answer='moon'))}\n")
        case "no question":
            questions.write_text(f"{line}\n{json.dumps(make_example(1, question=3.5))}\n")
        case "one id twice":
            questions.write_text(f"{line}\n{line}\n")


@pytest.mark.parametrize(
    ("spoiling", "message"),
    [
        ("a completion too few", r"cqa_train.json: has 2 questions, but .*llm has 1 completions"),
        ("a file missing", r"train_CoT_1.json: is missing"),
        ("no completions", r"llm: has no train_CoT_0.json; is --input the data set's folder\?"),
        ("an empty file", r"train_CoT_1.json: has no rows"),
        ("no questions", r"cqa_train.json: cannot be read \(No such file or directory\)"),
        ("cut completions", r"train_CoT_1.json:1: not JSON .* is it cut short\?"),
        ("cut questions", r"cqa_train.json:2: not JSON .* is it cut short\?"),
        ("completion of bad bytes", r"train_CoT_1.json:1: not UTF-8 \(byte 0xe9\)"),
        ("question of bad bytes", r"cqa_train.json:2: not UTF-8 \(byte 0xff\)"),
        ("completion not text", r"train_CoT_1.json: row 1: is not text"),
        ("completions not a list", r"train_CoT_1.json: must be a list"),
        ("question not an object", r"cqa_train.json:2: must be an object"),
        ("strange label", r"cqa_train.json:2: the label 'moon' is not among"),
        ("no question", r"cqa_train.json:2: field 'question' must hold text, not 3.5"),
        ("one id twice", r"id 'q0' occurs twice"),
    ],
)
def test_a_spoiled_release_is_named_and_nothing_is_written(tmp_path, spoiling, message):
    release = make_release(tmp_path / "cqa", [GOOD] * 2)
    _spoil(release, spoiling)
    with pytest.raises(InputError, match=message):
        import_cqa(release, tmp_path / "out" / "records")
    assert not any((tmp_path / "out").rglob("*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "comparison"}, "dss release has no task 'comparison'; it has commonsense_qa"),
        ({"split": "dev"}, r"cqa_dev.json: cannot be read"),
        ({"questions": "hub"}, r"--questions=hub: this form has questions of its own"),
    ],
)
def test_wrong_flags_are_named(tmp_path, changes, message):
    release = make_release(tmp_path / "cqa", [GOOD])
    with pytest.raises(InputError, match=message):
        import_cqa(release, tmp_path / "records", **changes)


# The real files. The counts of answers and the release's rule are those of the paper's release;
# the parser's are higher since it ignores case (`Mexico`), takes the first of two choices, and
# reads an equation to its end. Python's `eval` finds two equations more in SVAMP's training set:
# it takes `((29/2) and (30/2))` for 30/2.
REAL = {
    ("commonsense_qa", "train"): (9_741, 9_738, 7_483, 7_234, 9_741),
    ("commonsense_qa", "test"): (1_221, 1_221, 968, 943, 1_221),
    ("svamp", "train"): (800, 773, 595, 586, 789),
    ("svamp", "test"): (200, 195, 156, 148, 198),
}
FOLDERS = {"commonsense_qa": "cqa", "svamp": "svamp"}


@pytest.fixture(scope="module")
def imported(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    return folder, {
        (task, split): run_import(
            "dss", task, shared / "data" / "dss" / FOLDERS[task], folder / task / split, split
        )
        for task, split in REAL
    }


@pytest.mark.parametrize(("task", "split"), REAL)
def test_the_real_release_is_imported_whole(imported, task, split):
    report, _, records = imported[1][task, split]
    total = report.total
    rows, parsed, right, release_right, rationales = REAL[task, split]
    assert (total.rows, total.parsed, total.right) == (rows, parsed, right)
    assert (total.release_right, total.rationales) == (release_right, rationales)
    assert report.questions == rows == total.rationales + total.dropped.total()
    assert report.human == (rows if task == "commonsense_qa" else 0)
    texts = [rationale.text for record in records for rationale in record.rationales]
    assert len(texts) == rationales
    assert not any(DSS[task].phrase in text or "Q:" in text for text in texts)


@pytest.mark.parametrize(
    ("key", "share"),
    [
        (("commonsense_qa", "train"), 74.3),
        (("commonsense_qa", "test"), 77.2),
        (("svamp", "train"), 73.3),
        (("svamp", "test"), 74.0),
    ],
)
def test_the_release_is_as_right_as_published(imported, key, share):
    total = imported[1][key][0].total
    assert 100 * total.release_right / total.rows == pytest.approx(share, abs=0.0501)


def test_the_real_splits_share_no_question(imported):
    folder = imported[0] / "commonsense_qa"
    task = get_task("commonsense_qa", "letter_text")
    questions = {
        split: load_questions(task, f"records:{folder}", split) for split in ("train", "test")
    }
    assert overlap(questions) == {("train", "test"): 0}
    for question in questions["test"]:
        label = task.format_label(question, question.label)
        assert task.is_right(task.parse(label, question), question)
        assert "\n" not in task.format_input(question)
