"""What `pipeline` makes batches of: token ids word by word, and any number of synthetic records."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np

from cotjax.data.ragged import Ragged
from cotjax.data.steps import Steps
from cotjax.data.tokens import TokenTable
from cotjax.data.units import begins_of
from cotjax.records import Manifest, Record, read_records, write_records


def write_words(file: Path, steps: Steps) -> None:
    """Writes every target of a run, a JSON line each: its rationale as a list of words.

    Fields are `input_ids` (EOS included), `label_ids` (the label and the connective), `words`
    (token ids of each word of the rationale) and `eos`.
    """
    table, connective = steps.table, list(steps.config.connective)
    with file.open("w", encoding="utf-8") as lines:
        for target, question in enumerate(table.question):
            start, stop = table.rationales.offsets[target : target + 2]
            borders = np.flatnonzero(begins_of(table.begins[start:stop], "words"))[1:]
            example = {
                "input_ids": table.inputs[question].tolist(),
                "label_ids": table.labels[target].tolist() + connective,
                "words": [word.tolist() for word in np.split(table.rationales[target], borders)],
                "eos": table.inputs[question][-1].item(),
            }
            lines.write(json.dumps(example) + "\n")


def write_repeated(folder: Path, records: Path, size: int) -> None:
    """Writes as many questions of one rationale each: those of some records again and again."""
    manifest, found = read_records(records)
    usable = [one for one in found if one.label and one.rationales]
    again = itertools.islice(itertools.cycle(usable), size)
    repeated = (_numbered(one, number) for number, one in enumerate(again))
    write_records(folder, Manifest(manifest.task, "train", manifest.teacher), repeated)


def resampled(table: TokenTable, size: int) -> TokenTable:
    """A table of as many questions of one target each, drawn from those of another table."""
    drawn = np.random.default_rng(0).integers(table.num_targets, size=size)
    asked = table.question[drawn]
    places, rationales = _rows(table.rationales, drawn)
    empty = Ragged(np.zeros(0, np.int32), np.zeros(size + 1, np.int64))
    return dataclasses.replace(
        table,
        inputs=_taken(table.inputs, asked),
        labels=_taken(table.labels, drawn),
        rationales=Ragged(table.rationales.values[places], rationales),
        begins=table.begins[places],
        key_words=empty,
        label_words=empty,
        keywords=empty,
        reference=table.reference[drawn],
        question=np.arange(size, dtype=np.int32),
        samples=np.zeros(size, np.int32),
        id_hashes=np.arange(size, dtype=np.uint64),
    )


def stored_tokens(table: TokenTable) -> int:
    """Tokens of a table: of questions, labels and rationales."""
    return sum(len(field.values) for field in (table.inputs, table.labels, table.rationales))


def _taken(ragged: Ragged, rows: np.ndarray) -> Ragged:
    places, offsets = _rows(ragged, rows)
    return Ragged(ragged.values[places], offsets)


def _rows(ragged: Ragged, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the values of some rows stand, and the offsets that they get."""
    lengths = ragged.lengths[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    shift = np.repeat(ragged.offsets[rows] - offsets[:-1], lengths)
    return np.arange(offsets[-1]) + shift, offsets


def _numbered(record: Record, number: int) -> Record:
    """The same question, told apart from others by a number."""
    question = f"{record.question} ({number})"
    one = record.rationales[:1]
    return dataclasses.replace(record, id=str(number), question=question, rationales=one)
