"""What a student answers to labelled questions, by generation and by the likelihood of choices."""

import dataclasses
import math
from collections.abc import Callable, Sequence

from rich.progress import Progress

from cotjax.decoding.beam import BeamSearch
from cotjax.evaluation.asking import Asked, Given, ask
from cotjax.evaluation.choices import Candidates, label_logprobs
from cotjax.evaluation.generation import generate
from cotjax.evaluation.reading import as_written, outcome_of, read_answer
from cotjax.evaluation.student import Student
from cotjax.targets.orders import Order, Reply
from cotjax.targets.segments import Kind
from cotjax.tasks.base import Question, Task


@dataclasses.dataclass(frozen=True)
class Sample:
    """One of several texts that a student wrote to a question, and what the task reads in it."""

    output: str
    answer: str | None


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One line of predictions.

    Attributes:
      id: Of the question.
      output: All that was generated, as text; of samples, of the first one with the answer.
      answer: What the task reads in it (of choices, the choice's text); None where it reads none.
      outcome: `right`, `wrong` or `unparsed`.
      label: The gold label.
      num_tokens: Generated tokens, the closing ones included; of samples, of all of them.
      label_logprob: Of the gold label with what closes it, in nats; None where it wasn't scored.
      choice_logprobs: The same of every choice, in their order; equal labels have equal ones.
      choice_answer: The likeliest choice; None also where a log-probability isn't a number.
      rationale: What was generated before the label, where that is the order; or what was given.
      cut_tokens: Tokens of the question that the student wasn't shown; None if it saw all.
      given: Whether a rationale was given; None where none was to be.
      rationale_cut: Tokens of a given rationale that didn't fit; None if all did.
      votes: How many samples gave each answer, in the order of the answers' first samples.
      right_by_samples: Whether the vote of the first 1, 2, .. samples is right.
      samples: All of them. This and the last two are None of a student that answered once.
    """

    id: str
    output: str
    answer: str | None
    outcome: str
    label: str
    num_tokens: int
    label_logprob: float | None = None
    choice_logprobs: tuple[float, ...] | None = None
    choice_answer: str | None = None
    rationale: str | None = None
    cut_tokens: int | None = None
    given: bool | None = None
    rationale_cut: int | None = None
    votes: dict[str, int] | None = None
    right_by_samples: tuple[bool, ...] | None = None
    samples: tuple[Sample, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Parts:
    """Generated tokens, cut at the connective and without EOS; None for what isn't there."""

    label: list[int] | None
    rationale: list[int] | None

    def label_of(self, tokens: Sequence[int]) -> Sequence[int]:
        """The label; where it is not told from the rationale, all `tokens` that were generated."""
        return tokens if self.label is None else self.label


def predict(
    student: Student,
    task: Task,
    questions: Sequence[Question],
    order: Order,
    *,
    max_tokens: int,
    input_length: int,
    batch_size: int,
    search: BeamSearch | None = None,
    choices: bool = True,
    given: Given | None = None,
    progress: Progress | None = None,
    between: Callable[[], None] | None = None,
) -> list[Prediction]:
    """Asks every question once, for its label; the same on any number of devices.

    Where the label stands first, generation stops at the connective. Labels are scored in the place
    where the order has them: after a rationale, the student's own or the one that it is given.

    Args:
      student: Who is asked.
      task: Formats the questions and judges the answers.
      questions: With their gold labels.
      order: In which the student was taught to say label and rationale, and how it is asked.
      max_tokens: Generated at most.
      input_length: Tokens of a question at most, EOS included.
      batch_size: Questions at once.
      search: How answers are searched for; None takes the likeliest token after token.
      choices: Whether to score labels as well.
      given: Rationales that it is given.
      progress: Shows how far it is.
      between: Called as often as some questions more are done; what it raises ends all.

    Returns:
      A prediction for each question, in their order.
    """
    asked = ask(student.tokenizer, task, questions, order, input_length, given)
    connective = said_connective(student, order)
    written = generate(
        student,
        [one.input for one in asked],
        max_tokens=max_tokens,
        batch_size=batch_size,
        search=search,
        prefixes=[one.prefix for one in asked],
        stops=stops_of(order, connective),
        progress=progress,
        between=between,
    )
    eos = student.tokenizer.eos
    parts = [
        split([*one.prefix, *tokens], order.answer, connective, eos)
        for one, tokens in zip(asked, written, strict=True)
    ]
    spelt = as_written(student.tokenizer, questions)
    predictions = [
        _judge(student, task, *said, given is not None)
        for said in zip(questions, spelt, asked, written, parts, strict=True)
    ]
    if not choices:
        return predictions
    candidates = [
        _candidates(student, order.answer, connective, *said)
        for said in zip(asked, parts, strict=True)
    ]
    scores = label_logprobs(
        student, candidates, batch_size=batch_size, progress=progress, between=between
    )
    return [
        _add_scores(task, prediction, question, one.labels, logprobs)
        for prediction, question, one, logprobs in zip(
            predictions, questions, asked, scores, strict=True
        )
    ]


def said_connective(student: Student, order: Order) -> tuple[int, ...]:
    """Tokens that tell label and rationale apart in what the student says; none if it says one."""
    if not order.answer.has_rationale:
        return ()
    return tuple(student.tokenizer.encode([order.connective])[0])


def stops_of(order: Order, connective: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """What ends an answer before EOS: nothing is read after a label that stands first."""
    return (connective,) if order.answer.starts_with_label and connective else ()


def split(tokens: Sequence[int], reply: Reply, connective: Sequence[int], eos: int) -> Parts:
    """Finds label and rationale in generated tokens.

    A rationale may hold the connective's words as well, so the label is what stands before the
    first, or after the last of them. Where there is none, the label is not told from the rationale:
    it is all tokens where it should stand first, else None.
    """
    tokens = [token for token in tokens if token != eos]
    starts = _occurrences(tokens, connective)
    if reply.starts_with_label:
        return Parts(tokens[: starts[0]] if starts else tokens, None)
    if not starts:
        return Parts(None, tokens)
    return Parts(tokens[starts[-1] + len(connective) :], tokens[: starts[-1]])


def _occurrences(tokens: Sequence[int], words: Sequence[int]) -> list[int]:
    if not words:
        return []
    places = range(len(tokens) - len(words) + 1)
    return [at for at in places if tuple(tokens[at : at + len(words)]) == tuple(words)]


def _judge(
    student: Student,
    task: Task,
    question: Question,
    spelt: Question,
    asked: Asked,
    tokens: Sequence[int],
    parts: Parts,
    is_given: bool,
) -> Prediction:
    """The prediction by generation."""
    decode = student.tokenizer.decode
    answer = read_answer(task, question, spelt, decode(parts.label_of(tokens)))
    rationale = parts.rationale if asked.rationale is None else asked.rationale
    return Prediction(
        id=question.id,
        output=decode(tokens),
        answer=answer,
        outcome=outcome_of(task, question, answer),
        label=question.label,
        num_tokens=len(tokens),
        rationale=None if rationale is None else decode(rationale),
        cut_tokens=asked.cut or None,
        given=asked.rationale is not None if is_given else None,
        rationale_cut=asked.rationale_cut or None,
    )


def _candidates(
    student: Student, reply: Reply, connective: Sequence[int], asked: Asked, parts: Parts
) -> Candidates:
    """What is scored, where the reply has it, up to the token that closes a label."""
    closed_by_eos = reply.ends_with_label
    own = [] if reply.starts_with_label else [*parts.rationale, *connective]
    return Candidates(
        input=asked.input,
        prefix=asked.prefix or own,
        labels=student.tokenizer.encode(asked.labels),
        closing=[student.tokenizer.eos] if closed_by_eos else connective[:1],
        closing_kind=Kind.EOS if closed_by_eos else Kind.CONNECTIVE,
    )


def _add_scores(
    task: Task,
    prediction: Prediction,
    question: Question,
    labels: Sequence[str],
    logprobs: Sequence[float],
) -> Prediction:
    score = dict(zip(labels, logprobs, strict=True))
    gold = score[task.format_label(question, question.label)]
    choices = task.choice_labels(question)
    if not choices:
        return dataclasses.replace(prediction, label_logprob=gold)
    of_choices = tuple(score[label] for label in choices)
    usable = all(map(math.isfinite, of_choices))
    likeliest = question.choices[of_choices.index(max(of_choices))] if usable else None
    return dataclasses.replace(
        prediction, label_logprob=gold, choice_logprobs=of_choices, choice_answer=likeliest
    )
