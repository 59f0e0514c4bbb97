"""How a question is put to a student: what it reads, and what it is made to say first."""

import dataclasses
from collections.abc import Mapping, Sequence

from cotjax.data.tokenizer import Tokenizer
from cotjax.targets.orders import Order
from cotjax.tasks.base import Question, Task


@dataclasses.dataclass(frozen=True)
class Given:
    """Rationales that a student is given, and need not write itself.

    Of an order that reads rationales they stand behind the question. Of others the decoder is made
    to say them, and the connective, before it says the label (a forced rationale).

    Attributes:
      rationales: Tokens of each, by the question's id. A question without one is asked without:
        a student that reads rationales reads an empty one behind the connective.
      target_length: Tokens of a target at most: what a forced rationale shares with connective,
        label and EOS, as in training.
      words: Which words of them these are, as data.words.name says it. No perturbation is made.
    """

    rationales: Mapping[str, Sequence[int]]
    target_length: int
    words: str = "all"


@dataclasses.dataclass(frozen=True)
class Asked:
    """A question as a student meets it.

    Attributes:
      input: Tokens that the encoder reads, EOS included.
      labels: The different labels that may be said; of an open question the gold one.
      prefix: Tokens that the decoder is made to say first.
      rationale: Tokens of the given rationale that fit; None where none is given.
      cut: Tokens of the question that don't fit.
      rationale_cut: Tokens of the given rationale that don't.
    """

    input: list[int]
    labels: list[str]
    prefix: list[int] = dataclasses.field(default_factory=list)
    rationale: list[int] | None = None
    cut: int = 0
    rationale_cut: int = 0


def ask(
    tokenizer: Tokenizer,
    task: Task,
    questions: Sequence[Question],
    order: Order,
    input_length: int,
    given: Given | None = None,
) -> list[Asked]:
    """Tokenises questions, with the rationales that are given.

    Args:
      tokenizer: The student's.
      task: Formats questions and labels.
      questions: With their gold labels.
      order: In which the student was taught to read and say things.
      input_length: Tokens of an encoder input at most, EOS included.
      given: What a student reads or is made to say; None where it is to write its own rationale.
    """
    texts = [order.answer.ask(task.format_input(question)) for question in questions]
    connective = tokenizer.encode([order.connective])[0]
    asked = []
    for question, tokens in zip(questions, tokenizer.encode(texts), strict=True):
        rationale = given.rationales.get(question.id) if given else None
        read = order.answer.read(tokens, connective, rationale or (), input_length, tokenizer.eos)
        room = input_length - 1 - len(connective) * order.reads_rationale - len(tokens)
        one = Asked(read, labels_of(task, question), cut=max(-room, 0))
        if rationale is not None and order.reads_rationale:
            one = _with_rationale(one, rationale, max(room, 0))
        elif rationale is not None:
            # So that any label fits: a shorter gold label is not told by a longer rationale.
            longest = max(map(len, tokenizer.encode(one.labels)))
            room = max(given.target_length - len(connective) - longest - 1, 0)
            one = _with_rationale(one, rationale, room)
            one = dataclasses.replace(one, prefix=[*one.rationale, *connective])
        asked.append(one)
    return asked


def labels_of(task: Task, question: Question) -> list[str]:
    """The different labels to score: those of all choices, or of an open question the gold one."""
    gold = task.format_label(question, question.label)
    return list(dict.fromkeys(task.choice_labels(question) or [gold]))


def _with_rationale(asked: Asked, rationale: Sequence[int], room: int) -> Asked:
    """Notes how much of a given rationale fits."""
    fitting = list(rationale[:room])
    return dataclasses.replace(
        asked, rationale=fitting, rationale_cut=len(rationale) - len(fitting)
    )
