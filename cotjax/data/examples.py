"""From questions and their rationales to the texts of every target."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from ml_collections.config_dict import ConfigDict

from cotjax.errors import InputError
from cotjax.records import Record
from cotjax.targets.selection import Selection
from cotjax.tasks.base import Question, Task
from cotjax.tasks.sources import load_records, read_split, to_question


@dataclasses.dataclass(frozen=True)
class Target:
    """What the student is to say to one question, before it is tokenised.

    Attributes:
      question: Position of the question in `Examples.questions`.
      sample: Number of the rationale among its question's.
      label: The formatted label.
      rationale: The whole rationale, on one line.
      key_words: Positions of its important words, most important first.
    """

    question: int
    sample: int
    label: str
    rationale: str
    key_words: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Examples:
    """Every target of a split; those of a question stand together.

    Attributes:
      ids: Ids of the questions.
      inputs: What the encoder reads, a text a question.
      targets: All that is trained on.
      dropped: How many questions or rationales were left out, by reason.
    """

    ids: tuple[str, ...]
    inputs: tuple[str, ...]
    targets: tuple[Target, ...]
    dropped: Counter


def training_records(task: Task, config: ConfigDict) -> list[Record]:
    """Reads the rationales that a config names: a records folder, or the source's own.

    Raises:
      InputError: if the folder is unusable or the source has no rationales.
    """
    split, allow_incomplete = config.task.train_split, config.data.allow_incomplete
    if config.data.records:
        return read_split(task, Path(config.data.records), split, allow_incomplete)
    return load_records(task, config.task.source, split, allow_incomplete)


def make_examples(
    task: Task,
    records: Iterable[Record],
    *,
    label_source: str = "gold",
    selection: Selection | None = None,
    questions: Mapping[str, Question] | None = None,
) -> Examples:
    """Pairs every chosen rationale with its question and label.

    Questions without a usable rationale are dropped whatever the order, so that all orders see
    the same questions; the counts say how many.

    Args:
      task: Formats inputs and labels.
      records: Questions with their rationales.
      label_source: `gold`, or `teacher`: the answer that the rationale argues for.
      selection: Which of a question's rationales become targets; by default all.
      questions: Those to use, by their ids; None for all.

    Raises:
      InputError: if nothing is left, naming the counts, or an id means two questions.
    """
    selection = selection or Selection()
    ids, inputs, targets, dropped = [], [], [], Counter()
    for record in records:
        if questions is not None and record.id not in questions:
            dropped["records of other questions"] += 1
            continue
        question = to_question(record, split="")
        if questions is not None:
            _check_same(task, question, questions[record.id])
        found = list(_targets(task, question, record, len(ids), label_source, selection, dropped))
        if not found:
            dropped["questions without a usable rationale"] += 1
            continue
        ids.append(record.id)
        inputs.append(task.format_input(question))
        targets += found
    if not targets:
        reasons = ", ".join(f"{count} {reason}" for reason, count in (+dropped).items())
        raise InputError(
            f"config.data.records leaves no target to train on ({reasons or 'no record'})"
        )
    return Examples(tuple(ids), tuple(inputs), tuple(targets), +dropped)


def _check_same(task: Task, one: Question, other: Question) -> None:
    """Refuses records that give an id of the source's to another question."""
    if task.normalised_question(one) != task.normalised_question(other):
        raise InputError(
            f"config.data.records asks {one.text!r} under the id {one.id!r}, "
            f"config.task.source asks {other.text!r}: they are of different data sets"
        )


def _targets(task, question, record, number, label_source, selection, dropped):
    """Yields a question's targets, counting what is left out."""
    chosen = selection.choose(record.rationales)
    wrong = selection.correct_only * sum(not one.correct for one in record.rationales)
    dropped["rationales with a wrong or unparsed answer"] += wrong
    dropped["rationales after the first"] += len(record.rationales) - wrong - len(chosen)
    for position in chosen:
        rationale = record.rationales[position]
        label = record.label if label_source == "gold" else rationale.answer
        if label is None:
            dropped["rationales without a parsed answer"] += 1
            continue
        yield Target(
            number,
            rationale.sample,
            task.format_label(question, label),
            " ".join(rationale.text.split()),
            tuple(rationale.key_words or ()),
        )
