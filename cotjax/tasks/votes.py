"""The commonest of several answers: of a teacher's samples, and of a student's."""

import collections
import dataclasses
from collections.abc import Callable, Sequence

from cotjax.errors import InputError
from cotjax.tasks.base import Question, Task, normalise


@dataclasses.dataclass(frozen=True)
class Vote:
    """The vote of a question's samples.

    Attributes:
      winner: The answer of the most samples, of equally many the one whose first sample came first;
        None where no sample could be parsed.
      counts: How many samples gave each answer, in the order of their first samples.
      winners: The winner among the first 1, 2, .. of the samples.
    """

    winner: str | None
    counts: dict[str, int]
    winners: tuple[str | None, ...]


def take_vote(answers: Sequence[str | None], same: Callable[[str, str], bool]) -> Vote:
    """Counts answers, of which None has no vote; `same` says which of two mean the same."""
    counts: collections.Counter[str] = collections.Counter()
    winners = []
    for answer in answers:
        if answer is not None:
            counts[next((known for known in counts if same(answer, known)), answer)] += 1
        # The first of the greatest: a Counter keeps the order in which answers came.
        winners.append(max(counts, key=counts.__getitem__, default=None))
    return Vote(winners[-1] if winners else None, dict(counts), tuple(winners))


def same_answer(task: Task, question: Question) -> Callable[[str, str], bool]:
    """Whether one of two answers would be right if the other was the gold label."""

    def same(one: str, other: str) -> bool:
        if normalise(one) == normalise(other):
            return True
        try:
            return task.is_right(one, dataclasses.replace(question, label=other))
        except InputError:  # no answer that could be a label
            return False

    return same
