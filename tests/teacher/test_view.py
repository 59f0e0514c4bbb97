"""What a job shows, on a terminal and in a file."""

import dataclasses
import io

import pytest
from rich.console import Console

from cotjax.decoding.scheduler import Work
from cotjax.records import Manifest, Rationale, Record
from cotjax.teacher.questions import Judged
from cotjax.teacher.sample import Summary
from cotjax.teacher.view import Live, refusals, show_summary
from tests.teacher.tiny import entry

WORK = Work(
    samples=8, sampled=80, prefix=100, prompts=60, unshared=1600, steps=25, slot_steps=100,
    prompt_seconds=2.0, decode_seconds=6.0, compilations=3, compile_seconds=1.5,
)  # fmt: skip


@dataclasses.dataclass
class Output:
    """Six questions, two samples each; some are there already."""

    missing: dict
    num_questions: int = 6
    num_samples: int = 12
    answered: int = 2


def rationale(answer="bank", correct=True, **changes):
    return Rationale(0, "Because.", answer, correct, num_tokens=5, **changes)


def console(is_terminal=False, width=80):
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=width, color_system=None)


def watched(console_, samples, line_seconds=0.0, before=4):
    """What is printed of a job that has `before` of 12 samples and sees these."""
    output = Output({"q": tuple(range(12 - before))})
    with Live(console_, line_seconds) as live:
        live.begin(output)
        for judged, one in samples:
            live.saw(judged, one, WORK)
    return console_.file.getvalue()


SAMPLES = [
    (Judged(rationale(), "bank", True), entry("q", 0)),
    (Judged(None, "river", False), entry("q", 1)),  # an answer alone
    (Judged(rationale(None, False), None, False), entry("q", 2, finish_reason="length")),
    (Judged(None, None, False), entry("q", 3)),
]


def test_a_file_gets_a_line_now_and_then():
    lines = watched(console(), SAMPLES).splitlines()
    assert lines[0] == "going on: 4 of 12 samples are there"
    assert len(lines) == 5
    assert lines[-1].startswith(
        "8/12 samples, 2/6 questions, 10 tokens/s, 50 % parsed, 25 % right, 25 % cut, 0:00:0"
    )
    assert lines[-1].endswith(" left")
    assert not any("\x1b" in line for line in lines)


def test_not_every_sample_is_a_line():
    assert len(watched(console(), SAMPLES, line_seconds=1e6).splitlines()) == 1


def test_the_last_sample_is_shown():
    lines = watched(console(), SAMPLES, line_seconds=1e6, before=8).splitlines()
    assert len(lines) == 2
    assert lines[-1].startswith("12/12 samples")
    assert lines[-1].endswith(", 0:00:00 left")


def test_nothing_is_said_to_be_right_where_nothing_is_known():
    unknown = [(Judged(rationale(None, None), None, None), one) for _, one in SAMPLES]
    (*_, last) = watched(console(), unknown).splitlines()
    assert "25 % cut" in last
    assert "right" not in last
    assert "parsed" not in last


def test_a_terminal_gets_a_bar_that_fits():
    shown = watched(console(is_terminal=True), SAMPLES)
    last = shown.split("\x1b[2K")[-1]
    assert "samples" in last
    assert "8/12" in last
    assert "2/6 questions, 10 tokens/s, 50 % parsed, 25 % right, 25 % cut" in last


def test_other_processes_are_silent(monkeypatch):
    monkeypatch.setattr("jax.process_index", lambda: 1)
    assert watched(console(), SAMPLES) == ""


def test_one_of_several_processes_says_so(monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 4)
    assert "2/6 questions (1 of 4 processes)" in watched(console(), SAMPLES)


def test_refusals_name_a_few():
    ids = [f"q{n}" for n in range(7)]
    assert refusals({"no gold label": ids, "empty prompt": ["x"]}) == [
        "7 questions not asked: no gold label (q0, q1, q2, q3, q4, ...)",
        "1 question not asked: empty prompt (x)",
    ]


def summary(lengths=(3, 3, 5, 9), correct=True, work=WORK, task="commonsense_qa", **counts):
    rationales = [rationale(correct=correct) for _ in lengths]
    records = [
        Record(f"q{n}", "Where?", (), "bank", (dataclasses.replace(one, num_tokens=length),))
        for n, (one, length) in enumerate(zip(rationales, lengths, strict=True))
    ]
    every = {
        "rows": 8, "parsed": 6, "right": 2, "rationales": 7, "dropped: empty rationale": 1,
        "truncated": 4,
    } | counts  # fmt: skip
    manifest = Manifest(task, "train", "tiny", counts=every)
    return Summary(manifest, records, {}, work)


def printed(made):
    shown = console(width=100)
    show_summary(made, shown)
    lines = shown.file.getvalue().splitlines()
    return [" ".join(line.strip("│┃ ").replace("│", "|").split()) for line in lines]


def test_shares_are_of_all_samples():
    lines = printed(summary(**{"not asked: no gold label": 2}))
    for line in (
        "questions | 4",
        "not asked: no gold label | 2 | 50.0 %",
        "samples | 8",
        "rationales | 7 | 87.5 %",
        "dropped: empty rationale | 1 | 12.5 %",
        "hold an answer | 6 | 75.0 %",
        "right | 2 | 25.0 %",
        "cut at the limit of tokens | 4 | 50.0 %",
    ):
        assert line in lines


def test_where_nothing_was_judged_there_is_no_accuracy():
    lines = printed(summary(correct=None, right=0))
    assert not [line for line in lines if line.startswith("right")]
    assert "hold an answer | 6 | 75.0 %" in lines


@pytest.mark.parametrize("parsed", [0, 3])  # 3: a second prompt asked for them
def test_answers_to_questions_of_no_task(parsed):
    lines = printed(summary(correct=None, task="questions", parsed=parsed))
    assert any(line.startswith("hold an answer") for line in lines) == bool(parsed)


def test_what_sharing_saved():
    lines = printed(summary())
    assert "prompt tokens read | 160" in lines
    assert "prompt tokens that the samples have | 1,600" in lines
    assert "saved by sharing | 90.0 %" in lines
    assert "tokens written a second | 10.0" in lines
    assert "of which compiling | 1.5 (3 programs)" in lines
    assert "slots occupied | 80.0 %" in lines


def test_a_run_that_wrote_nothing_has_no_cost():
    assert "this run" not in printed(summary(work=Work()))


@pytest.mark.parametrize(
    ("lengths", "rows"),
    [
        ([7], ["7 | 1 | ██████████████████████████████"]),
        (
            [3, 3, 5],
            ["3 | 2 | ██████████████████████████████", "4 | 0", "5 | 1 | ███████████████"],
        ),
        (
            [1, 2, 3, 16],
            [
                "1 to 2 | 2 | ██████████████████████████████",
                "3 to 4 | 1 | ███████████████",
                *(f"{low} to {low + 1} | 0" for low in range(5, 14, 2)),
                "15 to 16 | 1 | ███████████████",
            ],
        ),
    ],
)
def test_the_histogram_has_whole_steps(lengths, rows):
    lines = printed(summary(lengths))
    start = lines.index("length of a sample with a rationale") + 4
    assert lines[start : start + len(rows)] == rows
