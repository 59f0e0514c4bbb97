"""What a student answers to labelled questions, by generation and by the likelihood of choices."""

import dataclasses
import math
from collections.abc import Sequence

from rich.progress import Progress

from cotjax.evaluation.choices import Candidates, label_logprobs
from cotjax.evaluation.student import Student, generate
from cotjax.targets.orders import Order, Reply
from cotjax.targets.segments import Kind
from cotjax.tasks.base import Question, Task


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One line of predictions.

    Attributes:
      id: Of the question.
      output: All that was generated, as text.
      answer: What the task reads in it (of choices, the choice's text); None where it reads none.
      outcome: `right`, `wrong` or `unparsed`.
      label: The gold label.
      num_tokens: Generated tokens, the closing ones included.
      label_logprob: Of the gold label with what closes it, in nats; None where it wasn't scored.
      choice_logprobs: The same of every choice, in their order; equal labels have equal ones.
      choice_answer: The likeliest choice; None also where a log-probability isn't a number.
      rationale: What was generated before the label, where that is the order.
      cut_tokens: Tokens of the question that the student wasn't shown; None if it saw all.
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


@dataclasses.dataclass(frozen=True)
class Parts:
    """Generated tokens, cut at the connective and without EOS; None for what isn't there."""

    label: list[int] | None
    rationale: list[int] | None


def predict(
    student: Student,
    task: Task,
    questions: Sequence[Question],
    order: Order,
    *,
    max_tokens: int,
    input_length: int,
    batch_size: int,
    choices: bool = True,
    progress: Progress | None = None,
) -> list[Prediction]:
    """Asks every question once, for its label; the same on any number of devices.

    Where the label stands first, generation stops at the connective. Labels are scored in the place
    where the order has them: after a rationale, the student's own.

    Args:
      student: Who is asked.
      task: Formats the questions and judges the answers.
      questions: With their gold labels.
      order: In which the student was taught to say label and rationale, and how it is asked.
      max_tokens: Generated at most.
      input_length: Tokens of a question at most, EOS included.
      batch_size: Questions at once.
      choices: Whether to score labels as well.
      progress: Shows how far it is.

    Returns:
      A prediction for each question, in their order.
    """
    tokenizer = student.tokenizer
    reply = order.answer
    connective = tuple(tokenizer.encode([order.connective])[0]) if reply.has_rationale else ()
    texts = [reply.ask(task.format_input(question)) for question in questions]
    inputs, cut = student.encode_inputs(texts, input_length)
    written = generate(
        student,
        inputs,
        max_tokens=max_tokens,
        batch_size=batch_size,
        stops=(connective,) if reply.starts_with_label and connective else (),
        progress=progress,
    )
    parts = [split(tokens, reply, connective, tokenizer.eos) for tokens in written]
    predictions = [
        _judge(student, task, question, *said)
        for question, *said in zip(questions, written, parts, cut, strict=True)
    ]
    if not choices:
        return predictions
    labels = [_labels(task, question) for question in questions]
    candidates = [
        _candidates(student, reply, connective, *asked)
        for asked in zip(inputs, parts, labels, strict=True)
    ]
    scores = label_logprobs(student, candidates, batch_size=batch_size, progress=progress)
    return [
        _add_scores(task, *scored)
        for scored in zip(predictions, questions, labels, scores, strict=True)
    ]


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
    tokens: Sequence[int],
    parts: Parts,
    cut: int,
) -> Prediction:
    """The prediction by generation. An output without the connective is parsed as a whole."""
    decode = student.tokenizer.decode
    answer = task.parse(decode(tokens if parts.label is None else parts.label), question)
    right = task.is_right(answer, question)
    return Prediction(
        id=question.id,
        output=decode(tokens),
        answer=answer,
        outcome="unparsed" if answer is None else "right" if right else "wrong",
        label=question.label,
        num_tokens=len(tokens),
        rationale=None if parts.rationale is None else decode(parts.rationale),
        cut_tokens=cut or None,
    )


def _labels(task: Task, question: Question) -> list[str]:
    """The different labels to score: those of all choices, or of an open question the gold one."""
    gold = task.format_label(question, question.label)
    return list(dict.fromkeys(task.choice_labels(question) or [gold]))


def _candidates(
    student: Student,
    reply: Reply,
    connective: Sequence[int],
    tokens: Sequence[int],
    parts: Parts,
    labels: Sequence[str],
) -> Candidates:
    """What is scored, where the reply has it, up to the token that closes a label."""
    closed_by_eos = reply.ends_with_label
    return Candidates(
        input=tokens,
        prefix=[] if reply.starts_with_label else [*parts.rationale, *connective],
        labels=student.tokenizer.encode(labels),
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
