"""Self-consistency: a student answers a question many times, and the commonest answer counts.

Wang et al., 2023, "Self-Consistency Improves Chain of Thought Reasoning in Language Models"
(arXiv:2203.11171). Symbolic Chain-of-Thought Distillation (Li et al., 2023, arXiv:2306.14050) asks
its students so, with 30 samples at a temperature of 0.7.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from rich.progress import Progress

from cotjax.decoding.sampling import Temperature, sample_key
from cotjax.errors import InputError
from cotjax.evaluation.asking import Asked, Given, ask
from cotjax.evaluation.generation import sample
from cotjax.evaluation.predict import (
    Prediction,
    Sample,
    said_connective,
    split,
    stops_of,
)
from cotjax.evaluation.reading import as_written, outcome_of, read_answer
from cotjax.evaluation.student import Student
from cotjax.targets.orders import Order
from cotjax.tasks.base import Question, Task
from cotjax.tasks.votes import same_answer, take_vote


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How a question is answered many times.

    Attributes:
      samples: How many times.
      temperature: Divides the logits before a token is drawn.
      seed: Of the draws. A sample depends on it, the question's id and its own number alone.
    """

    samples: int
    temperature: float = 0.7
    seed: int = 0

    def __post_init__(self):
        if self.samples < 1:
            raise InputError(f"--samples={self.samples}: must be 1 or more")
        if not 0 < self.temperature < math.inf:
            raise InputError(
                f"--temperature={self.temperature}: must be above 0; without --samples the "
                "likeliest answer is taken"
            )

    @property
    def name(self) -> str:
        """What it is called in the names of files: `samples30`, and what isn't usual."""
        usual = Sampling(self.samples)
        temperature = f"-temperature{self.temperature:g}"
        return (
            f"samples{self.samples}"
            + temperature * (self.temperature != usual.temperature)
            + f"-seed{self.seed}" * (self.seed != usual.seed)
        )


def make_sampling(
    samples: int | None, temperature: float | None, seed: int | None
) -> Sampling | None:
    """The sampling that flags name; refuses those that have no effect without `--samples`."""
    chosen = {"temperature": temperature, "seed": seed}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if samples is not None:
        return Sampling(samples, **chosen)
    for name in chosen:
        raise InputError(f"--{name} has no effect without --samples")
    return None


def predict_by_vote(
    student: Student,
    task: Task,
    questions: Sequence[Question],
    order: Order,
    sampling: Sampling,
    *,
    max_tokens: int,
    input_length: int,
    batch_size: int,
    given: Given | None = None,
    progress: Progress | None = None,
) -> list[Prediction]:
    """Asks every question many times, and takes a vote; see `predict` for the other arguments.

    A question is encoded once. `batch_size` is in samples. Labels are not scored.
    """
    asked = ask(student.tokenizer, task, questions, order, input_length, given)
    numbers = range(sampling.samples)
    keys = [[sample_key(sampling.seed, one.id, number) for number in numbers] for one in questions]
    connective = said_connective(student, order)
    written = sample(
        student,
        [one.input for one in asked],
        np.array(keys, np.uint32).reshape(len(questions), sampling.samples, 2),
        method=Temperature(sampling.temperature),
        max_tokens=max_tokens,
        batch_size=batch_size,
        prefixes=[one.prefix for one in asked],
        stops=stops_of(order, connective),
        progress=progress,
    )
    spelt = as_written(student.tokenizer, questions)
    return [
        _elect(student, task, order, *said, given is not None)
        for said in zip(questions, spelt, asked, written, strict=True)
    ]


def _elect(
    student: Student,
    task: Task,
    order: Order,
    question: Question,
    spelt: Question,
    asked: Asked,
    written: Sequence[Sequence[int]],
    is_given: bool,
) -> Prediction:
    """The prediction of a question by its samples' vote."""
    decode, eos = student.tokenizer.decode, student.tokenizer.eos
    connective = said_connective(student, order)
    parts = [split([*asked.prefix, *tokens], order.answer, connective, eos) for tokens in written]
    answers = [
        read_answer(task, question, spelt, decode(of_sample.label_of(tokens)))
        for tokens, of_sample in zip(written, parts, strict=True)
    ]
    samples = [Sample(decode(tokens), a) for tokens, a in zip(written, answers, strict=True)]
    vote = take_vote(answers, same_answer(task, question))
    speaker = answers.index(vote.winner)
    rationale = parts[speaker].rationale if asked.rationale is None else asked.rationale
    right = {winner: task.is_right(winner, question) for winner in set(vote.winners)}
    return Prediction(
        id=question.id,
        output=samples[speaker].output,
        answer=vote.winner,
        outcome=outcome_of(task, question, vote.winner),
        label=question.label,
        num_tokens=sum(map(len, written)),
        rationale=None if rationale is None else decode(rationale),
        cut_tokens=asked.cut or None,
        given=asked.rationale is not None if is_given else None,
        rationale_cut=asked.rationale_cut or None,
        votes=vote.counts,
        right_by_samples=tuple(right[winner] for winner in vote.winners),
        samples=tuple(samples),
    )
