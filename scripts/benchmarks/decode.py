"""Decoding: tokens a second of cotjax, of transformers and of CTranslate2, with the same weights.

Real questions are translated into French, which gives texts of a rationale's length: what they are
answered with is a letter. Nobody's end token is counted.
"""

import dataclasses
import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer

from benchmarks.bars import at_least, in_words
from benchmarks.options import Options
from benchmarks.tables import new_table
from benchmarks.turns import Figures, Order, Side, machine, medians, take_turns
from cotjax.errors import InputError
from cotjax.records import Record, read_records
from cotjax.targets.orders import make_order
from cotjax.tasks import get_task
from cotjax.tasks.sources import to_question

OURS, PEER, FAST_PEER = "cotjax", "transformers", "CTranslate2"
MODULES = {
    PEER: "benchmarks.decode_transformers",
    FAST_PEER: "benchmarks.decode_ctranslate2",
    OURS: "benchmarks.decode_ours",
}
MAX_TOKENS = 64
LABEL_ONLY, WHOLE = "to the connective", "all of it"
LABEL_QUESTIONS = 64


@dataclasses.dataclass(frozen=True)
class Case:
    """What is asked of all programs.

    Attributes:
      num_beams: 1 is greedy.
      batch_size: Questions at once.
      questions: In a turn; rates compare within a case.
      least: How many times as fast as CTranslate2 cotjax is to be.
    """

    num_beams: int
    batch_size: int
    questions: int
    least: float

    @property
    def name(self) -> str:
        """In the table."""
        how = "greedy" if self.num_beams == 1 else f"{self.num_beams} beams"
        return f"{how}, batch {self.batch_size}"


# A turn of the slowest program takes about half a minute on two cores.
CASES = (
    Case(num_beams=1, batch_size=1, questions=24, least=1.3),
    Case(num_beams=1, batch_size=16, questions=128, least=1.3),
    Case(num_beams=1, batch_size=64, questions=256, least=1.3),
    Case(num_beams=4, batch_size=16, questions=64, least=1.2),
)


def run(options: Options) -> Figures:
    """Measures all cases, and how long a student that says the label first is asked for it.

    Args:
      options: `records`, `weights` and `repetitions` are read.
    """
    tokenizer = AutoTokenizer.from_pretrained(options.weights, trust_remote_code=False)
    most = max(*(case.questions for case in CASES), LABEL_QUESTIONS)
    asked = read_records(options.records)[1][:most]
    if len(asked) < most:
        raise InputError(f"--records={options.records}: has {len(asked)} questions, {most} needed")
    texts = [f"translate English to French: {record.question}" for record in asked]
    inputs = tokenizer(texts)["input_ids"]
    figures = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        start = {name: _start(name, options.weights, folder) for name in MODULES}
        figures["cases"] = {
            case.name: _measure(case, start, inputs, options.repetitions) for case in CASES
        }
    orders = label_orders(tokenizer, [one for one in asked if one.rationales][:LABEL_QUESTIONS])
    figures["label first"] = _without_texts(
        _take_turns("label first", dict.fromkeys(orders, start[OURS]), orders, options.repetitions)
    )
    summary = {
        name: {program: medians(turns) for program, turns in programs.items()}
        for name, programs in (figures["cases"] | {"label first": figures["label first"]}).items()
    }
    return figures | {"medians": summary, "bars": bars(summary)}


def _start(name: str, weights: Path, folder: str):
    return functools.partial(Side, MODULES[name], str(weights), folder)


def _measure(
    case: Case, start: Mapping, inputs: list[list[int]], repetitions: int
) -> dict[str, list[Figures]]:
    """The figures of all turns by program; what was written is compared and left out."""
    order = {
        "inputs": inputs[: case.questions],
        "prefixes": None,
        "max_tokens": MAX_TOKENS,
        "batch_size": case.batch_size,
        "num_beams": case.num_beams,
    }
    measured = _take_turns(case.name, start, dict.fromkeys(start, order), repetitions)
    texts = {program: turns[0]["written"] for program, turns in measured.items()}
    for program, turns in measured.items():
        pairs = zip(texts[program], texts[PEER], strict=True)
        same = sum(ours == its for ours, its in pairs)
        for figures in turns:
            figures["same_texts"] = same
    return _without_texts(measured)


def _without_texts(measured: dict[str, list[Figures]]) -> dict[str, list[Figures]]:
    """What was measured, without what was written."""
    for turns in measured.values():
        for figures in turns:
            del figures["written"]
    return measured


def _take_turns(
    case: str, start: Mapping, orders: Mapping[str, Order], repetitions: int
) -> dict[str, list[Figures]]:
    def saw(program: str, turn: int, figures: Figures) -> None:
        figures["tokens"] = sum(map(len, figures["written"]))
        figures["rate"] = figures["tokens"] / figures["seconds"]
        figures["seconds_each"] = figures["seconds"] / len(figures["written"])
        name = f"turn {turn}" if turn else "warm-up"
        Console(stderr=True, soft_wrap=True).print(
            f"{case}, {name}: {program}: {figures['seconds_each'] * 1000:.1f} ms a question,"
            f" {figures['rate']:.1f} tokens/s"
        )

    return take_turns(start, orders, repetitions, saw)


def label_orders(tokenizer, records: list[Record]) -> dict[str, Order]:
    """A student that says the label first is asked for it alone, and for all that it says.

    The weights were never taught to say it, so they are made to say what they would have been
    taught: a token that the decoder is made to say takes as long as one that it chooses.
    """
    task, order = get_task("commonsense_qa", "text"), make_order("label_first", None)

    def encode(*texts: str) -> list[list[int]]:
        return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]

    said: dict[str, list] = {LABEL_ONLY: [], WHOLE: []}
    questions = [to_question(record, "test") for record in records]
    for record, question in zip(records, questions, strict=True):
        label = task.format_label(question, question.label)
        label, connective, rationale = encode(label, order.connective, record.rationales[0].text)
        said[LABEL_ONLY].append([*label, *connective])
        said[WHOLE].append([*label, *connective, *rationale])
    inputs = tokenizer([task.format_input(question) for question in questions])["input_ids"]
    how = {"inputs": inputs, "max_tokens": 1, "batch_size": 64, "num_beams": 1}
    # The last token is chosen by the student: it is made to say all others.
    return {name: how | {"prefixes": [one[:-1] for one in rows]} for name, rows in said.items()}


def bars(summary: Mapping[str, Mapping[str, Figures]]) -> dict[str, Figures]:
    """What must be reached, what was, and whether that is enough."""
    return {
        f"times CTranslate2, {case.name}": at_least(
            case.least, summary[case.name][OURS]["rate"] / summary[case.name][FAST_PEER]["rate"]
        )
        for case in CASES
    }


def table(figures: Figures) -> Table:
    """Rates, ratios to CTranslate2, and how many texts are the same as transformers'."""
    result = new_table(
        "", "questions", "ms a question", "tokens/s", "ratio", "same texts", "peak GiB",
        title="Decoding of a T5 in float32: questions of CommonsenseQA",
        machine=figures["machine"],
        packages=("jax", "torch", "transformers", "ctranslate2"),
        notes="ratio: of tokens/s to CTranslate2's, label first of questions/s to all of it; same"
        " texts: as transformers'\n" + in_words(figures["bars"]),
    )  # fmt: skip
    for case, programs in figures["medians"].items():
        result.add_section()
        result.add_row(f"[bold]{case}")
        for program, one in programs.items():
            result.add_row(f"  {program}", *_cells(one, programs))
    return result


def _cells(one: Figures, programs: Mapping[str, Figures]) -> tuple[str, ...]:
    each = one["seconds_each"]
    if WHOLE in programs:
        ratio = programs[WHOLE]["seconds_each"] / each
        return f"{one['seconds'] / each:.0f}", f"{each * 1000:.1f}", "", f"{ratio:.2f}"
    return (
        f"{one['seconds'] / each:.0f}",
        f"{each * 1000:.1f}",
        f"{one['rate']:.1f}",
        f"{one['rate'] / programs[FAST_PEER]['rate']:.2f}",
        f"{one['same_texts']:.0f}",
        f"{one['peak_gib']:.2f}",
    )
