"""Coin flip: whether a coin that some people turn over still shows heads."""

import dataclasses
import functools
import math

import numpy as np

from cotjax.records import Rationale, Record
from cotjax.tasks.base import Procedural, register
from cotjax.tasks.fixed_choices import YesNo
from cotjax.tasks.names import NAMES, listed

_Flips = tuple[tuple[str, bool], ...]  # who, and whether they flip the coin


@register("coin_flip")
@dataclasses.dataclass(frozen=True)
class CoinFlip(Procedural, YesNo):
    """Coin flip (Wei et al., 2022, with the note on "flip" of Kojima et al., 2022).

    Everybody flips or leaves the coin with even chances, so yes and no are as frequent. The
    rationale counts flips, in Wei et al.'s words.

    Attributes:
      flips: How many people a question has; two to four in the paper.
    """

    label_format: str = "text"
    flips: int = 4

    def __post_init__(self):
        if not 1 <= self.flips <= len(NAMES):
            self._refuse(f"flips={self.flips} must lie between 1 and {len(NAMES)}")
        super().__post_init__()

    def _possible(self) -> tuple[int, str]:
        count = math.perm(len(NAMES), self.flips) * 2**self.flips
        return count, f"ways in which {self.flips} of {len(NAMES)} people, in order, flip or don't"

    @functools.cached_property
    def _drawn(self) -> list[_Flips]:
        return self._different(self._draw)

    def _draw(self, random: np.random.Generator) -> _Flips:
        people = random.choice(len(NAMES), self.flips, replace=False)
        flips = random.integers(2, size=self.flips)
        return tuple((NAMES[n], bool(flip)) for n, flip in zip(people, flips, strict=True))

    def _record(self, identifier: str, drawn: _Flips) -> Record:
        acts = [f"{name} {'flips' if flip else 'does not flip'} the coin." for name, flip in drawn]
        question = " ".join(
            [
                "A coin is heads up.",
                *acts,
                'Is the coin still heads up? Note that "flip" here means "reverse".',
            ]
        )
        flippers = [name for name, flip in drawn if flip]
        label = "no" if len(flippers) % 2 else "yes"
        rationale = Rationale(sample=0, text=_reason(flippers), answer=label, correct=True)
        return Record(identifier, question, self.choices, label, (rationale,))


def _reason(flippers: list[str]) -> str:
    if not flippers:
        return (
            "The coin was flipped by no one. So the coin was flipped 0 times. The coin started"
            " heads up, and it was not flipped, so it is still heads up."
        )
    count = f"{len(flippers)} time" + "s" * (len(flippers) > 1)
    parity, end = ("odd", "be tails up") if len(flippers) % 2 else ("even", "still be heads up")
    return (
        f"The coin was flipped by {listed(flippers)}. So the coin was flipped {count}, which is an"
        f" {parity} number. The coin started heads up, so after an {parity} number of flips, it"
        f" will {end}."
    )
