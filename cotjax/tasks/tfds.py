"""Data sets of TensorFlow Datasets, their rows in the fields of the Hub's (see `rows`)."""

import itertools
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cotjax.errors import InputError
from cotjax.tasks.splits import MissingSplitError

DATASETS = {  # of every task that TFDS has a data set for: name and config
    "anli": "anli/r1",
    "arc": "ai2_arc/ARC-Challenge",
    "commonsense_qa": "cos_e",
    "esnli": "esnli",
    "gsm8k": "gsm8k",
    "openbookqa": "openbookqa",
}
ROWS_AT_ONCE = 1_000
MOST_CHARACTERS = 300  # of an error of TFDS: some list every data set there is


def find(task_name: str, wanted: str) -> str:
    """Returns the name of a data set, with its config; nothing wanted means the task's own.

    Raises:
      InputError: if TFDS has none for the task, or the one that is wanted is another task's.
    """
    own = DATASETS.get(task_name)
    if own is None:
        raise InputError(
            f"TFDS has no data set for task {task_name}, only for {', '.join(DATASETS)};"
            " use source hub or file:PATH"
        )
    if wanted and _family(wanted) != _family(own):
        raise InputError(f"tfds:{wanted}: task {task_name} reads tfds:{own}, no other data set")
    return wanted or own


def read_rows(name: str, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields where a row stands and its values by field; TFDS keeps what it loaded.

    Raises:
      MissingSplitError: naming the splits that there are.
      InputError: if the data set can't be found, downloaded or read.
    """
    import tensorflow as tf  # takes seconds, and most sources do without
    import tensorflow_datasets as tfds

    tf.config.set_visible_devices([], "GPU")  # it would take all memory of the accelerators
    try:
        builder = tfds.builder(name)
        builder.download_and_prepare()
        splits = list(builder.info.splits)
        if splits and split not in splits:
            raise MissingSplitError(f"has no split {split!r}; it has {', '.join(splits)}")
        dataset = builder.as_dataset(split=split)
    except Exception as error:  # its downloads and builders raise errors of every kind
        kind = MissingSplitError if isinstance(error, MissingSplitError) else InputError
        text = textwrap.shorten(str(error) or type(error).__name__, MOST_CHARACTERS)
        raise kind(f"tfds:{name}: {text}") from error
    to_fields = FIELDS.get(_family(name), dict)
    # Many rows at a time are read faster; but lists may differ in length from row to row.
    is_flat = all(spec.shape.rank == 0 for spec in tf.nest.flatten(dataset.element_spec))
    examples = tfds.as_numpy(dataset.batch(ROWS_AT_ONCE) if is_flat else dataset)
    rows = (_plain(example, builder.info.features) for example in examples)
    rows = itertools.chain.from_iterable(map(_transposed, rows)) if is_flat else rows
    for number, row in enumerate(rows):
        yield f"tfds:{name}: row {number} of split {split!r}", to_fields(row)


def _family(name: str) -> str:
    """The name without config and version."""
    return name.partition("/")[0].partition(":")[0]


def _plain(value: Any, feature: Any) -> Any:
    """Tensors as the Python values that a JSON file would hold; classes by their names."""
    feature = getattr(feature, "feature", feature)  # of a sequence: of its elements
    if isinstance(value, dict):
        return {name: _plain(part, feature[name]) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return [_plain(part, feature) for part in value]
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if hasattr(feature, "int2str"):
        return feature.int2str(value) if value >= 0 else None
    return value.item()


def _transposed(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """From lists by field to a list of rows."""
    lists = [_transposed(part) if isinstance(part, dict) else part for part in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def _anli(row: dict[str, Any]) -> dict[str, Any]:
    names = {"e": "entailment", "n": "neutral", "c": "contradiction", None: None}
    return {**row, "premise": row["context"], "label": names[row["label"]]}


def _openbookqa(row: dict[str, Any]) -> dict[str, Any]:
    letters = ["A", "B", "C", "D"]
    texts = [row["question"][f"choice_{letter}"] for letter in letters]
    return {
        "question_stem": row["question"]["stem"],
        "choices": {"label": letters, "text": texts},
        "answerKey": row["answerKey"],
    }


FIELDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "anli": _anli,
    "openbookqa": _openbookqa,
}
