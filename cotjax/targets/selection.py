"""Which of a question's rationales become targets."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol


class _Rationale(Protocol):
    correct: bool | None


@dataclasses.dataclass(frozen=True)
class Selection:
    """Keeps some of a question's rationales.

    Attributes:
      name: `all`, or `first`: the first of those that qualify.
      correct_only: Whether rationales with a wrong or unparsed answer are dropped.
    """

    name: str = "all"
    correct_only: bool = False

    def choose(self, rationales: Sequence[_Rationale]) -> list[int]:
        """Positions of the rationales that become targets."""
        chosen = [
            position
            for position, rationale in enumerate(rationales)
            if rationale.correct or not self.correct_only
        ]
        return chosen[:1] if self.name == "first" else chosen
