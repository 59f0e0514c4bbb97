"""The teacher's rationales to the questions of a split, for a student that is given them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ml_collections.config_dict import ConfigDict

from cotjax.data.examples import training_examples
from cotjax.data.tokenizer import Tokenizer
from cotjax.data.tokens import tokenize
from cotjax.data.words import keep_words
from cotjax.errors import InputError
from cotjax.evaluation.asking import Given
from cotjax.target_rules import CHOSEN_BY_LABEL
from cotjax.targets.orders import make_order
from cotjax.tasks.base import Question, Task
from cotjax.training.prepare import words_of


def given_rationales(
    task: Task,
    config: ConfigDict,
    split: str,
    questions: Sequence[Question],
    tokenizer: Tokenizer,
    records: Path | None = None,
) -> Given:
    """Reads a rationale for each question: the first of those that the config selects.

    They come from where training has them: `data.records`, or the source. Selection, characters and
    words are the config's, but for what depends on the gold label (`selection.answers`, and words
    that are chosen by it: a student that says its rationale is given such ones whole, and one that
    reads it is not trained on them). Its perturbation is left out.

    Args:
      task: Of the questions.
      config: Of the student's run.
      split: `train`, `validation` or `test`.
      questions: Of the split. Those without a rationale are in nobody's way.
      tokenizer: The student's.
      records: A folder of records to read instead, where the questions come from one.

    Raises:
      InputError: if there is a rationale to none of them.
    """
    there = config.copy_and_resolve_references()
    there.task.train_split = split if records else _name_in_source(config, split)
    there.data.label_source = "gold"  # the teacher's label is not given
    there.data.fraction = 1.0
    there.data.selection.answers = "any"
    there.data.scores = None
    if there.data.words.name in CHOSEN_BY_LABEL:
        there.data.words.name = "all"
    there.data.perturbation.reference = ""
    if records:
        there.data.records = str(records)
    try:
        examples = training_examples(task, there, questions)
    except InputError as error:
        raise InputError(f"no rationales to give on split {split!r}: {error}") from None
    order = make_order(config.data.order, config.data.connective)
    table = keep_words(tokenize(examples, tokenizer, order), words_of(there))
    firsts = np.searchsorted(table.question, np.arange(table.num_questions))
    rationales = {
        name: table.rationales[first].tolist()
        for name, first in zip(examples.ids, firsts, strict=True)
    }
    return Given(rationales, config.data.target_length, there.data.words.name)


def _name_in_source(config: ConfigDict, split: str) -> str:
    """What the source calls a split; validation may be a part of its training split."""
    name = config.task[f"{split}_split"]
    return name or config.task.train_split
