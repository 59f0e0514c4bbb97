"""What all importers share: the script, the output folder, and quick imports."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from cotjax.errors import InputError
from cotjax.teacher.answers import Verdict
from cotjax.teacher.importers.report import Report
from tests.teacher.imports import run_import, write_json

ROWS = [{"input": "Last letters?", "answer": "yo", "chain": "y, o. The answer is yo."}]


def import_rows(folder, rows, **changes):
    source = write_json(folder / "rows.json", rows)
    arguments = {"format": "multi_sample", "task": "last_letter", "source": source} | changes
    return run_import(**arguments, output=folder / "records")


def test_importing_twice_is_importing_once(tmp_path):
    import_rows(tmp_path, ROWS)
    import_rows(tmp_path, ROWS)
    with pytest.raises(InputError, match="holds something else; remove it or choose another"):
        import_rows(tmp_path, [ROWS[0] | {"chain": "o, y. The answer is oy."}])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "dsss"}, r"no --format=dsss; known: completions, cos_e, dss, instruction, "),
        ({"task": "last_leter"}, r"no task 'last_leter'; did you mean 'last_letter'\?"),
    ],
)
def test_wrong_flags_are_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        import_rows(tmp_path, ROWS, **changes)


def test_completions_of_which_none_can_be_used_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"rows.json: nothing in it can be used \(1 empty rat"):
        import_rows(tmp_path, [ROWS[0] | {"chain": "The answer is yo."}])
    assert not (tmp_path / "records").exists()


def test_questions_of_which_none_can_be_read_are_refused(tmp_path):
    """Word problems, say, imported as a task of choices; the first of them is named."""
    row = {"instruction": "There are 290. How many?", "output": "145"}
    source = write_json(tmp_path / "answers.json", [row])
    told = r"used \(1 choices that can't be told apart\); first .*answers.json: row 1: choices that"
    with pytest.raises(InputError, match=told):
        run_import("instruction", "openbookqa", source, tmp_path / "records")
    assert not (tmp_path / "records").exists()


def test_shares_are_of_rows_where_rows_are_counted():
    report = Report(questions=9)
    tally = report.tally("answers.jsonl")
    tally.add(Verdict("It flows.", "river", True))
    tally.drop("no answer phrase")
    tally.noted["questions without a rationale"] += 8
    console = Console(file=io.StringIO(), width=100)
    report.show(console, "imported")
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]
    assert "│ right │ 1 │ 50.0 % │" in lines
    assert "│ dropped: no answer phrase │ 1 │ 50.0 % │" in lines
    assert "│ questions without a rationale │ 8 │ │" in lines


def test_the_script_prints_counts_or_one_line(tmp_path, repository):
    source = write_json(tmp_path / "rows.json", ROWS)

    def run(source):
        script = repository / "scripts" / "import_rationales.py"
        flags = {"format": "multi_sample", "task": "last_letter", "split": "train"}
        words = [f"--{name}={value}" for name, value in flags.items()]
        command = [sys.executable, script, *words, f"--input={source}"]
        command.append(f"--output={tmp_path / 'records'}")
        return subprocess.run(command, capture_output=True, text=True, check=False)

    good, bad = run(source), run(tmp_path / "none.json")
    assert good.returncode == 0, good.stderr
    assert "rationales" in good.stdout
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)
    assert "none.json: no such file or folder" in bad.stderr


def test_importing_needs_neither_jax_nor_tensorflow():
    code = (
        "import sys, cotjax.teacher.importers, cotjax.tasks.sources;"
        "sys.exit(len({'jax', 'tensorflow', 'torch', 'datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
