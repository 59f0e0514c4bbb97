"""The release of Distilling Step-by-Step becomes records, and every loss has a number."""

import json
import subprocess
import sys

import pytest

from cotjax.errors import InputError
from cotjax.records import read_records
from cotjax.tasks import get_task
from cotjax.tasks.sources import load_questions, overlap
from cotjax.teacher.importers import import_rationales, text_after_letter

CHOICES = ["bus depot", "beach", "Train station", "bridge", "bridge"]


def make_example(number: int, **changes) -> dict:
    return {
        "id": f"q{number}",
        "question": f"Where is {number}?",
        "choices": CHOICES,
        "answer": "bridge",
        "abstractive_explanation": "people live there",
        "extractive_explanation": " ",
    } | changes


def make_release(folder, completions, examples=None, per_file=1):
    """Writes a release whose completions stand in files of `per_file`."""
    examples = examples or [make_example(n) for n in range(len(completions))]
    (folder / "llm").mkdir(parents=True)
    lines = "".join(json.dumps(example) + "\n" for example in examples)
    (folder / "cqa_train.json").write_text(lines, encoding="utf-8")
    for number, start in enumerate(range(0, len(completions), per_file)):
        path = folder / "llm" / f"train_CoT_{number}.json"
        path.write_text(json.dumps(completions[start : start + per_file]), encoding="utf-8")
    return folder


def run_import(source, output, split="train", **changes):
    arguments = {"format": "dss", "task": "commonsense_qa", "split": split} | changes
    return import_rationales(source=source, output=output, **arguments)


def test_completions_become_rationales_and_answers(tmp_path):
    completions = [
        "It spans. So the answer is (e) bridge.\n\nQ: Where?\nA: There. So the answer is (a) bus.",
        "It moves. So the answer is either (c) train station or (d) bridge.",
        "Who knows. So the answer is one of these.",
        "It goes on and on and on and",
        " So the answer is (d) bridge.",
    ]
    release = make_release(tmp_path / "cqa", completions)
    report = run_import(release, tmp_path / "records")
    manifest, records = read_records(tmp_path / "records")
    assert (manifest.task, manifest.split, manifest.teacher) == (
        "commonsense_qa",
        "train",
        "PaLM-540B",
    )
    rationales = [r for record in records for r in record.rationales]
    assert [(r.text, r.answer, r.correct) for r in rationales] == [
        ("It spans.", "bridge", True),
        ("It moves.", "Train station", False),
        ("Who knows.", None, False),
    ]
    assert [len(record.rationales) for record in records] == [1, 1, 1, 0, 0]
    assert records[0].human == {"abstractive": "people live there"}
    assert report.dropped == {"no answer phrase": 1, "empty rationale": 1}
    assert (report.questions, report.completions, report.answers) == (5, 5, 3)
    assert (report.hedges, report.right, report.release_right) == (1, 2, 2)
    assert (report.rationales, report.human) == (3, 5)


def test_files_are_joined_by_number(tmp_path):
    """By name, train_CoT_10 would come before train_CoT_2 and shift the answers."""
    completions = [f"Reason {n}. So the answer is (d) bridge." for n in range(12)]
    run_import(make_release(tmp_path / "cqa", completions), tmp_path / "records")
    _, records = read_records(tmp_path / "records")
    assert [r.rationales[0].text for r in records] == [f"Reason {n}." for n in range(12)]


def test_importing_twice_is_importing_once(tmp_path):
    release = make_release(tmp_path / "cqa", ["R. So the answer is (d) bridge."])
    run_import(release, tmp_path / "records")
    run_import(release, tmp_path / "records")
    other = make_release(tmp_path / "other", ["S. So the answer is (d) bridge."])
    with pytest.raises(InputError, match="holds something else; remove it or choose another"):
        run_import(other, tmp_path / "records")


def test_questions_may_stand_elsewhere(tmp_path):
    release = make_release(tmp_path / "cqa", ["R. So the answer is (d) bridge."])
    questions = (release / "cqa_train.json").rename(tmp_path / "questions.jsonl")
    run_import(release, tmp_path / "records", questions=questions)
    assert read_records(tmp_path / "records")[1][0].id == "q0"


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


def _spoil(folder, name):
    completions = folder / "llm" / "train_CoT_1.json"
    questions = folder / "cqa_train.json"
    line = questions.read_text().splitlines()[0]
    match name:
        case "a completion too few":
            completions.write_text("[]")
        case "a file missing":
            completions.rename(completions.with_name("train_CoT_2.json"))
        case "no completions":
            (folder / "llm").rename(folder / "gone")
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
        case "strange label":
            questions.write_text(f"{line}\n{json.dumps(make_example(1, answer='moon'))}\n")
        case "strange field":
            questions.write_text(f"{line}\n{json.dumps(make_example(1, qestion='?'))}\n")
        case "one id twice":
            questions.write_text(f"{line}\n{line}\n")


@pytest.mark.parametrize(
    ("spoiling", "message"),
    [
        ("a completion too few", r"cqa_train.json: has 2 questions, but .*llm has 1 completions"),
        ("a file missing", r"train_CoT_1.json: is missing"),
        ("no completions", r"llm: has no train_CoT_0.json; is --input the data set's folder\?"),
        ("no questions", r"cqa_train.json: cannot be read \(No such file or directory\)"),
        ("cut completions", r"train_CoT_1.json:1: not JSON .* is it cut short\?"),
        ("cut questions", r"cqa_train.json:2: not JSON .* is it cut short\?"),
        ("completion of bad bytes", r"train_CoT_1.json:1: not UTF-8 \(byte 0xe9\)"),
        ("question of bad bytes", r"cqa_train.json:2: not UTF-8 \(byte 0xff\)"),
        ("completion not text", r"train_CoT_1.json: completion 0 is not text"),
        ("completions not a list", r"train_CoT_1.json: must be a list of completions"),
        ("strange label", r"cqa_train.json:2: question 'q1': label 'moon' is not among"),
        ("strange field", r"cqa_train.json:2: qestion is not a known field; did you mean"),
        ("one id twice", r"id 'q0' occurs twice"),
    ],
)
def test_a_spoiled_release_is_named_and_nothing_is_written(tmp_path, spoiling, message):
    release = make_release(tmp_path / "cqa", ["R. So the answer is (d) bridge."] * 2)
    _spoil(release, spoiling)
    with pytest.raises(InputError, match=message):
        run_import(release, tmp_path / "out" / "records")
    assert not any((tmp_path / "out").rglob("*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "dsss"}, "no --format=dsss; known: dss"),
        ({"task": "comparison"}, "dss release has no task 'comparison'; it has commonsense_qa"),
        ({"split": "dev"}, r"cqa_dev.json: cannot be read"),
    ],
)
def test_wrong_flags_are_named(tmp_path, changes, message):
    release = make_release(tmp_path / "cqa", ["R. So the answer is (d) bridge."])
    with pytest.raises(InputError, match=message):
        run_import(release, tmp_path / "records", **changes)


def test_the_script_prints_counts_or_one_line(tmp_path, repository):
    release = make_release(tmp_path / "cqa", ["R. So the answer is (d) bridge."])

    def run(split):
        script = repository / "scripts" / "import_rationales.py"
        flags = {"format": "dss", "task": "commonsense_qa", "split": split, "input": release}
        words = [f"--{name}={value}" for name, value in flags.items()]
        command = [sys.executable, script, *words, f"--output={tmp_path / 'records'}"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    good, bad = run("train"), run("test")
    assert good.returncode == 0, good.stderr
    assert "right by the release's rule" in good.stdout
    assert (bad.returncode, bad.stderr.count("\n")) == (2, 1)
    assert "cqa_test.json: cannot be read" in bad.stderr


def test_importing_needs_neither_jax_nor_tensorflow():
    code = (
        "import sys, cotjax.teacher.importers, cotjax.tasks.sources;"
        "sys.exit(len({'jax', 'tensorflow', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The real files. The counts of answers and the release's rule are those of the paper's release;
# the parser's are higher since it ignores case (`Mexico`) and takes the first of two choices.
REAL = {
    "train": {"completions": 9_741, "answers": 9_738, "right": 7_483, "release_right": 7_234},
    "test": {"completions": 1_221, "answers": 1_221, "right": 968, "release_right": 943},
}


@pytest.fixture(scope="module")
def imported(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    source = shared / "data" / "dss" / "cqa"
    return folder, {split: run_import(source, folder / split, split) for split in REAL}


@pytest.mark.parametrize("split", REAL)
def test_the_real_release_is_imported_whole(imported, split):
    folder, reports = imported
    report = reports[split]
    assert {name: getattr(report, name) for name in REAL[split]} == REAL[split]
    assert report.questions == report.rationales == report.human == report.completions
    assert not report.dropped
    share = 100 * report.release_right / report.completions
    assert round(share, 1) == {"train": 74.3, "test": 77.2}[split]
    _, records = read_records(folder / split)
    texts = [rationale.text for record in records for rationale in record.rationales]
    assert len(texts) == REAL[split]["completions"]
    assert not any("So the answer is" in text or "Q:" in text for text in texts)


def test_the_real_splits_share_no_question(imported):
    folder, _ = imported
    task = get_task("commonsense_qa", "letter_text")
    questions = {split: load_questions(task, f"records:{folder}", split) for split in REAL}
    assert overlap(questions) == {("train", "test"): 0}
    for question in questions["test"]:
        label = task.format_label(question, question.label)
        assert task.is_right(task.parse(label, question), question)
        assert "\n" not in task.format_input(question)
