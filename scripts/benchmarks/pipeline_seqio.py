"""How T5X's users make batches: a seqio task, and its converter that packs."""

import itertools
import json
import sys
import time
from pathlib import Path

import seqio
import tensorflow as tf

from benchmarks.turns import Figures, Order, answer

ROWS = 16  # of a batch: about the targets of an optimiser step
VOCABULARY = seqio.PassThroughVocabulary(32_128, eos_id=1)
FEATURES = {
    name: seqio.Feature(VOCABULARY, add_eos=False, dtype=tf.int32) for name in ("inputs", "targets")
}


class Peer:
    """A task over token ids in memory."""

    def __init__(self, examples: str, encoder: str, decoder: str):
        """Loads token ids and registers the task.

        Args:
          examples: File of JSON lines, as `pipeline_data.write_words` has them.
          encoder, decoder: Lengths of packed rows.
        """
        lines = Path(examples).read_text("utf-8").splitlines()
        self._table, self._examples = ragged(list(map(json.loads, lines))), len(lines)
        self._lengths = {"inputs": int(encoder), "targets": int(decoder)}
        source = seqio.FunctionDataSource(self._rows, splits=("train",))
        self._task = seqio.Task("shuffled", source, FEATURES, preprocessors=[shuffle_words])

    def measure(self, order: Order) -> Figures:
        """Shuffles the words of all rationales, packs, and makes the batches of an epoch."""
        start = time.perf_counter()
        rows = self._task.get_dataset(None, "train", shuffle=True, num_epochs=1)
        packed = seqio.EncDecFeatureConverter(pack=True)(rows, self._lengths)
        batches = packed.batch(ROWS).prefetch(tf.data.AUTOTUNE)
        examples = supervised = 0
        for batch in batches.as_numpy_iterator():
            examples += int(batch["decoder_segment_ids"].max(axis=1).sum())
            supervised += int(batch["decoder_loss_weights"].sum())
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "examples": examples, "supervised": supervised}

    def _rows(self, split: str, shuffle_files: bool, seed: int | None = None) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(self._table)


def ragged(examples: list[dict]) -> dict[str, tf.RaggedTensor]:
    """Questions, labels, rationales, and the word of every token of a rationale."""
    columns = {
        "inputs": [one["input_ids"] for one in examples],
        "label": [one["label_ids"] for one in examples],
        "rationale": [list(itertools.chain.from_iterable(one["words"])) for one in examples],
        "word": [_numbers(one["words"]) for one in examples],
        "eos": [[one["eos"]] for one in examples],
    }
    return {name: tf.ragged.constant(rows, tf.int32) for name, rows in columns.items()}


def _numbers(words: list[list[int]]) -> list[int]:
    """The number of every token's word, from 0."""
    return [number for number, word in enumerate(words) for _ in word]


@seqio.map_over_dataset
def shuffle_words(row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The question, and what is said to it with the rationale's words in random order."""
    word = row["word"]
    keys = tf.random.uniform([tf.size(word)])
    places = tf.argsort(tf.gather(keys, word), stable=True)
    said = [row["label"], tf.gather(row["rationale"], places), row["eos"]]
    return {"inputs": row["inputs"], "targets": tf.concat(said, axis=0)}


if __name__ == "__main__":
    answer(Peer(*sys.argv[1:]).measure)
