"""Which slot writes which sample, and which prompts the device keeps for them."""

import collections
import dataclasses
from collections.abc import Iterable

import numpy as np

from cotjax.decoding.engine import Orders, Sizes
from cotjax.decoding.sampling import sample_key


@dataclasses.dataclass(frozen=True)
class Prompt:
    """What samples are asked for.

    Attributes:
      id: Of the question: with seed and number it settles what a sample says.
      tokens: What follows the shared prefix, one or more tokens for each context.
      samples: Numbers of the samples to write.
    """

    id: str
    tokens: tuple[tuple[int, ...], ...]
    samples: tuple[int, ...]


@dataclasses.dataclass
class Kept:
    """A prompt that the device keeps until all of its samples have ended.

    Attributes:
      prompt: The prompt.
      places: Of each context among the cache's entries.
      waiting: Numbers of the samples that are not begun.
      open: How many have not ended.
    """

    prompt: Prompt
    places: tuple[int, ...]
    waiting: collections.deque[int]
    open: int


class Board:
    """Hands samples out to slots, in the order of their prompts.

    Attributes:
      owners: What each busy slot writes: the prompt and the number of the sample.
    """

    def __init__(self, prompts: Iterable[Prompt], sizes: Sizes, seed: int):
        """Takes prompts one by one, when there is a slot for them."""
        self.owners: dict[int, tuple[Kept, int]] = {}
        self._prompts, self._sizes, self._seed = iter(prompts), sizes, seed
        self._places = list(range(sizes.entries))
        self._current: Kept | None = None  # the prompt whose samples are handed out

    def deal(self) -> tuple[Orders, list[Kept]]:
        """Gives idle slots their samples; returns that and the prompts that are new."""
        slots, rows = self._sizes.slots, self._sizes.rows
        idle = [slot for slot in range(slots) if slot not in self.owners]
        orders = Orders(
            begin=np.zeros(slots, bool),
            release=np.isin(np.arange(slots), idle),
            entry=np.zeros(rows, np.int32),
            token=np.zeros(rows, np.int32),
            keys=np.zeros((slots, 2), np.uint32),
        )
        new: list[Kept] = []
        for slot in idle:
            kept = self._next(new)
            if kept is None:
                break
            number = kept.waiting.popleft()
            self.owners[slot] = (kept, number)
            orders.begin[slot] = True
            orders.entry[slot::slots] = kept.places
            orders.token[slot::slots] = [tokens[-1] for tokens in kept.prompt.tokens]
            orders.keys[slot] = sample_key(self._seed, kept.prompt.id, number)
        return orders, new

    def take(self, slot: int) -> None:
        """Notes that a slot's sample has ended."""
        kept, _ = self.owners.pop(slot)
        kept.open -= 1
        if kept.open == 0:
            self._places += kept.places

    def _next(self, new: list[Kept]) -> Kept | None:
        """The prompt to begin a sample of; None where all are begun or there is no place."""
        while self._current is None or not self._current.waiting:
            if len(self._places) < self._sizes.contexts:
                return None
            prompt = next(self._prompts, None)
            if prompt is None:
                return None
            if prompt.samples:
                places = tuple(self._places.pop() for _ in range(self._sizes.contexts))
                waiting = collections.deque(prompt.samples)
                self._current = Kept(prompt, places, waiting, len(waiting))
                new.append(self._current)
        return self._current
