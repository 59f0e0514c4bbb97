"""Tracking shuffled objects: who has what after some swaps."""

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np

from cotjax.records import Rationale, Record
from cotjax.tasks.base import Procedural, register
from cotjax.tasks.multiple_choice import MultipleChoice
from cotjax.tasks.names import listed

PEOPLE = ("Alice", "Bob", "Claire", "Dave", "Eve", "Fred", "Gertrude")


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What is swapped, in the words of the questions.

    Attributes:
      start: What follows the people's names.
      has: How somebody is said to have an object at the start.
      middle: What leads to the swaps.
      swap: What two people do.
      end: Leads to the question, or to the answer.
      ends: How somebody has an object in the end.
      objects: What there is to have.
    """

    start: str
    has: str
    middle: str
    swap: str
    end: str
    ends: str
    objects: tuple[str, ...]


_COLORS = (
    "black",
    "blue",
    "brown",
    "green",
    "orange",
    "pink",
    "purple",
    "red",
    "white",
    "yellow",
)
# BIG-bench's words, its slips included: "a orange ball", and balls among the presents.
SCENARIOS = (
    Scenario(
        "are playing a game. At the start of the game, they are each holding a ball:",
        "has a",
        "As the game progresses, pairs of players trade balls.",
        "swap balls",
        "At the end of the game,",
        "has the",
        tuple(f"{color} ball" for color in _COLORS),
    ),
    Scenario(
        "are holding a white elephant gift exchange. At the start of the event, they are each"
        " holding a present of a different color:",
        "has a",
        "As the event progresses, pairs of people swap gifts.",
        "swap their gifts",
        "At the end of the event,",
        "has the",
        tuple(
            f"{color} ball" if color in ("black", "orange", "pink") else f"{color} present"
            for color in _COLORS
        ),
    ),
    Scenario(
        "are on the same team in a soccer match. At the start of the match, they are each assigned"
        " to a position:",
        "is playing",
        "As the game progresses, pairs of players occasionally swap positions.",
        "trade positions",
        "At the end of the match,",
        "is playing",
        (
            "benchwarmer",
            "center midfielder",
            "cheerleader",
            "fullback",
            "goalkeeper",
            "left midfielder",
            "left winger",
            "right midfielder",
            "right winger",
            "striker",
        ),
    ),
    Scenario(
        "are friends and avid readers who occasionally trade books. At the start of the semester,"
        " they each buy one new book:",
        "gets",
        "As the semester proceeds, they start trading around the new books.",
        "swap books",
        "At the end of the semester,",
        "has",
        (
            "Catch-22",
            "Frankenstein",
            "Hound of the Baskervilles",
            "Lolita",
            "Moby Dick",
            "The Fellowship of the Ring",
            "The Great Gatsby",
            "The Odyssey",
            "The Pearl",
            "Ulysses",
        ),
    ),
    Scenario(
        "are dancers at a square dance. At the start of a song, they each have a partner:",
        "is dancing with",
        "Throughout the song, the dancers often trade partners.",
        "switch partners",
        "At the end of the dance,",
        "is dancing with",
        (
            "Helga",
            "Izzi",
            "Jamie",
            "Karl",
            "Lola",
            "Melissa",
            "Ophelia",
            "Patrick",
            "Rodrigo",
            "Sam",
        ),
    ),
)
_OBJECTS = 10  # of each scenario


class _Story(NamedTuple):
    scenario: Scenario
    objects: tuple[str, ...]  # of each person, at the start
    swaps: tuple[tuple[int, int], ...]
    asked: int


@register("shuffled_objects")
@dataclasses.dataclass(frozen=True)
class ShuffledObjects(Procedural, MultipleChoice):
    """Tracking shuffled objects (BIG-bench, Srivastava et al., 2023; three, five or seven objects).

    Everybody has an object, and pairs swap theirs; no two swaps in a row are of one pair. The
    choices are the objects in the order of those who had them at first, so the letter says nothing.
    The rationale tells after each swap what the two have.

    Attributes:
      objects: How many people and objects there are.
      swaps: How many swaps there are; as many as objects in BIG-bench.
    """

    label_format: str = "letter"
    objects: int = 3
    swaps: int = 3

    def __post_init__(self):
        if not 3 <= self.objects <= len(PEOPLE):
            self._refuse(f"objects={self.objects} must lie between 3 and {len(PEOPLE)}")
        if self.swaps < 1:
            self._refuse(f"swaps={self.swaps} must be 1 or more")
        super().__post_init__()

    def _possible(self) -> tuple[int, str]:
        starts = len(SCENARIOS) * math.perm(_OBJECTS, self.objects)
        pairs = self.objects * (self.objects - 1)  # (Alice and Bob, Bob and Alice) are two
        orders = pairs * (pairs - 2) ** (self.swaps - 1)
        return starts * orders * self.objects, (
            f"stories: {starts} starts times {orders} orders of swaps times {self.objects} people"
            " to ask about"
        )

    @functools.cached_property
    def _drawn(self) -> list[_Story]:
        return self._different(self._draw)

    def _draw(self, random: np.random.Generator) -> _Story:
        scenario = SCENARIOS[random.integers(len(SCENARIOS))]
        objects = random.choice(_OBJECTS, self.objects, replace=False)
        swaps: list[tuple[int, int]] = []
        while len(swaps) < self.swaps:
            one, other = map(int, random.choice(self.objects, 2, replace=False))
            if not swaps or {one, other} != {*swaps[-1]}:
                swaps.append((one, other))
        asked = int(random.integers(self.objects))
        return _Story(scenario, tuple(scenario.objects[n] for n in objects), tuple(swaps), asked)

    def _record(self, identifier: str, drawn: _Story) -> Record:
        label, reason = _solve(drawn)
        rationale = Rationale(sample=0, text=reason, answer=label, correct=True)
        return Record(identifier, _question(drawn), drawn.objects, label, (rationale,))


def _question(story: _Story) -> str:
    scenario = story.scenario
    people = PEOPLE[: len(story.objects)]
    start = [
        f"{person} {scenario.has} {thing}"
        for person, thing in zip(people, story.objects, strict=True)
    ]
    return " ".join(
        [
            f"{listed(people)} {scenario.start} {listed(start)}. {scenario.middle}",
            *_swaps(story),
            f"{scenario.end} {people[story.asked]} {scenario.ends}",
        ]
    )


def _swaps(story: _Story) -> list[str]:
    """`First, Alice and Bob swap balls.` and so on."""
    words = ["First", *["Then"] * (len(story.swaps) - 2), "Finally"][: len(story.swaps)]
    return [
        f"{word}, {PEOPLE[one]} and {PEOPLE[other]} {story.scenario.swap}."
        for word, (one, other) in zip(words, story.swaps, strict=True)
    ]


def _solve(story: _Story) -> tuple[str, str]:
    """Returns what the person asked about has in the end, and how it got there."""
    now = list(story.objects)
    steps = []
    for (one, other), swap in zip(story.swaps, _swaps(story), strict=True):
        now[one], now[other] = now[other], now[one]
        has = story.scenario.ends
        steps.append(
            f"{swap} Now {PEOPLE[one]} {has} {now[one]} and {PEOPLE[other]} {has} {now[other]}."
        )
    answer = now[story.asked]
    end = f"{story.scenario.end} {PEOPLE[story.asked]} {story.scenario.ends} {answer}."
    return answer, " ".join([*steps, end])
