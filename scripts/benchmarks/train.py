"""Fine-tuning: useful examples a second of cotjax and of transformers' Seq2SeqTrainer."""

import dataclasses
import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path

import jax
from rich.console import Console
from rich.table import Table

from benchmarks.bars import at_least, in_words
from benchmarks.options import Options
from benchmarks.tables import new_table
from benchmarks.train_data import config_words, write_subset, write_token_ids
from benchmarks.train_ours import prepared, step_of
from benchmarks.turns import Figures, Order, Side, machine, medians, take_turns
from cotjax import config as configs
from cotjax.compiling.products import traced_products
from cotjax.data.pipeline import batches
from cotjax.data.work import Work
from cotjax.mesh import make_mesh
from cotjax.training.prepare import optimizer_of
from cotjax.training.state import abstract_state, without_rate
from cotjax.training.throughput import train_flops

OURS, PEAK = "cotjax", "products alone"
SAME_LOSS = 1e-4  # relative: further apart, the two sides do not have the same weights or examples


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained on.

    Attributes:
      name: In the table.
      samples: Whether the questions are those of `--samples`.
      rationales: Of each question; all of them share its encoder pass in cotjax.
      batch_size: Targets of cotjax's optimiser step: 64, or the most below that they divide.
    """

    name: str
    samples: bool
    rationales: int
    batch_size: int

    def questions(self, steps: int) -> int:
        """How many make an epoch of so many steps."""
        return steps * self.batch_size // self.rationales


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A way to set up the Trainer: targets of a forward pass, and how they are drawn.

    Which number of them is faster is tried first, alone: two such processes fill 24 GiB.
    """

    at_once: int
    sampling: str

    @property
    def name(self) -> str:
        """In the table."""
        steps = f"{self.at_once} at once" if self.at_once == 64 else f"{self.at_once} x 4"
        return f"Trainer, {steps}" + (", grouped" if self.sampling != "random" else "")


CASES = (
    Case("CommonsenseQA, 1 rationale", samples=False, rationales=1, batch_size=64),
    Case("3 rationales a question", samples=True, rationales=3, batch_size=63),
    Case("8 rationales a question", samples=True, rationales=8, batch_size=64),
)
AS_IT_COMES = (Trainer(16, "random"), Trainer(64, "random"))
GROUPED = (Trainer(16, "group_by_length"), Trainer(64, "group_by_length"))
WAYS = (AS_IT_COMES, GROUPED)
TRAIN = {"what": "train"}


def run(options: Options) -> Figures:
    """Measures all cases.

    Args:
      options: `records`, `samples`, `weights`, `repetitions` and `steps` are read.
    """
    figures = {"machine": machine(), "steps": options.steps}
    figures["cases"] = {case.name: _measure(case, options) for case in CASES}
    summary = {name: _summary(case) for name, case in figures["cases"].items()}
    return figures | {"medians": summary, "bars": bars(summary)}


def _measure(case: Case, options: Options) -> dict[str, list[Figures]]:
    """The figures of all turns by program, and the losses of the untouched weights."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = options.samples if case.samples else options.records
        questions = case.questions(options.steps)
        task = write_subset(folder, records, questions, case.rationales)
        fields = {
            "task.source": f"records:{folder}",
            "task.validation_split": "validation",
            "data.batch_size": case.batch_size,
            "data.targets_per_question": case.rationales,
            "data.cache": folder / "cache",
            "model.pretrained": options.weights,
        }
        words = config_words(task, fields)
        config = configs.load(words[0], words[1:])
        mesh = make_mesh(config.mesh.to_dict())
        experiment = prepared(config, mesh)
        if experiment.steps.table.num_targets != questions * case.rationales:
            raise RuntimeError(f"{case.name}: {experiment.counts}")
        write_token_ids(folder / "examples.jsonl", experiment.steps)
        peer = [str(options.weights), str(folder / "examples.jsonl")]
        start = {
            one.name: functools.partial(
                Side, "benchmarks.train_peer", *peer, str(one.at_once), one.sampling
            )
            for one in (*AS_IT_COMES, *GROUPED)
        }
        ours = functools.partial(Side, "benchmarks.train_ours", *words)
        _check_same_loss(ours, start[AS_IT_COMES[0].name])
        saw = functools.partial(_saw, case, experiment.model)
        tried = {
            name: take_turns({name: one}, {name: TRAIN}, 1, saw)[name]
            for name, one in start.items()
        }
        ways = (AS_IT_COMES,) if case.samples else WAYS  # long targets: more do not fit 24 GiB
        kept = {name: start[name] for name in map(functools.partial(_faster, tried), ways)}
        sides = {PEAK: functools.partial(Side, "benchmarks.peak"), OURS: ours} | kept
        orders: dict[str, Order] = dict.fromkeys(sides, TRAIN)
        orders[PEAK] = {"products": _products(config, experiment, mesh)}
        return tried | take_turns(sides, orders, options.repetitions, saw)


def _faster(tried: Mapping[str, list[Figures]], trainers: tuple[Trainer, ...]) -> str:
    """Which of some ways to set up the Trainer was faster after its warm-up."""
    return max((one.name for one in trainers), key=lambda name: tried[name][-1]["examples_rate"])


def _check_same_loss(*sides) -> None:
    """Refuses to measure sides that do not have the same examples and weights."""
    losses = []
    for start in sides:
        side = start()
        losses.append(side.ask({"what": "loss"}))
        side.close()
    ours, its = losses
    if ours["count"] != its["count"] or abs(ours["nll"] / its["nll"] - 1) > SAME_LOSS:
        raise RuntimeError(f"the two sides do not train the same: {losses}")


def _products(config, experiment, mesh) -> list:
    """The matrix products of the first step, with how often it has each."""
    steps, eos = experiment.steps, experiment.tokenizer.eos
    ((_, batch),) = batches(steps, eos, 0, 1)
    optimizer = without_rate(optimizer_of(config)[0])
    state = abstract_state(experiment.model, optimizer, mesh)
    traced = jax.make_jaxpr(step_of(config, experiment, mesh))(state, batch, 0)
    return list(traced_products(traced).items())


def _saw(case: Case, model, program: str, turn: int, figures: Figures) -> None:
    """Adds rates to the figures of a turn, and tells of them."""
    if program != PEAK:
        figures |= rates(model, figures)
    done = (
        f"{figures['cube_flops'] / 1e9:.1f} GFLOP/s of cubes"
        if program == PEAK
        else f"{figures['examples_rate']:.2f} examples/s"
    )
    name = f"turn {turn}" if turn else "warm-up"
    Console(stderr=True, soft_wrap=True).print(f"{case.name}, {name}: {program}: {done}")


def rates(model, figures: Figures) -> Figures:
    """Rates per second, and shares of positions that are not padding, of a turn's sums."""
    work = Work(**{field.name: figures[field.name] for field in dataclasses.fields(Work)})
    return {
        "examples_rate": work.examples / figures["seconds"],
        "supervised_rate": work.supervised / figures["seconds"],
        "flops_rate": train_flops(model, work) / figures["seconds"],
        "encoder_filled": work.encoder / work.encoder_positions,
        "decoder_filled": work.decoder / work.decoder_positions,
    }


def _summary(programs: Mapping[str, list[Figures]]) -> dict[str, Figures]:
    """Medians by program; sides that saw other targets are told of by an error."""
    summary = {program: medians(turns) for program, turns in programs.items()}
    seen = {(one["examples"], one["supervised"]) for one in summary.values() if "examples" in one}
    if len(seen) > 1:
        raise RuntimeError(f"the two sides did not train the same targets: {seen}")
    return summary


def bars(summary: Mapping[str, Mapping[str, Figures]]) -> dict[str, Figures]:
    """What must be reached, what was, and whether that is enough."""
    real, _, shared = summary.values()
    floor = real[OURS]["flops_rate"] / real[PEAK]["cube_flops"]
    return {
        "times the Trainer as it comes": at_least(1.6, ratio(real, AS_IT_COMES)),
        "times the Trainer with length grouping": at_least(1.4, ratio(real, GROUPED)),
        "times the Trainer at 8 rationales": at_least(2.5, ratio(shared, AS_IT_COMES)),
        "of XLA's product of cubes": at_least(0.6, floor),
    }


def ratio(programs: Mapping[str, Figures], trainers: tuple[Trainer, ...]) -> float:
    """How many times as fast as the fastest of some ways to set up the Trainer cotjax is."""
    fastest = max(programs[one.name]["examples_rate"] for one in trainers)
    return programs[OURS]["examples_rate"] / fastest


def table(figures: Figures) -> Table:
    """Rates, ratios to the Trainer as it comes, padding, and shares of what products reach."""
    result = new_table(
        "", "examples/s", "tokens/s", "ratio", "encoder", "decoder", "of cubes", "of replay", "GiB",
        title=f"Fine-tuning in float32, {figures['steps']} steps of 64 targets a turn",
        machine=figures["machine"],
        packages=("jax", "torch", "transformers"),
        notes="encoder, decoder: positions that are no padding; of cubes, of replay: model FLOP/s"
        " over those of XLA's\nproducts of 2048-cubes and of the step's own shapes\n"
        + in_words(figures["bars"]),
    )  # fmt: skip
    for case, programs in figures["medians"].items():
        result.add_section()
        result.add_row(f"[bold]{case}")
        for program, one in programs.items():
            if program != PEAK:
                result.add_row(f"  {program}", *_cells(one, programs))
    return result


def _cells(one: Figures, programs: Mapping[str, Figures]) -> tuple[str, ...]:
    first, peak = programs[AS_IT_COMES[0].name], programs[PEAK]
    return (
        f"{one['examples_rate']:.2f}",
        f"{one['supervised_rate']:.0f}",
        f"{one['examples_rate'] / first['examples_rate']:.2f}",
        f"{one['encoder_filled']:.0%}",
        f"{one['decoder_filled']:.0%}",
        f"{one['flops_rate'] / peak['cube_flops']:.0%}",
        f"{one['flops_rate'] / peak['replay_flops']:.0%}",
        f"{one['peak_gib']:.2f}",
    )
