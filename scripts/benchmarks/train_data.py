"""What `train` trains on: the same targets as records for cotjax and as token ids for its peer."""

import dataclasses
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cotjax import config as configs
from cotjax.data.steps import Steps
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, read_records, write_records
from cotjax.targets.orders import ORDERS
from cotjax.targets.segments import Kind

ORDER = "label_first"
# Fields of every config. What belongs to the optimiser, `train_peer` says in the Trainer's words.
FIXED = {
    "data.order": ORDER,
    "data.input_length": 256,  # nothing of these data is cut
    "data.target_length": 256,
    "optimizer.name": "adamw",
    "optimizer.learning_rate": 5e-5,
    "optimizer.weight_decay": 0.0,
    "optimizer.clip_norm": 1.0,
    "schedule.name": "constant",
    "schedule.warmup_steps": 0,
    "model.dropout_rate": 0.1,
    "model.dtype": "float32",
}


def write_subset(folder: Path, records: Path, questions: int, rationales: int) -> str:
    """Writes the first questions of some records, each with as many rationales.

    A question that has fewer, but at least three, says them again in turn.

    Args:
      folder: Takes `train`, and a `validation` of one question that nobody asks.
      records: Where the questions are.
      questions: How many.
      rationales: Of each.

    Returns:
      The name of the records' task.
    """
    manifest, found = read_records(records)
    least = min(rationales, 3)
    usable = (one for one in found if one.label and len(one.rationales) >= least)
    chosen = list(itertools.islice(usable, questions + 1))
    if len(chosen) <= questions:
        raise InputError(
            f"{records}: has {len(chosen):,} questions with {least} rationale(s) or more, "
            f"{questions + 1} are asked"
        )
    repeated = [_with(one, rationales) for one in chosen]
    for split, part in (("train", repeated[:-1]), ("validation", repeated[-1:])):
        write_records(folder / split, Manifest(manifest.task, split, manifest.teacher), part)
    return manifest.task


def config_words(task: str, fields: Mapping[str, Any]) -> list[str]:
    """The file of a task's config and its overrides, as a command line has them.

    Args:
      task: Whose questions are trained on.
      fields: Overrides beside those that all benchmarks have, by name.
    """
    fixed = FIXED | {"data.connective": ORDERS[ORDER].connective}
    file = configs.REPOSITORY / "configs" / f"{task}.py"
    return [str(file), *(f"--config.{name}={value}" for name, value in (fixed | fields).items())]


def write_token_ids(file: Path, steps: Steps) -> None:
    """Writes every target of a run as transformers takes it, a JSON line each."""
    table, config = steps.table, steps.config
    middle = {Kind.CONNECTIVE: list(config.connective), Kind.EOS: [table.inputs[0][-1].item()]}
    with file.open("w", encoding="utf-8") as lines:
        for target, question in enumerate(table.question):
            parts = middle | {
                Kind.LABEL: table.labels[target].tolist(),
                Kind.RATIONALE: table.rationales[target].tolist(),
            }
            said = [parts[kind] for kind in (*config.order.answer.segments, Kind.EOS)]
            example = {
                "input_ids": table.inputs[question].tolist(),
                "labels": list(itertools.chain.from_iterable(said)),
            }
            lines.write(json.dumps(example) + "\n")


def _with(record: Record, rationales: int) -> Record:
    """The same question with as many rationales."""
    drawn = itertools.islice(itertools.cycle(record.rationales), rationales)
    numbered: list[Rationale] = [
        dataclasses.replace(one, sample=number) for number, one in enumerate(drawn)
    ]
    return dataclasses.replace(record, rationales=tuple(numbered))
