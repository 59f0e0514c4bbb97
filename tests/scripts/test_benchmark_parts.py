"""What the benchmarks hand to both sides, and what they make of the figures."""

import collections
import io
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from rich.console import Console

from cotjax.compiling.products import flops, traced_flops, traced_products
from cotjax.data.steps import Steps
from cotjax.errors import InputError
from cotjax.models.t5_config import T5Config
from cotjax.records import Manifest, Rationale, Record, read_records, write_records
from tests.conftest import REPOSITORY
from tests.data.small import EOS, random_table, small_table, step_config

MACHINE = {"cores": 2, "processor": "CPU"}
VERSIONS = dict.fromkeys(("jax", "torch", "transformers", "tensorflow", "datasets", "seqio"), "1")


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    """The folder of the scripts, as scripts/benchmark.py has it."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))


def record(name: str, *texts: str) -> Record:
    rationales = tuple(Rationale(n, text, "A", True) for n, text in enumerate(texts))
    return Record(name, f"Which is {name}?", (), "A", rationales)


def lines_of(table) -> list[list[str]]:
    """The cells of a drawn table's rows."""
    console = Console(file=io.StringIO(), width=140)
    console.print(table)
    rows = [line for line in console.file.getvalue().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]


def test_a_subset_says_the_rationales_again_in_turn(tmp_path):
    from benchmarks.train_data import write_subset

    write_records(
        tmp_path / "all",
        Manifest("svamp", "train", "someone"),
        [record("a", "one"), record("b", "x", "y", "z"), record("c", "p", "q", "r")],
    )
    assert write_subset(tmp_path / "some", tmp_path / "all", 1, 5) == "svamp"
    (only,) = read_records(tmp_path / "some" / "train")[1]
    assert [one.text for one in only.rationales] == ["x", "y", "z", "x", "y"]
    assert read_records(tmp_path / "some" / "validation")[1][0].id == "c"
    with pytest.raises(InputError, match="has 2 questions"):
        write_subset(tmp_path / "more", tmp_path / "all", 2, 8)


def test_both_sides_get_the_same_tokens(tmp_path):
    from benchmarks.pipeline_data import write_words
    from benchmarks.train_data import write_token_ids

    steps = Steps(small_table(), step_config("label_first"))
    write_token_ids(tmp_path / "ids", steps)
    ids = [json.loads(line) for line in (tmp_path / "ids").read_text().splitlines()]
    assert ids == [
        {"input_ids": [20, 21, EOS], "labels": [5, 9, 30, 31, 32, EOS]},
        {"input_ids": [20, 21, EOS], "labels": [5, 9, 33, 34, EOS]},
        {"input_ids": [22, EOS], "labels": [6, 7, 9, 40, 41, 42, 43, EOS]},
    ]
    write_words(tmp_path / "words", steps)
    words = [json.loads(line) for line in (tmp_path / "words").read_text().splitlines()]
    assert [one["words"] for one in words] == [
        [[30, 31], [32]],
        [[33], [34]],
        [[40], [41, 42], [43]],
    ]
    for one, other in zip(ids, words, strict=True):
        said = [*other["label_ids"], *itertools.chain(*other["words"]), other["eos"]]
        assert (one["input_ids"], one["labels"]) == (other["input_ids"], said)


def test_datasets_shuffle_whole_words():
    from benchmarks.pipeline_datasets import shuffle_words

    words = [[number, 100 + number] for number in range(20)]
    rows = {"input_ids": [[1]], "label_ids": [[7, 9]], "words": [list(words)], "eos": [EOS]}
    (said,) = shuffle_words(rows)["labels"]
    assert (said[:2], said[-1]) == ([7, 9], EOS)
    pairs = [list(pair) for pair in zip(said[2:-1:2], said[3:-1:2], strict=True)]
    assert sorted(pairs) == words
    assert pairs != words


def test_the_trainers_collator_counts_as_cotjax_does():
    from benchmarks.train_ours import Work
    from benchmarks.train_peer import Counting

    batch = {
        "input_ids": torch.zeros(2, 4),
        "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]),
        "labels": torch.tensor([[5, 1, -100], [5, 6, 1]]),
    }
    count = Counting(lambda features: batch)
    for _ in range(2):
        assert count([{}, {}]) is batch
    once = Work(
        examples=2, supervised=5, encoder=6, decoder=5, encoder_squares=20, decoder_squares=13,
        products=4 * 2 + 2 * 3, encoder_positions=8, decoder_positions=6,
    )  # fmt: skip
    assert Work(**count.work) == once + once


def test_products_of_a_scan_and_its_gradient_are_counted_and_replayed():
    from benchmarks import peak

    def loss(x, weights):
        return jax.lax.scan(lambda x, weight: (x @ weight, None), x, weights)[0].sum()

    x, weights = jnp.ones((2, 3)), jnp.ones((5, 3, 3))
    traced = jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(x, weights)
    found = traced_products(traced.jaxpr)
    forward = ((2, 3), (3, 3), (((1,), (0,)), ((), ())))
    assert found[forward] == 5
    assert sum(found.values()) == 15, "each product has two more in the backward pass"
    assert flops(forward) == 2 * 2 * 3 * 3
    assert traced_flops(traced.jaxpr) == 15 * flops(forward)
    order = json.loads(json.dumps({"products": list(found.items())}))
    assert peak.measure(order)["step_flops"] == 15 * flops(forward)


def test_flops_of_a_batched_product():
    product = ((4, 2, 3), (4, 5, 3), (((2,), (2,)), ((0,), (0,))))
    assert flops(product) == 2 * 4 * 2 * 3 * 5


def of_trainer(rate: float) -> dict[str, float]:
    return {
        "examples_rate": rate, "supervised_rate": 50 * rate, "flops_rate": 1e10 * rate,
        "encoder_filled": 0.67, "decoder_filled": 0.5, "peak_gib": 3.0,
        "examples": 64, "supervised": 3200,
    }  # fmt: skip


def drawn(ours: float, at_once: float = 3.0) -> dict[str, dict[str, float]]:
    """Medians of a case: the Trainer as it comes at 2.5 and `at_once`, grouped at 4."""
    from benchmarks.train import AS_IT_COMES, GROUPED, OURS, PEAK

    names = [one.name for one in (*AS_IT_COMES, *GROUPED)]
    trainers = map(of_trainer, (2.5, at_once, 4.0, 3.5))
    peak = {"cube_flops": 1e11, "replay_flops": 8e10, "peak_gib": 1.0}
    return {PEAK: peak, **dict(zip(names, trainers, strict=True)), OURS: of_trainer(ours)}


def test_bars_of_train_compare_with_the_fastest_trainer():
    from benchmarks.train import bars

    reached = bars({"real": drawn(6.0), "3": drawn(1.0), "8": drawn(9.0, at_once=2.0)})
    assert [one["reached"] for one in reached.values()] == pytest.approx([2, 1.5, 3.6, 0.6])
    assert all(one["holds"] for one in reached.values())
    reached = bars({"real": drawn(4.7), "3": drawn(9.0), "8": drawn(6.0)})
    assert not any(one["holds"] for one in reached.values())


def test_the_table_of_train():
    from benchmarks.train import bars, table

    cases = {"real": drawn(6.0), "3": drawn(1.0), "8": drawn(9.0)}
    machine = MACHINE | {"versions": VERSIONS}
    figures = {"machine": machine, "steps": 6, "medians": cases, "bars": bars(cases)}
    (row, *_) = [cells for cells in lines_of(table(figures)) if cells[0] == "cotjax"]
    assert row == ["cotjax", "6.00", "300", "2.40", "67%", "50%", "60%", "75%", "3.00"]


def test_rates_count_what_is_no_padding():
    from benchmarks.train import rates

    work = dict.fromkeys(("encoder_squares", "decoder_squares", "products"), 0)
    work |= {"examples": 8, "supervised": 90, "encoder": 60, "decoder": 100, "seconds": 2.0}
    work |= {"encoder_positions": 80, "decoder_positions": 400}
    model = T5Config(10, 4, 2, 8, 0, 0, 2, gated=True, tied=True, scale_decoder_outputs=False)
    assert rates(model, work) == {
        "examples_rate": 4.0, "supervised_rate": 45.0, "flops_rate": 3 * 2 * 100 * 4 * 10 / 2,
        "encoder_filled": 0.75, "decoder_filled": 0.25,
    }  # fmt: skip


def test_a_resampled_table_has_whole_rows():
    from benchmarks.pipeline_data import resampled, stored_tokens

    table = random_table([1, 2, 3, 1])
    more = resampled(table, 50)
    known = collections.Counter()
    for target, question in enumerate(table.question):
        known[row_of(table, target, question)] += 1
    assert all(row_of(more, number, number) in known for number in range(50))
    fields = (more.inputs, more.labels, more.rationales)
    assert stored_tokens(more) == sum(field.offsets[-1] for field in fields)
    assert (more.num_questions, more.num_targets) == (50, 50)


def row_of(table, target: int, question: int) -> tuple:
    """All that one target of a table is made of."""
    where = slice(*table.rationales.offsets[target : target + 2])
    fields = (table.inputs[question], table.labels[target], table.rationales.values[where])
    arrays = (*fields, table.begins[where])
    return tuple(tuple(np.asarray(array).tolist()) for array in arrays)


def test_growth():
    from benchmarks.pipeline_growth import bytes_a_token, sizes

    assert sizes(10_000) == [10_000]
    assert sizes(999_999) == [10_000, 100_000]
    assert sizes(1_000_000) == [10_000, 100_000, 1_000_000]
    points = [(0.5, 10**6), (0.75, 10**7), (1.0, 10**7 + 2**26)]
    grown = {n: {"resident_gib": gib, "tokens": tokens} for n, (gib, tokens) in enumerate(points)}
    assert bytes_a_token(grown) == 4.0


def test_the_table_of_pipeline():
    from benchmarks.pipeline import DATASETS, IN_PROCESSES, OURS, SEQIO, bars, table

    rates = {OURS: 21_000.0, SEQIO: 9_000.0, DATASETS: 3_000.0, IN_PROCESSES: 4_000.0}
    medians = {name: {"examples_rate": rate} for name, rate in rates.items()}
    point = {"examples_rate": 2e4, "survey_seconds": 1.0, "resident_gib": 1.0, "tokens": 0}
    sizes = {
        10_000: point | {"prepare_first": 9.0, "prepare_again": 2.0, "prepare_peak_gib": 0.9},
        100_000: point | {"would_need_gib": 40.0, "tokens": 2**20, "resident_gib": 1 + 5 / 1024},
    }
    reached = bars(medians, sizes)
    assert [one["reached"] for one in reached.values()] == [21_000, 5.25, 5]
    assert all(one["holds"] for one in reached.values())
    machine = MACHINE | {"versions": VERSIONS}
    rows = lines_of(
        table({"machine": machine, "medians": medians, "growth": sizes, "bars": reached})
    )
    assert [OURS, "21,000", "7.00", "", "", "", "", ""] in rows
    assert rows[-1][-1] == "would need 40"
    assert rows[-2][3:] == ["1.00", "1.00", "9.0", "2.0", "0.9"]


def test_the_table_of_memory():
    from benchmarks.memory import table

    point = {
        "batch_size": 16, "remat": "full", "rows": 5, "encoder": 200, "decoder": 304,
        "arguments": 0.9, "temporaries": 1.2, "outputs": 0.0, "peak": 3.1, "seconds": 1.5,
    }  # fmt: skip
    (row,) = lines_of(table({"machine": MACHINE | {"versions": VERSIONS}, "points": [point]}))
    assert row == ["16", "full", "5 x 200/304", "0.90", "1.20", "0.00", "3.10", "1.50"]


def test_a_bar_in_words():
    from benchmarks.bars import at_least, at_most, in_words

    bars = {"times as fast": at_least(1.6, 1.5), "bytes": at_most(6, 6.0)}
    assert in_words(bars) == "1.5 times as fast, at least 1.6 (missed)\n6 bytes, at most 6"


def test_a_teacher_that_is_missing_is_told_before_anything_is_measured(tmp_path, monkeypatch):
    from benchmarks import memory
    from benchmarks.options import Options
    from benchmarks.run import run_all

    monkeypatch.setattr(memory, "run", None)
    teacher = str(tmp_path / "none.gguf")
    options = Options(tmp_path, None, tmp_path, teacher, repetitions=1, steps=1, rationales=100_000)
    with pytest.raises(InputError, match=r"--teacher=.*none\.gguf: there is no such file"):
        run_all(["memory", "sample"], options, None)
