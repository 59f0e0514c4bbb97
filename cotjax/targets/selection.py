"""Which of a question's rationales become targets."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

Tags = Mapping[str, str | int | float]


class _Rationale(Protocol):
    correct: bool | None
    tags: Tags | None


@dataclasses.dataclass(frozen=True)
class Selection:
    """Keeps some of a question's rationales.

    Attributes:
      name: `all`, `one_per_epoch` (all, of which an epoch draws one), or `first`: the first of
        those that qualify.
      correct_only: Whether rationales with a wrong or unparsed answer are dropped.
      tags: Rationales without each of these are dropped; values are compared as texts.
    """

    name: str = "all"
    correct_only: bool = False
    tags: Tags = dataclasses.field(default_factory=dict)

    def choose(
        self, rationales: Sequence[_Rationale], tags: Tags | None = None
    ) -> tuple[list[int], Counter]:
        """Positions of the rationales that become targets, and how many don't, by reason.

        `tags` are the question's: its rationales have them too, but where theirs say otherwise.
        """
        tagged = [p for p, rationale in enumerate(rationales) if self.has_tags(rationale, tags)]
        right = [p for p in tagged if rationales[p].correct or not self.correct_only]
        chosen = right[:1] if self.name == "first" else right
        dropped = Counter(
            {
                "rationales with other tags": len(rationales) - len(tagged),
                "rationales with a wrong or unparsed answer": len(tagged) - len(right),
                "rationales after the first": len(right) - len(chosen),
            }
        )
        return chosen, +dropped

    def has_tags(self, rationale: _Rationale, tags: Tags | None = None) -> bool:
        """Whether a rationale has all the tags; `tags` are those of its question."""
        found = {**(tags or {}), **(rationale.tags or {})}
        return all(
            name in found and str(found[name]) == str(value) for name, value in self.tags.items()
        )
