"""How transformers' users make batches: `datasets.map`, then `DataCollatorForSeq2Seq`."""

import os
import random
import sys
import tempfile
import time
from typing import Any

from datasets import Dataset, disable_progress_bars
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, DataCollatorForSeq2Seq

from benchmarks.turns import Figures, Order, answer

TARGETS = 64  # of a batch


class Peer:
    """A data set that is mapped anew for every epoch."""

    def __init__(self, weights: str, examples: str, processes: str):
        """Loads token ids.

        Args:
          weights: Folder with the tokenizer, for its padding.
          examples: File of JSON lines, as `pipeline_data.write_words` has them.
          processes: Of the map: `1`, or `all` for one a core.
        """
        self._folder = tempfile.TemporaryDirectory()
        self._examples = Dataset.from_json(examples, cache_dir=self._folder.name)
        self._processes = len(os.sched_getaffinity(0)) if processes == "all" else None
        tokenizer = AutoTokenizer.from_pretrained(weights, trust_remote_code=False)
        self._collate = DataCollatorForSeq2Seq(tokenizer)

    def measure(self, order: Order) -> Figures:
        """Shuffles the words of all rationales, and makes the batches of an epoch."""
        start = time.perf_counter()
        shuffled = self._examples.map(
            shuffle_words,
            batched=True,
            remove_columns=self._examples.column_names,
            load_from_cache_file=False,
            num_proc=self._processes,
        )
        loader = DataLoader(shuffled, TARGETS, shuffle=True, collate_fn=self._collate)
        examples = supervised = 0
        for batch in loader:
            examples += len(batch["labels"])
            supervised += int((batch["labels"] != -100).sum())
        shuffled.cleanup_cache_files()
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "examples": examples, "supervised": supervised}


def shuffle_words(rows: dict[str, list[Any]]) -> dict[str, list[list[int]]]:
    """Questions, and what is said to them with the rationales' words in random order."""
    labels = []
    for label, words, eos in zip(rows["label_ids"], rows["words"], rows["eos"], strict=True):
        random.shuffle(words)
        labels.append([*label, *(token for word in words for token in word), eos])
    return {"input_ids": rows["input_ids"], "labels": labels}


if __name__ == "__main__":
    disable_progress_bars()
    answer(Peer(*sys.argv[1:]).measure)
