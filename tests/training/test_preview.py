"""What is previewed is what is trained on."""

import io
import itertools

import pytest
from rich.console import Console

from cotjax import config as configs
from cotjax.targets.segments import Kind
from cotjax.training.prepare import prepare
from cotjax.training.preview import _count_table, preview, shown_targets


@pytest.fixture
def load(repository, tmp_path):
    def loaded(**overrides):
        words = [f"--config.{name}={value}" for name, value in overrides.items()]
        words.append(f"--config.data.cache={tmp_path}")
        return configs.load(repository / "configs" / "default.py", words)

    return loaded


def test_targets_are_those_of_the_records_in_the_order_of_the_steps(load):
    experiment = prepare(load(), row_multiple=1)
    records = {r.id: r for r in experiment.task.oracle_records("train")}
    shown = list(itertools.islice(shown_targets(experiment, last_step=3), 40))
    assert [target.step for target in shown] == [0] * 32 + [1] * 8
    assert len({target.id for target in shown}) == 40
    for target in shown:
        record = records[target.id]
        (reply,) = target.replies
        assert reply.input == f"{record.question}</s>"
        assert reply.segments == (
            (Kind.LABEL, record.label),
            (Kind.CONNECTIVE, "because"),
            (Kind.RATIONALE, record.rationales[0].text),
            (Kind.EOS, "</s>"),
        )


def test_both_tasks_are_shown_the_label_first(load):
    experiment = prepare(load(**{"data.order": "multitask"}), row_multiple=1)
    records = {r.id: r for r in experiment.task.oracle_records("train")}
    for target in shown_targets(experiment, last_step=2):
        record = records[target.id]
        assert [(reply.input, reply.segments) for reply in target.replies] == [
            (
                f"predict: {record.question}</s>",
                ((Kind.LABEL, record.label), (Kind.EOS, "</s>")),
            ),
            (
                f"explain: {record.question}</s>",
                ((Kind.RATIONALE, record.rationales[0].text), (Kind.EOS, "</s>")),
            ),
        ]


def test_a_rationale_that_is_read_is_shown_with_the_question(load):
    config = load(**{"data.order": "rationale_input"})
    experiment = prepare(config, row_multiple=1)
    records = {r.id: r for r in experiment.task.oracle_records("train")}
    for target in shown_targets(experiment, last_step=2):
        record = records[target.id]
        (reply,) = target.replies
        assert reply.read == (
            (None, record.question),
            (Kind.CONNECTIVE, "rationale:"),
            (Kind.RATIONALE, record.rationales[0].text),
            (Kind.EOS, "</s>"),
        )
        assert reply.input == f"{record.question} rationale: {record.rationales[0].text} </s>"
        assert reply.segments == ((Kind.LABEL, record.label), (Kind.EOS, "</s>"))
    console = Console(record=True, width=120, file=io.StringIO(), color_system="standard")
    preview(config, 1, console)
    shown = console.export_text()
    assert "+ connective  rationale:\n" in shown
    assert "+ rationale   " in shown


def test_perturbed_words_and_counts_are_shown(load):
    overrides = {
        "data.perturbation.name": "mask",
        "data.target_length": 7,
        "data.order": "label_first",
    }
    console = Console(record=True, width=120, file=io.StringIO(), color_system="standard")
    preview(load(**overrides), 2, console)
    shown = console.export_text(clear=False)
    assert shown.count("rationale     ") == 2
    assert "<unk>" in shown
    assert "overlap: 0 questions of test stand in train" in shown
    (counts,) = [line for line in shown.splitlines() if "│ rationales" in line]
    cells = [cell.strip() for cell in counts.split("│")[1:-1]]
    assert cells[0] == "rationales"
    assert cells[2] == "0 (0.00 %)"  # unknown, before masking
    targets = prepare(load(**overrides), 1).counts["targets"]
    assert cells[3:] == [f"{targets:,}", f"{3 * targets:,}"]  # 7 tokens, of which 4 fit
    assert "\x1b[1;32m" in console.export_text(styles=True)  # a label is bold green


def test_rates_of_unknown_tokens_are_shown_with_and_without_the_map():
    counts = {
        "targets": 2, "questions": 1, "labels/tokens": 4, "labels/unknown": 0,
        "inputs/tokens": 40, "inputs/unknown": 1, "inputs/tokens_unmapped": 30,
        "inputs/unknown_unmapped": 3,
    }  # fmt: skip
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(_count_table(counts))
    rows = {
        cells[0]: cells[1:]
        for line in console.export_text().splitlines()
        if len(cells := [cell.strip() for cell in line.split("│")[1:-1]]) > 1
    }
    assert rows["inputs"] == ["40", "1 (2.50 %)", "3 (10.00 %)"]
    assert rows["labels"] == ["4", "0 (0.00 %)", ""]
    assert rows["rationales"] == ["", "", ""]
