"""From questions and their rationales to the texts of every target."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ml_collections.config_dict import ConfigDict

from cotjax.attribution.scores import Scores, read_scores
from cotjax.config_checks import pairs
from cotjax.data.chosen import Chosen, asked, choose, count_kept, scored, weights_of
from cotjax.data.rationales import needs_rationale, training_records
from cotjax.errors import InputError
from cotjax.records import Record
from cotjax.targets.mixture import MIXTURE, parse_mixture
from cotjax.targets.segmentation import keep_lines
from cotjax.targets.selection import Selection
from cotjax.targets.tags import Tags, has_tags, spell
from cotjax.tasks.base import Question, Task
from cotjax.tasks.splits import fixed_subset

TAGS, REFERENCE = "data.selection.tags", "data.perturbation.reference"
MOST_TAGS = 24  # named in an error


@dataclasses.dataclass(frozen=True)
class Target:
    """What the student is to say to one question, before it is tokenised.

    Attributes:
      question: Position of the question in `Examples.inputs`.
      sample: Number of the rationale among its question's.
      label: The formatted label.
      rationale: The whole rationale, its words one space apart and its lines one newline; empty
        where there is none and none is needed.
      key_words: Positions of its important words, most important first.
      reference: The rationale that data.perturbation.reference names; empty where there is none.
      answer: The label as text: of choices, the choice's.
    """

    question: int
    sample: int
    label: str
    rationale: str
    key_words: tuple[int, ...] = ()
    reference: str = ""
    answer: str = ""


@dataclasses.dataclass(frozen=True)
class Examples:
    """Every target of a split; those of a question stand together.

    Attributes:
      ids: Ids of the questions.
      inputs: The questions as the task formats them, without any prefix.
      targets: All that is trained on.
      dropped: How many questions or rationales were left out, by reason.
      kept: How many are trained on, by what tells them apart.
      draw_weights: Of each target: how likely an epoch of a mixture draws it among those of its
        question, up to a factor; None where it is no mixture.
    """

    ids: tuple[str, ...]
    inputs: tuple[str, ...]
    targets: tuple[Target, ...]
    dropped: Counter
    kept: Counter = dataclasses.field(default_factory=Counter)
    draw_weights: tuple[float, ...] | None = None


def training_examples(task: Task, config: ConfigDict, questions: Sequence[Question]) -> Examples:
    """The targets of a config's training questions.

    Raises:
      InputError: if the records are unusable, or there are none and the config needs some.
    """
    records = training_records(task, config)
    part = fixed_subset(questions, math.ceil(config.data.fraction * len(questions)))
    wanted = {question.id: question for question in part}
    examples = make_examples(
        task,
        records,
        label_source=config.data.label_source,
        selection=selection_of(config),
        questions=wanted,
        needs_rationale=needs_rationale(config, records),
        reference=pairs(config.data.perturbation.reference, REFERENCE),
        scores=_scores(config),
    )
    counted = Counter(
        {
            "training questions without a record": len(wanted.keys() - {one.id for one in records}),
            "training questions beyond data.fraction": len(questions) - len(part),
        }
    )
    return dataclasses.replace(examples, dropped=examples.dropped + counted)


def _scores(config: ConfigDict) -> Scores | None:
    """The scores that a config names, which are to be of its records, where it names these too."""
    if not config.data.scores:
        return None
    records = Path(config.data.records) if config.data.records else None
    return read_scores(Path(config.data.scores), records)


def selection_of(config: ConfigDict) -> Selection:
    """The selection that a config names."""
    section = config.data.selection
    return Selection(
        name=section.name,
        answers=section.answers,
        tags=pairs(section.tags, TAGS),
        k=section.k,
        sources=parse_mixture(section.mixture),
        seed=config.seed,
    )


def make_examples(
    task: Task,
    records: Iterable[Record],
    *,
    label_source: str = "gold",
    selection: Selection | None = None,
    questions: Mapping[str, Question] | None = None,
    needs_rationale: bool = True,
    reference: Tags | None = None,
    scores: Scores | None = None,
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
      reference: Tags of the rationale that a question's targets refer to: its first such one.
      scores: Of the words of the chosen rationales; None for the key words that records name.

    Raises:
      InputError: if nothing is left, naming the counts; if no rationale has the tags that are
        asked for; if a chosen one has no scores; if an id means two questions.
    """
    selection = selection or Selection()
    records = list(records)
    asked_for = [(TAGS, selection.tags), (REFERENCE, reference or {})]
    for field, tags in asked_for + [(MIXTURE, source.tags) for source in selection.sources]:
        _check_tags(field, tags, records)
    dropped: Counter[str] = Counter()
    chosen = asked(task, records, questions, dropped)
    if needs_rationale:
        chosen = choose(task, chosen, label_source, selection, dropped)
    if not chosen:
        reasons = ", ".join(f"{count} {reason}" for reason, count in (+dropped).items())
        raise InputError(
            f"config.data.records leaves no target to train on ({reasons or 'no record'})"
        )
    if scores is not None:
        chosen = scored(chosen, scores)
    references = [_reference(one.record, reference or {}) for one in chosen]
    kept = count_kept(chosen, selection)
    if reference:
        kept["questions without a rationale to refer to"] = references.count("")
    return Examples(
        ids=tuple(one.record.id for one in chosen),
        inputs=tuple(task.format_input(one.question) for one in chosen),
        targets=tuple(_targets(task, chosen, label_source, references)),
        dropped=+dropped,
        kept=+kept,
        draw_weights=weights_of(chosen, selection),
    )


def _targets(
    task: Task, chosen: Sequence[Chosen], label_source: str, references: Sequence[str]
) -> Iterator[Target]:
    """The targets of all questions; one a question that needs no rationale."""
    for number, (one, reference) in enumerate(zip(chosen, references, strict=True)):
        gold = one.question.label
        if not one.rationales:
            yield Target(number, 0, task.format_label(one.question, gold), "")
        for rationale in one.rationales:
            label = gold if label_source == "gold" else rationale.answer
            yield Target(
                question=number,
                sample=rationale.sample,
                label=task.format_label(one.question, label),
                rationale=keep_lines(rationale.text),
                key_words=tuple(rationale.key_words or ()),
                reference=reference,
                answer=label,
            )


def _reference(record: Record, tags: Tags) -> str:
    """The text of a record's first rationale with all the tags; empty without tags or any such."""
    texts = (one.text for one in record.rationales if tags and has_tags(tags, one, record.tags))
    return keep_lines(next(texts, ""))


def _check_tags(field: str, wanted: Tags, records: Sequence[Record]) -> None:
    """Refuses tags that no rationale has, naming some that are there."""
    tagged = [(rationale, record.tags) for record in records for rationale in record.rationales]
    if not wanted or any(has_tags(wanted, *one) for one in tagged):
        return
    groups = [group or {} for rationale, tags in tagged for group in (rationale.tags, tags)]
    known = sorted({f"{name}={value}" for group in groups for name, value in group.items()})
    raise InputError(
        f"config.{field}={spell(wanted)!r}: no rationale is tagged so; there are "
        + (", ".join(known[:MOST_TAGS]) or "no tags")
    )
