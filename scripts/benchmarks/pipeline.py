"""Batches alone: examples a second with words shuffled afresh, and growth with the rationales."""

import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.bars import at_least, at_most, in_words
from benchmarks.options import Options
from benchmarks.pipeline_data import write_words
from benchmarks.pipeline_growth import bytes_a_token, growth
from benchmarks.tables import new_table
from benchmarks.train_data import config_words
from benchmarks.train_ours import prepared
from benchmarks.turns import Figures, Side, machine, medians, take_turns
from cotjax import config as configs
from cotjax.mesh import make_mesh
from cotjax.records import read_manifest

OURS, SEQIO = "cotjax", "seqio with its packer"
DATASETS = "datasets.map, DataCollatorForSeq2Seq"
IN_PROCESSES = "the same, a process of map a core"


def run(options: Options) -> Figures:
    """Measures rates side by side, then cotjax alone at growing sizes.

    Args:
      options: `records`, `weights`, `repetitions` and `rationales` are read.
    """
    figures = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task = read_manifest(options.records).task
        fields = {
            "task.validation_split": "",
            "data.batch_size": 64,
            "data.perturbation.name": "shuffle",
            "data.cache": folder / "cache",
            "model.pretrained": options.weights,
        }
        words = functools.partial(_words, task, fields)
        figures["turns"] = _side_by_side(folder, words(options.records), options)
        figures["growth"] = growth(folder, words, options)
    summary = {program: medians(turns) for program, turns in figures["turns"].items()}
    seen = {(one["examples"], one["supervised"]) for one in summary.values()}
    if len(seen) > 1:
        raise RuntimeError(f"the sides did not make batches of the same targets: {seen}")
    return figures | {"medians": summary, "bars": bars(summary, figures["growth"])}


def _words(task: str, fields: Mapping, records: Path) -> list[str]:
    return config_words(task, fields | {"task.source": f"records:{records}"})


def _side_by_side(folder: Path, words: list[str], options: Options) -> dict[str, list[Figures]]:
    """The figures of all turns by program; a turn is an epoch of the records."""
    config = configs.load(words[0], words[1:])
    experiment = prepared(config, make_mesh(config.mesh.to_dict()))
    write_words(folder / "examples.jsonl", experiment.steps)
    examples, shape = str(folder / "examples.jsonl"), experiment.steps.shape
    arguments = {
        OURS: ("benchmarks.pipeline_ours", *words),
        SEQIO: ("benchmarks.pipeline_seqio", examples, str(shape.encoder), str(shape.decoder)),
        DATASETS: ("benchmarks.pipeline_datasets", str(options.weights), examples, "one"),
        IN_PROCESSES: ("benchmarks.pipeline_datasets", str(options.weights), examples, "all"),
    }
    start = {program: functools.partial(Side, *words) for program, words in arguments.items()}
    orders = {program: {"what": "rate"} for program in start}
    return take_turns(start, orders, options.repetitions, _saw)


def _saw(program: str, turn: int, figures: Figures) -> None:
    """Adds the rate to the figures of a turn, and tells of it."""
    figures["examples_rate"] = figures["examples"] / figures["seconds"]
    name = f"turn {turn}" if turn else "warm-up"
    Console(stderr=True, soft_wrap=True).print(
        f"{name}: {program}: {figures['examples_rate']:,.0f} examples/s"
    )


def bars(summary: Mapping[str, Figures], sizes: Mapping[int, Figures]) -> dict[str, Figures]:
    """What must be reached, what was, and whether that is enough."""
    rates = {program: one["examples_rate"] for program, one in summary.items()}
    ratio = rates[OURS] / max(rates[DATASETS], rates[IN_PROCESSES])
    stored = bytes_a_token(sizes)
    return {
        "packed examples a second": at_least(20_000, rates[OURS]),
        "times datasets.map": at_least(5, ratio),
        "bytes of host memory a stored token": at_most(6, stored),
    }


def table(figures: Figures) -> Table:
    """Rates and ratios, then growth by number of rationales."""
    columns = ("examples/s", "ratio", "survey s", "resident GiB", "prepare s", "again s", "GiB")
    result = new_table(
        "", *columns,
        title="Batches alone, words of rationales shuffled afresh every epoch",
        machine=figures["machine"],
        packages=("tensorflow", "datasets", "seqio"),
        notes="survey: rows chosen, from tokens in memory; prepare: from records"
        " on disk, and again with tokens in the cache\n"
        + in_words(figures["bars"]),
    )  # fmt: skip
    for program, one in figures["medians"].items():
        ratio = one["examples_rate"] / figures["medians"][DATASETS]["examples_rate"]
        result.add_row(program, f"{one['examples_rate']:,.0f}", f"{ratio:.2f}")
    result.add_section()
    for size, one in figures["growth"].items():
        result.add_row(f"cotjax, {size:,} rationales", *_cells(one))
    return result


def _cells(one: Figures) -> tuple[str, ...]:
    memory = f"{one['survey_seconds']:.2f}", f"{one['resident_gib']:.2f}"
    if "would_need_gib" in one:
        prepared = "", "", f"would need {one['would_need_gib']:.0f}"
    else:
        prepared = tuple(f"{one[f'prepare_{name}']:.1f}" for name in ("first", "again", "peak_gib"))
    return f"{one['examples_rate']:,.0f}", "", *memory, *prepared
