"""What a task asks and how its parser judges, as `scripts/show_task.py` shows it."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, write_records
from cotjax.tasks import get_task, task_names
from cotjax.tasks.base import Question, label_formats
from cotjax.tasks.show import Verdict, judge, list_tasks, show
from tests.conftest import REPOSITORY

SVAMP = get_task("svamp", "number")
LUKE = Question("q", "How many a round?", (), "( 84.0 / 2.0 )", "train")


def shown(*arguments) -> str:
    """What `show` prints, a field a line."""
    text = io.StringIO()
    show(*arguments, Console(file=text, width=200, highlight=False))
    return text.getvalue()


def rationale(answer: str | None, correct: bool | None, sample: int = 0) -> Rationale:
    return Rationale(sample, "He had 84 points in 2 rounds.", answer, correct)


@pytest.fixture
def records(tmp_path):
    """Two labelled questions with four answers, of which one is recorded as what it isn't."""
    rationales = (
        rationale("84 / 2", True),
        rationale("43", False, 1),
        rationale(None, False, 2),
        rationale("41", True, 3),
    )
    questions = [
        Record("luke", "How many\na round?", (), "( 84.0 / 2.0 )", rationales),
        Record("next", "And then?", (), "8", ()),
        Record("test", "Unknown?", (), None, ()),
    ]
    write_records(tmp_path / "r" / "train", Manifest("svamp", "train", "PaLM"), questions)
    return f"records:{tmp_path / 'r'}"


@pytest.mark.parametrize(
    ("recorded", "verdict"),
    [
        (rationale("84 / 2", True), Verdict("84 / 2", "right", True)),
        (rationale("42", False), Verdict("42", "right", False)),
        (rationale("43", False), Verdict("43", "wrong", True)),
        (rationale("-42", True), Verdict("-42", "wrong", False)),
        (rationale(None, False), Verdict(None, "unparsed", True)),
        (rationale("many", False), Verdict(None, "unparsed", True)),
        (rationale("many", True), Verdict(None, "unparsed", False)),
    ],
)
def test_answers_are_judged_anew(recorded, verdict):
    assert judge(SVAMP, recorded, LUKE) == verdict


def test_questions_are_shown_and_all_answers_counted(records):
    lines = [
        " ".join(line.split()) for line in shown("svamp", None, records, "train", 1).split("\n")
    ]
    for line in (
        "input How many a round?",
        "label 42",
        "rationale 1 He had 84 points in 2 rounds.",
        "answer 84 / 2",
        "verdict right (as recorded)",
        "verdict wrong (as recorded)",
        "verdict unparsed (as recorded)",
        "verdict wrong (recorded as correct=True)",
        "│ questions │ 2 │",
        "│ whose label the parser reads as itself │ 2 │",
        "│ rationales │ 4 │",
        "│ right │ 1 │",
        "│ wrong │ 2 │",
        "│ unparsed │ 1 │",
        "│ judged otherwise than recorded │ 1 │",
        "left out: 1 questions without a label",
    ):
        assert line in lines
    assert "And then?" not in " ".join(lines)  # only one question was asked for


def test_procedural_tasks_need_no_source():
    text = shown("comparison", None, None, "validation", 2)
    assert text.count("(as recorded)") == 2
    assert "question validation-00001" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("svmp", None, None), "no task 'svmp'; did you mean 'svamp'"),
        (
            ("svamp", None, None),
            "svamp makes no questions of its own: give --records=DIR or a --so",
        ),
        (("svamp", "letter", None), "no label_format 'letter'; use number or equation"),
        (("comparison", None, "records:none"), "none: has no records of split 'train'"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        show(*arguments, "train", 3)


def test_a_label_that_the_format_cannot_write_is_named(records):
    with pytest.raises(InputError, match="'next': label '8' has no equation"):
        shown("svamp", "equation", records, "train", 3)


def test_every_task_is_listed_with_its_label_formats():
    lines = [line.split(maxsplit=1) for line in list_tasks().strip().split("\n")]
    assert lines == [[name, ", ".join(label_formats(name))] for name in task_names()]
    assert ["svamp", "number, equation"] in lines


def test_the_script():
    script = [sys.executable, str(REPOSITORY / "scripts" / "show_task.py")]
    done = subprocess.run([*script, "--help"], capture_output=True, text=True, check=True)
    assert list_tasks() in done.stdout
    both = ["--task=svamp", "--source=hub", "--records=r"]
    done = subprocess.run([*script, *both], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: give either --source or --records: questions come from one place\n",
    )
