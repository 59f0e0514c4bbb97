"""Which of a question's rationales become targets."""

import dataclasses
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from cotjax.targets.filters import FILTERS, Pool
from cotjax.targets.keys import stable_hash, streams
from cotjax.targets.mixture import Source, source_of
from cotjax.targets.tags import Tags, has_tags
from cotjax.tasks.votes import take_vote

ANSWERS = {  # of data.selection.answers: what those are called that are dropped
    "right": "rationales with a wrong or unparsed answer",
    "wrong": "rationales with a right or unparsed answer",
    "majority": "rationales with another answer than most",
}


class _Rationale(Protocol):
    sample: int
    text: str
    answer: str | None
    correct: bool | None
    mean_logprob: float | None
    tags: Tags | None


@dataclasses.dataclass(frozen=True)
class Selection:
    """Keeps some of a question's rationales: first those that qualify, of these some.

    Attributes:
      name: `all`; `one_per_epoch` (all, of which an epoch draws one); `mixture` (the same, by
        sources); `first`; or a filter that keeps k (see `filters.FILTERS`).
      answers: Rationales of which answers qualify: `any`, `right`, `wrong`, or `majority`: the
        commonest of the question's rationales with the tags, of equally common ones the one that
        came first.
      tags: Rationales without each of these don't qualify.
      k: How many of a question a filter keeps.
      sources: Of a mixture.
      seed: Of the filters' draws.
    """

    name: str = "all"
    answers: str = "any"
    tags: Tags = dataclasses.field(default_factory=dict)
    k: int | None = None
    sources: tuple[Source, ...] = ()
    seed: int = 0

    def qualifying(
        self,
        rationales: Sequence[_Rationale],
        tags: Tags | None = None,
        same: Callable[[str, str], bool] = operator.eq,
    ) -> tuple[list[int], Counter]:
        """Positions of a question's rationales that qualify, and how many don't, by reason.

        Args:
          rationales: All of the question's.
          tags: The question's own.
          same: Whether two of its answers mean the same.
        """
        tagged = [p for p, one in enumerate(rationales) if has_tags(self.tags, one, tags)]
        answered = _with_answers(self.answers, rationales, tagged, same)
        mixed = answered
        if self.sources:
            of = (source_of(self.sources, rationales[p], tags) for p in answered)
            mixed = [p for p, source in zip(answered, of, strict=True) if source is not None]
        dropped = Counter({"rationales with other tags": len(rationales) - len(tagged)})
        dropped["rationales of no source of the mixture"] = len(answered) - len(mixed)
        if self.answers != "any":
            dropped[ANSWERS[self.answers]] = len(tagged) - len(answered)
        return mixed, +dropped

    def choose(
        self, ids: Sequence[str], questions: Sequence[Sequence[_Rationale]]
    ) -> tuple[list[list[int]], Counter]:
        """Of the rationales that qualify, the positions of those that become targets.

        Args:
          ids: Of the questions.
          questions: Each one's rationales, one at least.

        Returns:
          Positions by question, rising, and how many are left out.
        """
        if self.name in FILTERS:
            pools = [self._pool(name, its) for name, its in zip(ids, questions, strict=True)]
            kept, reason = FILTERS[self.name](pools, self.k), f"rationales not kept by {self.name}"
        elif self.name == "first":
            kept, reason = [[0] for _ in questions], "rationales after the first"
        else:
            return [list(range(len(its))) for its in questions], Counter()
        left_out = sum(map(len, questions)) - sum(map(len, kept))
        return kept, +Counter({reason: left_out})

    def _pool(self, identifier: str, rationales: Sequence[_Rationale]) -> Pool:
        samples = np.array([rationale.sample for rationale in rationales])
        ids = np.full(len(samples), stable_hash(identifier), np.uint64)
        return Pool(
            [rationale.text for rationale in rationales],
            [rationale.mean_logprob for rationale in rationales],
            streams(self.seed, ids, samples, 0, "selection"),
        )


def _with_answers(
    answers: str,
    rationales: Sequence[_Rationale],
    positions: list[int],
    same: Callable[[str, str], bool],
) -> list[int]:
    """Those of the positions whose answers qualify."""
    if answers == "any":
        return positions
    if answers == "right":
        return [p for p in positions if rationales[p].correct]
    parsed = [p for p in positions if rationales[p].answer is not None]
    if answers == "wrong":
        return [p for p in parsed if rationales[p].correct is False]
    commonest = take_vote([rationales[p].answer for p in parsed], same).winner
    return [p for p in parsed if same(rationales[p].answer, commonest)]
