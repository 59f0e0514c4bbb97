"""Lists of instructions and outputs are joined by question, whatever their order."""

import pytest

from cotjax.data.tokenizer import load_tokenizer
from cotjax.errors import InputError
from cotjax.teacher.importers.instruction import describe_name
from cotjax.teacher.importers.joining import split_choices
from tests.teacher.imports import run_import, write_json

WATER = "Q: What is wet? Answer choices: A: water, B: sand, dry, C: note: air, D: fire"
SKY = "Q: What is blue? Answer choices: A: grass, B: sky, C: snow, D: coal"
AIR = "note: air"


def row(instruction, output):
    return {"instruction": instruction, "output": output}


def make_release(folder, **files):
    files = {
        "answers": [row(WATER, "A"), row(SKY, "B")],
        "gpt4o_level1": [
            row(WATER, "It flows. The answer is A"),
            row(SKY, "Look. The answer is B"),
        ],
    } | files
    for name, rows in files.items():
        write_json(folder / f"{name}.json", rows)
    return folder


def import_openbookqa(source, output, **changes):
    return run_import("instruction", "openbookqa", source, output, **changes)


@pytest.mark.parametrize(
    ("instruction", "parts"),
    [
        (WATER, ("Q: What is wet?", ("water", "sand, dry", AIR, "fire"))),
        ("How many?", ("How many?", ())),
        ("Why? answer choices: A: x, B: y", ("Why?", ("x", "y"))),
        ("Which?\nAnswer choices: (A) red, (B) a, b.", ("Which?", ("red", "a, b."))),
        ("W? Answer choices: A: vitamin, B: complex, B: fish", None),
        ("W? Answer choices: B: x, C: y", None),
        ("W? Answer choices: A: x", None),
        ("W? Answer choices: A: , B: y", None),
        ("W? Answer choices: red, A: x, B: y", None),
    ],
)
def test_choices_end_only_where_the_next_letter_begins(instruction, parts):
    assert split_choices(instruction) == parts


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        (
            "gpt4o_level3.json",
            {"teacher": "gpt4o", "level": 3, "format": "plain", "gold": "shown"},
        ),
        (
            "llama_3_level12_subquestion.json",
            {"teacher": "llama_3", "level": 12, "format": "subquestion", "gold": "shown"},
        ),
        (
            "gpt4o_without_gold.json",
            {"teacher": "gpt4o", "format": "plain", "gold": "hidden"},
        ),
        ("mine.json", {}),
    ],
)
def test_a_name_gives_tags(tmp_path, name, tags):
    assert describe_name(tmp_path / name).tags == tags


def test_files_are_joined_by_question(tmp_path):
    """The second file has another order, other spacing and a question twice."""
    release = make_release(
        tmp_path / "obqa",
        gpt4o_without_gold=[
            row(SKY, "The grass is blue.The answer is A: grass"),
            row(WATER.replace("wet? ", "wet?  \n"), "Drink it. Thus, the answer is A"),
            row(SKY, "It shines. The answer is none of these"),
            row(WATER, "It flows"),
        ],
    )
    report, manifest, records = import_openbookqa(release, tmp_path / "records")
    water, sky = records
    assert (water.question, water.label) == ("What is wet?", "water")
    assert water.choices == ("water", "sand, dry", AIR, "fire")
    told = [(r.sample, r.text, r.answer, r.correct, r.tags["gold"]) for r in sky.rationales]
    assert told == [
        (0, "Look.", "sky", True, "shown"),
        (1, "The grass is blue.", "grass", False, "hidden"),
        (2, "It shines.", None, False, "hidden"),
    ]
    assert [r.text for r in water.rationales] == ["It flows.", "Drink it."]
    assert water.rationales[0].tags["level"] == 1
    assert manifest.teacher == "gpt4o"
    counts = {source.name: source.counts for source in manifest.sources}
    assert list(counts) == ["answers.json", "gpt4o_level1.json", "gpt4o_without_gold.json"]
    assert counts["gpt4o_without_gold.json"] == {
        "rows": 4,
        "parsed": 2,
        "right": 1,
        "right by the release's rule": 1,
        "rationales": 3,
        "dropped: no answer phrase": 1,
        "questions that occur again": 2,
    }
    assert manifest.counts["rows"] == 6 == report.total.rationales + report.total.dropped.total()


def test_ids_depend_on_the_question_alone(tmp_path):
    _, _, records = import_openbookqa(make_release(tmp_path / "a"), tmp_path / "records")
    answers = [row(SKY.replace("is blue", "IS  blue"), "(B)"), row(WATER, "water")]
    other = make_release(tmp_path / "b", answers=answers)
    _, _, turned = import_openbookqa(other, tmp_path / "turned")
    assert [record.id for record in turned] == [record.id for record in reversed(records)]
    assert [record.label for record in turned] == ["sky", "water"]
    assert {len(record.id) for record in records} == {16}


def test_what_cannot_be_joined_is_counted_and_named(tmp_path, capsys):
    unsplit = "Q: What? Answer choices: A: x, B: y, B: z"
    release = make_release(
        tmp_path / "obqa",
        answers=[row(WATER, "A"), row(SKY, "B"), row(unsplit, "A"), row(SKY, "A"), row(SKY, "B")],
        gpt4o_level6=[row(unsplit, "X. The answer is A"), row(SKY[:-1], "Y. The answer is A")],
    )
    report, _, records = import_openbookqa(release, tmp_path / "records")
    assert [record.label for record in records] == ["water", "sky"]  # the first label stands
    labels, _, level6 = report.tallies
    assert labels.noted == {
        "questions that occur again": 2,
        "of these with another label: the first stands": 1,
        "choices that can't be told apart": 1,
    }
    assert level6.dropped == {
        "choices that can't be told apart": 1,
        "no such question among the labels": 1,
    }
    shown = capsys.readouterr().out
    assert "gpt4o_level6.json: row 2: no such question among the labels" in shown
    assert "answers.json: row 3: choices that can't be told apart" in shown


def test_a_test_split_has_labels_alone(tmp_path):
    release = make_release(tmp_path / "obqa", test=[{"instruction": SKY, "label": "B"}])
    report, manifest, (record,) = import_openbookqa(release, tmp_path / "test", split="test")
    assert (record.label, record.rationales, manifest.teacher) == ("sky", (), "none")
    assert (report.total.rows, report.total.labels) == (0, 1)


def test_another_split_needs_questions_of_its_own(tmp_path):
    release = make_release(tmp_path / "obqa")
    with pytest.raises(InputError, match=r"--split=valid: the release has train and test; .* need"):
        import_openbookqa(release, tmp_path / "records", split="valid")


def test_one_file_takes_its_labels_from_beside_it_or_from_questions(tmp_path):
    release = make_release(tmp_path / "obqa")
    file = release / "gpt4o_level1.json"
    _, _, records = import_openbookqa(file, tmp_path / "beside")
    assert [record.label for record in records] == ["water", "sky"]
    (release / "answers.json").unlink()
    with pytest.raises(InputError, match=r"has no gold labels \(answers.json\); name them with"):
        import_openbookqa(file, tmp_path / "none")
    _, _, records = import_openbookqa(file, tmp_path / "c", questions=str(tmp_path / "beside"))
    assert [len(record.rationales) for record in records] == [1, 1]
    mine = file.rename(release / "mine.json")
    with pytest.raises(InputError, match="--teacher=NAME is required"):
        import_openbookqa(mine, tmp_path / "mine")
    more = {"questions": str(tmp_path / "beside"), "teacher": "me"}
    _, manifest, records = import_openbookqa(mine, tmp_path / "mine", **more)
    assert (manifest.teacher, records[0].rationales[0].tags) == ("me", {"teacher": "me"})


def test_numbers_need_no_choices(tmp_path):
    folder = tmp_path / "svamp"
    write_json(folder / "answers.json", [row("There are 290. How many?", "145")])
    write_json(
        folder / "gpt4o_level2.json",
        [row("There are 290. How many?", "1. Divide.2. 290 / 2 = 145.The answer is 145.")],
    )
    _, _, (record,) = run_import("instruction", "svamp", folder, tmp_path / "records")
    assert (record.question, record.choices, record.label) == (
        "There are 290. How many?",
        (),
        "145",
    )
    assert record.rationales[0].correct


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("answers", b'[{"instruction": "Q', r"answers.json:1: not JSON .* is it cut short\?"),
        ("answers", b'["\xe9"]', r"answers.json:1: not UTF-8 \(byte 0xe9\)"),
        ("answers", b"{}", r"answers.json: must be a list"),
        ("answers", b"[]", r"answers.json: has no rows"),
        ("answers", [row(SKY, "E")], r"answers.json: row 1: the label 'E' is not among"),
        ("answers", [row(SKY, 2)], r"answers.json: row 1: output must be text, not 2"),
        ("answers", [row("", "A")], r"answers.json: row 1: instruction is empty"),
        ("gpt4o_level1", [row(SKY, "A"), "x"], r"level1.json: row 2: the value must be an object"),
        ("gpt4o_level1", [{"instruction": SKY}], r"level1.json: row 1: output is missing"),
        ("gpt4o_level1", [row(SKY, "A") | {"x": 1}], r"level1.json: row 1: x is not a known field"),
        ("notes", [], r"notes.json: is called neither TEACHER_levelN"),
    ],
)
def test_a_spoiled_file_is_named_and_nothing_is_written(tmp_path, name, content, message):
    release = make_release(tmp_path / "obqa")
    path = release / f"{name}.json"
    path.write_bytes(content) if isinstance(content, bytes) else write_json(path, content)
    with pytest.raises(InputError, match=message):
        import_openbookqa(release, tmp_path / "out" / "records")
    assert not any((tmp_path / "out").rglob("*"))


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        ("none", {}, r"--input=.*none: no such file or folder"),
        (".", {"split": "test"}, r"test.json: cannot be read"),
        ("empty", {}, r"empty: has no file of rationales"),
    ],
)
def test_missing_files_are_named(tmp_path, source, changes, message):
    release = make_release(tmp_path / "obqa")
    (release / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        import_openbookqa(release / source, tmp_path / "records", **changes)


# The real files: rows, parsed, right, right by the release's rule (None without), rationales.
REAL = {
    "openbookqa": {
        "gpt4o_level1.json": (4_956, 4_952, 4_936, 4_927, 4_953),
        "gpt4o_level3.json": (4_955, 4_949, 4_930, 4_926, 4_954),
        "gpt4o_level3_rephrase.json": (4_955, 4_951, 4_932, 4_932, 4_955),
        "gpt4o_level3_subquestion.json": (4_955, 4_951, 4_932, 4_932, 4_955),
        "gpt4o_level6.json": (4_956, 4_954, 4_938, 4_925, 4_954),
        "gpt4o_without_gold.json": (4_955, 4_916, 4_650, 4_621, 4_923),
    },
    "svamp": {
        "gpt4o_level1.json": (700, 700, 691, None, 696),
        "gpt4o_level2.json": (700, 699, 689, None, 698),
        "gpt4o_level3.json": (699, 698, 688, None, 695),
        "gpt4o_level3_rephrase.json": (699, 699, 680, None, 699),
        "gpt4o_level3_subquestion.json": (699, 699, 683, None, 699),
        "gpt4o_level3_symbolic.json": (699, 699, 686, None, 698),
        "gpt4o_level4.json": (700, 699, 693, None, 695),
        "gpt4o_level5.json": (699, 698, 692, None, 693),
        "gpt4o_level6.json": (699, 696, 689, None, 689),
    },
}


@pytest.fixture(scope="module")
def imported(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    return {
        task: run_import("instruction", task, shared / "data" / "granularity" / task, folder / task)
        for task in REAL
    }


@pytest.mark.parametrize("task", REAL)
def test_the_real_files_are_imported_whole(imported, task):
    report, manifest, records = imported[task]
    labels, *tallies = report.tallies
    found = {t.name: (t.rows, t.parsed, t.right, t.release_right, t.rationales) for t in tallies}
    assert found == REAL[task]
    assert len(records) == report.questions == {"openbookqa": 4_952, "svamp": 700}[task]
    assert not report.remarks  # all join, and all choices are told apart
    assert labels.noted == ({"questions that occur again": 5} if task == "openbookqa" else {})
    assert sum(len(record.rationales) for record in records) == manifest.counts["rationales"]
    for record in records:
        assert len(record.choices) == (4 if task == "openbookqa" else 0)


def test_without_the_gold_answer_the_teacher_is_right_in_93_of_100(imported):
    """93.3 % by the release's own rule; our parser reads more of the ways to answer."""
    tally = imported["openbookqa"][0].tallies[-1]
    assert tally.tags["gold"] == "hidden"
    assert 100 * tally.release_right / tally.rows == pytest.approx(93.3, abs=0.0501)
    assert 100 * tally.right / tally.rows == pytest.approx(93.8, abs=0.0501)


@pytest.mark.parametrize(("task", "levels"), [("openbookqa", [1, 3, 6]), ("svamp", range(1, 7))])
def test_rationales_grow_with_the_level(imported, titler_folder, task, levels):
    """Mean T5 tokens of GPT-4o's plain rationales, as Chen et al. 2025 mean the levels."""
    tokenizer = load_tokenizer(titler_folder)
    texts = {level: [] for level in levels}
    for record in imported[task][2]:
        for rationale in record.rationales:
            if rationale.tags["format"] == "plain" and "level" in rationale.tags:
                texts[rationale.tags["level"]].append(rationale.text)
    means = [sum(map(len, tokenizer.encode(some))) / len(some) for _, some in sorted(texts.items())]
    assert means == sorted(set(means))


def test_the_symbolic_format_is_partly_unknown_to_t5(imported, titler_folder):
    tokenizer = load_tokenizer(titler_folder)
    texts = [
        rationale.text
        for record in imported["svamp"][2]
        for rationale in record.rationales
        if rationale.tags["format"] == "symbolic"
    ]
    ids = tokenizer.encode(texts)
    unknown = sum(row.count(tokenizer.unknown) for row in ids)
    assert 0.04 < unknown / sum(map(len, ids)) < 0.05  # ÷ × ∴ ∃
