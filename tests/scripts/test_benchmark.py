"""The benchmark's own arithmetic; what it measures is no test's business."""

import io

import pytest
from rich.console import Console

from tests.conftest import REPOSITORY
from tests.scripts.test_faces import run

ECHO = """
import sys
from benchmarks.turns import answer

turn = 0

def measure(order):
    global turn
    turn += 1
    print("a library's chatter")
    return {"asked": order["x"], "turn": turn, "seconds": [100.0, 3.0, 1.0, 2.0][turn - 1]}

answer(measure)
"""


@pytest.fixture
def benchmarks(monkeypatch):
    """The folder of the scripts, as scripts/benchmark.py has it."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))


def ours(rate: float, **more: float) -> dict[str, float]:
    figures = {"rate": rate, "samples": 256, "peak_gib": 2.5, "seconds": 20.0, "slots": 64}
    figures |= {"prompt_seconds": 1.0, "occupancy": 0.93, "compilations": 4, "compile_seconds": 5.0}
    return figures | more


def its(rate: float) -> dict[str, float]:
    return {"rate": rate, "samples": 16, "peak_gib": 1.2, "seconds": 26.0}


def drawn(programs: dict[str, dict[str, float]]) -> dict[str, dict[str, dict[str, float]]]:
    return {"exactly": programs, "as they end": programs, "one": programs}


def test_programs_take_turns_and_the_first_turn_is_not_counted(benchmarks, tmp_path, monkeypatch):
    from benchmarks.turns import Side, medians, take_turns

    (tmp_path / "echo.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    names, seen = ["a", "b"], []
    measured = take_turns(
        {name: lambda: Side("echo") for name in names},
        {name: {"x": name} for name in names},
        repetitions=3,
        saw=lambda program, turn, figures: seen.append((program, turn, figures["turn"])),
    )
    assert seen == [(name, turn, turn + 1) for turn in range(4) for name in names]
    assert [one["asked"] for one in measured["b"]] == ["b"] * 4
    numbers = [{name: one[name] for name in ("seconds", "peak_gib")} for one in measured["a"]]
    figures = medians(numbers)
    assert figures["seconds"] == 2.0
    assert 0.005 < figures["peak_gib"] < 0.5, "its own peak, not this process's"


def test_a_side_that_dies_is_told_of(benchmarks, tmp_path, monkeypatch):
    from benchmarks.turns import Side

    (tmp_path / "dies.py").write_text("import sys; sys.stdin.readline(); sys.exit(7)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    side = Side("dies")
    with pytest.raises(RuntimeError, match="code 7"):
        side.ask({})


def test_the_table(benchmarks):
    from benchmarks import sample

    programs = {"transformers": its(40.0), "cotjax": ours(500.0)}
    figures = {
        "machine": {
            "cores": 2,
            "processor": "CPU",
            "versions": {"jax": "1", "torch": "2", "transformers": "3"},
        },
        "same_greedy_texts": 4,
        "medians": drawn(programs),
        "cases": drawn({name: [one] for name, one in programs.items()}),
        "bars": sample.bars(drawn(programs)),
    }
    console = Console(file=io.StringIO(), width=140)
    console.print(sample.table(figures))
    lines = console.file.getvalue().splitlines()
    (row, *_) = [line for line in lines if "│   cotjax" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == [
        "cotjax", "256", "500.0", "12.50", "2.50", "5.0%", "93.0% of 64", "4 in 5.0 s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rate", "occupancy", "hold"),
    [(200.0, 0.9, (True, True)), (199.0, 0.9, (False, True)), (200.0, 0.89, (True, False))],
)
def test_the_bars(benchmarks, rate, occupancy, hold):
    from benchmarks import sample

    programs = {"transformers": its(40.0), "cotjax": ours(rate, occupancy=occupancy)}
    assert tuple(sample.bars(drawn(programs)).values()) == hold


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to measure"),
        (["speed", "--records=r"], "say what to measure"),
        (["sample"], "--records is required"),
        (["train", "--records=r", "--samples=s"], "--weights is required"),
        (["all", "--records=r", "--weights=w"], "--samples is required"),
        (["sample", "--records=r", "--output=none/o.json"], "--output=none/o.json"),
        (["sample", "--records=r", "--teacher=none.gguf"], "none.gguf"),
    ],
)
def test_mistakes(arguments, message):
    done = run("benchmark.py", *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert message in line
