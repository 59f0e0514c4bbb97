"""From questions and their rationales to the texts of every target."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ml_collections.config_dict import ConfigDict

from cotjax.config_rules import pairs
from cotjax.errors import InputError
from cotjax.records import Rationale, Record
from cotjax.targets.selection import Selection
from cotjax.tasks.base import Question, Task
from cotjax.tasks.sources import load_records, read_split, to_question

MOST_TAGS = 24  # named in an error


@dataclasses.dataclass(frozen=True)
class Target:
    """What the student is to say to one question, before it is tokenised.

    Attributes:
      question: Position of the question in `Examples.inputs`.
      sample: Number of the rationale among its question's.
      label: The formatted label.
      rationale: The whole rationale, on one line; empty where there is none and none is needed.
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
      inputs: The questions as the task formats them, without any prefix.
      targets: All that is trained on.
      dropped: How many questions or rationales were left out, by reason.
    """

    ids: tuple[str, ...]
    inputs: tuple[str, ...]
    targets: tuple[Target, ...]
    dropped: Counter


def training_examples(task: Task, config: ConfigDict, questions: Sequence[Question]) -> Examples:
    """The targets of a config's training questions.

    Raises:
      InputError: if the records are unusable, or there are none and the config needs some.
    """
    records = _training_records(task, config)
    if config.data.rationales == "human":
        records = [people_as_teachers(record) for record in records]
    wanted = {question.id: question for question in questions}
    selection = config.data.selection
    examples = make_examples(
        task,
        records,
        label_source=config.data.label_source,
        selection=Selection(
            selection.name, selection.correct_only, pairs(selection.tags, "data.selection.tags")
        ),
        questions=wanted,
        needs_rationale=_needs_rationale(config, records),
    )
    missing = len(wanted.keys() - {record.id for record in records})
    counted = Counter({"training questions without a record": missing} if missing else {})
    return dataclasses.replace(examples, dropped=examples.dropped + counted)


def make_examples(
    task: Task,
    records: Iterable[Record],
    *,
    label_source: str = "gold",
    selection: Selection | None = None,
    questions: Mapping[str, Question] | None = None,
    needs_rationale: bool = True,
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
      needs_rationale: Otherwise every question is one target, its gold label alone.

    Raises:
      InputError: if nothing is left, naming the counts; if no rationale has the selection's tags;
        if an id means two questions.
    """
    selection = selection or Selection()
    records = list(records)
    if selection.tags:
        _check_tags(selection, records)
    ids, inputs, targets, dropped = [], [], [], Counter()
    for record in records:
        if questions is not None and record.id not in questions:
            reason = "without a gold label" if record.label is None else "of other questions"
            dropped[f"records {reason}"] += 1
            continue
        question = to_question(record, split="")
        if questions is not None:
            _check_same(task, question, questions[record.id])
        if needs_rationale:
            found = _targets(task, question, record, len(ids), label_source, selection, dropped)
        else:
            found = [Target(len(ids), 0, task.format_label(question, question.label), "")]
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


def people_as_teachers(record: Record) -> Record:
    """Returns a record with people's explanations as its rationales, tagged `human=NAME`.

    They explain the gold label.
    """
    correct = None if record.label is None else True
    rationales = tuple(
        Rationale(number, text, record.label, correct, tags={"human": name})
        for number, (name, text) in enumerate((record.human or {}).items())
    )
    return dataclasses.replace(record, rationales=rationales)


def _training_records(task: Task, config: ConfigDict) -> list[Record]:
    """The rationales that a config names: a records folder, or the source's own."""
    split, allow_incomplete = config.task.train_split, config.data.allow_incomplete
    if config.data.records:
        return read_split(task, Path(config.data.records), split, allow_incomplete)
    return load_records(task, config.task.source, split, allow_incomplete)


def _needs_rationale(config: ConfigDict, records: Sequence[Record]) -> bool:
    """Whether questions without a rationale are of no use: not where the source has none at all.

    Raises:
      InputError: if it has none and the config asks for some.
    """
    data = config.data
    if data.records or any(record.rationales for record in records):
        return True
    for name, value, idle in (
        ("order", data.order, "label_only"),
        ("label_source", data.label_source, "gold"),
        ("selection.tags", data.selection.tags, ""),
        ("selection.correct_only", data.selection.correct_only, False),
    ):
        if value != idle:
            raise InputError(
                f"config.data.records is unset and config.task.source={config.task.source!r} has "
                f"no rationales, but config.data.{name}={value!r} needs some"
            )
    return False


def _check_tags(selection: Selection, records: Sequence[Record]) -> None:
    """Refuses tags that no rationale has, naming some that are there."""
    tagged = [(rationale, record.tags) for record in records for rationale in record.rationales]
    if any(selection.has_tags(*one) for one in tagged):
        return
    wanted = ",".join(f"{name}={value}" for name, value in selection.tags.items())
    groups = [group or {} for rationale, tags in tagged for group in (rationale.tags, tags)]
    known = sorted({f"{name}={value}" for group in groups for name, value in group.items()})
    raise InputError(
        f"config.data.selection.tags={wanted!r}: no rationale is tagged so; there are "
        + (", ".join(known[:MOST_TAGS]) or "no tags")
    )


def _check_same(task: Task, one: Question, other: Question) -> None:
    """Refuses records that give an id of the source's to another question."""
    if task.normalised_question(one) != task.normalised_question(other):
        raise InputError(
            f"config.data.records asks {one.text!r} under the id {one.id!r}, "
            f"config.task.source asks {other.text!r}: they are of different data sets"
        )


def _targets(task, question, record, number, label_source, selection, dropped):
    """A question's targets; what is left out is added to `dropped`."""
    chosen, others = selection.choose(record.rationales, record.tags)
    dropped.update(others)
    targets = []
    for position in chosen:
        rationale = record.rationales[position]
        label = record.label if label_source == "gold" else rationale.answer
        if label is None:
            dropped["rationales without a parsed answer"] += 1
            continue
        targets.append(
            Target(
                number,
                rationale.sample,
                task.format_label(question, label),
                " ".join(rationale.text.split()),
                tuple(rationale.key_words or ()),
            )
        )
    return targets
