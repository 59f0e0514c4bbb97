"""Which questions of the records are trained on, and with which of their rationales."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from cotjax.attribution.scores import Scores
from cotjax.errors import InputError
from cotjax.records import Rationale, Record
from cotjax.targets.mixture import Source, draw_weights, source_of
from cotjax.targets.selection import Selection
from cotjax.tasks.base import Question, Task
from cotjax.tasks.sources import to_question
from cotjax.tasks.votes import same_answer

JUDGED = {True: "a right", False: "a wrong", None: "no parsed"}


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A question, its record, and those of its rationales that become targets."""

    question: Question
    record: Record
    rationales: tuple[Rationale, ...] = ()


def asked(
    task: Task,
    records: Sequence[Record],
    questions: Mapping[str, Question] | None,
    dropped: Counter,
) -> list[Chosen]:
    """The records whose questions are asked (all, if None), without any rationale yet.

    Raises:
      InputError: if an id means two questions.
    """
    found = []
    for record in records:
        if questions is not None and record.id not in questions:
            reason = "without a gold label" if record.label is None else "of other questions"
            dropped[f"records {reason}"] += 1
            continue
        question = to_question(record, split="")
        if questions is not None:
            _check_same(task, question, questions[record.id])
        found.append(Chosen(question, record))
    return found


def choose(
    task: Task,
    questions: Sequence[Chosen],
    label_source: str,
    selection: Selection,
    dropped: Counter,
) -> list[Chosen]:
    """The questions that have usable rationales, each with those that are chosen.

    Args:
      task: Says which answers mean the same.
      questions: Those that are asked.
      label_source: `teacher` needs rationales with an answer.
      selection: Which of them become targets.
      dropped: Counts what is left out, by reason.
    """
    usable = []
    for one in questions:
        rationales = _usable(task, one, label_source, selection, dropped)
        if rationales:
            usable.append(dataclasses.replace(one, rationales=rationales))
        else:
            dropped["questions without a usable rationale"] += 1
    kept, left_out = selection.choose(
        [one.record.id for one in usable], [one.rationales for one in usable]
    )
    dropped.update(left_out)
    return [
        dataclasses.replace(one, rationales=tuple(one.rationales[p] for p in positions))
        for one, positions in zip(usable, kept, strict=True)
    ]


def scored(questions: Sequence[Chosen], scores: Scores) -> list[Chosen]:
    """The same with key words by their scores, the most important first.

    Raises:
      InputError: if some rationales have no scores, naming one of them.
    """
    without: list[tuple[str, int]] = []

    def rank(one: Chosen, rationale: Rationale) -> Rationale:
        ranking = scores.ranking(one.record.id, rationale.sample, rationale.text)
        if ranking is None:
            without.append((one.record.id, rationale.sample))
        return dataclasses.replace(rationale, key_words=ranking)

    ranked = [
        dataclasses.replace(one, rationales=tuple(rank(one, it) for it in one.rationales))
        for one in questions
    ]
    if without:
        name, sample = without[0]
        raise InputError(
            f"config.data.scores: {len(without)} of {sum(len(one.rationales) for one in ranked)} "
            f"rationales have no scores there, such as sample {sample} of question {name!r}: "
            "score these records"
        )
    return ranked


def weights_of(questions: Sequence[Chosen], selection: Selection) -> tuple[float, ...] | None:
    """How likely an epoch draws each rationale; None where the selection is no mixture."""
    if not selection.sources:
        return None
    weights: list[float] = []
    for one in questions:
        weights += draw_weights(selection.sources, _sources_of(one, selection.sources))
    return tuple(weights)


def count_kept(questions: Sequence[Chosen], selection: Selection) -> Counter:
    """Rationales by answer and source, and questions by the number of their rationales."""
    kept: Counter[str] = Counter()
    for rationale in (it for one in questions for it in one.rationales):
        judged = None if rationale.answer is None else bool(rationale.correct)
        kept[f"rationales with {JUDGED[judged]} answer"] += 1
    if selection.sources:
        kept.update(_by_source(questions, selection.sources))
    numbers = Counter(len(one.rationales) for one in questions if one.rationales)
    for number, count in sorted(numbers.items()):
        kept[f"questions with {number} rationale{'s' * (number > 1)}"] = count
    return kept


def _by_source(questions: Sequence[Chosen], sources: Sequence[Source]) -> Counter:
    """Rationales of each source of a mixture, and how many of them an epoch draws on average."""
    rationales, drawn = Counter(), Counter()
    for one in questions:
        found = Counter(_sources_of(one, sources))
        share = sum(sources[number].weight for number in found)
        for number, count in found.items():
            rationales[number] += count
            drawn[number] += sources[number].weight / share
    kept = Counter()
    for number, source in enumerate(sources):
        kept[f"rationales of {source.name}"] = rationales[number]
        kept[f"targets of {source.name} in a mean epoch"] = round(drawn[number])
    return kept


def _usable(
    task: Task, one: Chosen, label_source: str, selection: Selection, dropped: Counter
) -> tuple[Rationale, ...]:
    """A question's rationales that qualify and, where their answer is the label, have one."""
    rationales = one.record.rationales
    positions, others = selection.qualifying(
        rationales, one.record.tags, same_answer(task, one.question)
    )
    dropped.update(others)
    qualifying = tuple(rationales[position] for position in positions)
    if label_source == "gold":
        return qualifying
    parsed = tuple(rationale for rationale in qualifying if rationale.answer is not None)
    dropped["rationales without a parsed answer"] += len(qualifying) - len(parsed)
    return parsed


def _sources_of(one: Chosen, sources: Sequence[Source]) -> list[int]:
    return [source_of(sources, rationale, one.record.tags) for rationale in one.rationales]


def _check_same(task: Task, one: Question, other: Question) -> None:
    """Refuses records that give an id of the source's to another question."""
    if task.normalised_question(one) != task.normalised_question(other):
        raise InputError(
            f"config.data.records asks {one.text!r} under the id {one.id!r}, "
            f"config.task.source asks {other.text!r}: they are of different data sets"
        )
