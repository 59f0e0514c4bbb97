"""The host's part of sampling: which slot writes which sample, and when a sample has ended."""

import collections
import contextlib
import dataclasses
import time
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from cotjax.decoding.compilations import compilations
from cotjax.decoding.engine import (
    ENDED,
    FULL,
    RUNNING,
    Orders,
    Reader,
    Rules,
    Sizes,
    decode,
    empty_slots,
    read_prefix,
    read_prompts,
)
from cotjax.decoding.sampling import sample_key
from cotjax.decoding.stops import StopStrings

PROMPTS_AT_ONCE = (4, 1)  # batch sizes in which prompts are run
LENGTH_FRACTIONS = (4, 2, 1)  # of the longest prompt: the lengths to which prompts are padded
LENGTH_MULTIPLE = 16


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


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a teacher wrote.

    Attributes:
      id: Of the question.
      number: Of the sample.
      text: Without the stop string or end token.
      tokens: All that were sampled, those that end the sample included.
      logprobs: Of each token, by the plain model, in nats.
      finish_reason: `stop` (an end token or a stop string) or `length`.
    """

    id: str
    number: int
    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: str


@dataclasses.dataclass
class Work:
    """What sampling has cost so far.

    Attributes:
      samples: Samples that ended.
      sampled: Tokens of these.
      prefix: Tokens of the shared prefix, run once.
      prompts: Tokens of prompts behind the prefix that were run, padding not counted.
      steps: Steps of the decoding loop.
      slot_steps: Steps times slots: the tokens that could have been written.
      prompt_seconds: Time spent reading prefix and prompts.
      decode_seconds: Time spent writing.
      compilations: Programs that were compiled, in both.
      compile_seconds: Time that this took, in both.
    """

    samples: int = 0
    sampled: int = 0
    prefix: int = 0
    prompts: int = 0
    steps: int = 0
    slot_steps: int = 0
    prompt_seconds: float = 0.0
    decode_seconds: float = 0.0
    compilations: int = 0
    compile_seconds: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return Work(*(mine + its for mine, its in pairs))

    @property
    def rate(self) -> float:
        """Tokens kept a second, prompts and compilation included."""
        return self.sampled / max(self.prompt_seconds + self.decode_seconds, 1e-9)

    @property
    def occupancy(self) -> float:
        """Share of the slots' steps that wrote a token which was kept."""
        return self.sampled / max(self.slot_steps, 1)


@dataclasses.dataclass
class _Entry:
    """A prompt that the device keeps: `waiting` samples are not begun, `open` not ended."""

    prompt: Prompt
    places: tuple[int, ...]  # of each context in the cache
    waiting: collections.deque[int]
    open: int


class Scheduler:
    """Writes samples with one teacher; may be used for several runs with one prefix.

    Attributes:
      work: What was done so far.
    """

    def __init__(
        self,
        reader: Reader,
        params: Any,
        tokenizer: Any,
        rules: Rules,
        sizes: Sizes,
        mesh: Mesh,
        *,
        seed: int,
        prefix: tuple[int, ...] = (),
        stops: tuple[str, ...] = (),
    ):
        """Runs the shared prefix.

        Args:
          reader: The teacher.
          params: Of the teacher.
          tokenizer: Turns tokens into text.
          rules: How samples are written.
          sizes: What there is room for.
          mesh: Where parameters and slots lie.
          seed: Of all samples.
          prefix: Tokens that every prompt begins with.
          stops: Strings that end a sample.
        """
        self.work = Work()
        self._reader, self._params, self._rules, self._sizes = reader, params, rules, sizes
        self._seed = seed
        self._stops = StopStrings(stops, tokenizer)
        self._marks = self._stops.marks
        self._mesh = mesh
        self._slots = empty_slots(reader, sizes, mesh)
        self._lengths = _padded_lengths(sizes.question)
        if prefix:
            with self._timed("prompt_seconds"), jax.set_mesh(mesh):
                self._slots = read_prefix(reader, params, self._slots, np.array(prefix, np.int32))
        self.work.prefix = len(prefix)

    @property
    def slots(self) -> int:
        """Samples that are written at once."""
        return self._sizes.slots

    def run(self, prompts: Iterable[Prompt]) -> Iterator[Sample]:
        """Yields every sample of `prompts`, in the order in which they end."""
        board = _Board(prompts, self._sizes, self._seed)
        while True:
            orders, new = board.deal()
            if not board.owners:
                return
            self._read(new)
            for slot, sample in self._write(orders, board.owners):
                yield sample
                board.take(slot)

    def _read(self, new: list[_Entry]) -> None:
        """Runs new prompts, but for their last tokens: samples begin by reading these."""
        pending = [
            (tokens[:-1], place)
            for entry in new
            for tokens, place in zip(entry.prompt.tokens, entry.places, strict=True)
        ]
        pending.sort(key=lambda item: len(item[0]))
        with self._timed("prompt_seconds"), jax.set_mesh(self._mesh):
            while pending:
                size = next(size for size in PROMPTS_AT_ONCE if size <= len(pending))
                self._read_some(pending[-size:])
                del pending[-size:]
            jax.block_until_ready(self._slots.length)

    def _read_some(self, some: list[tuple[tuple[int, ...], int]]) -> None:
        longest = max(len(tokens) for tokens, _ in some)
        width = next(length for length in self._lengths if length >= longest)
        padded = np.zeros((len(some), width), np.int32)
        for row, (tokens, _) in enumerate(some):
            padded[row, : len(tokens)] = tokens
        lengths = np.array([len(tokens) for tokens, _ in some], np.int32)
        at = np.array([place for _, place in some], np.int32)
        self._slots = read_prompts(self._reader, self._params, self._slots, padded, lengths, at)
        self.work.prompts += int(lengths.sum())

    def _write(
        self, orders: Orders, owners: dict[int, tuple[_Entry, int]]
    ) -> Iterator[tuple[int, Sample]]:
        """Decodes until the device wants the host, and yields what has ended, by slot."""
        with self._timed("decode_seconds"), jax.set_mesh(self._mesh):
            self._slots, steps = decode(
                self._reader, self._rules, self._params, self._slots, orders, self._marks
            )
            seen = (self._slots.state, self._slots.length, self._slots.marked)
            (state, length, marked), steps = jax.device_get((seen, steps))
        self.work.steps += int(steps)
        self.work.slot_steps += int(steps) * self._sizes.slots
        may_have_ended = [slot for slot in owners if state[slot] != RUNNING or marked[slot]]
        if may_have_ended:
            written, logprobs = jax.device_get((self._slots.written, self._slots.logprobs))
        for slot in may_have_ended:
            (entry, number), count = owners[slot], length[slot]
            end = self._end(written[slot, :count].tolist(), state[slot])
            if end is not None:
                kept, text, reason = end
                tokens, each = written[slot, :kept].tolist(), logprobs[slot, :kept].tolist()
                self.work.samples += 1
                self.work.sampled += kept
                yield slot, Sample(entry.prompt.id, number, text, tokens, each, reason)

    def _end(self, tokens: list[int], state: int) -> tuple[int, str, str] | None:
        """How many tokens a sample has, its text and why it ended; None if it goes on."""
        found = self._stops.find(tokens)
        if found is not None:
            return (*found, "stop")
        if state == ENDED:
            return len(tokens), self._stops.decode(tokens[:-1]), "stop"
        if state == FULL:
            return len(tokens), self._stops.decode(tokens), "length"
        return None

    @contextlib.contextmanager
    def _timed(self, field: str) -> Iterator[None]:
        start = time.monotonic()
        with compilations() as compiled:
            yield
        setattr(self.work, field, getattr(self.work, field) + time.monotonic() - start)
        self.work.compilations += len(compiled)
        self.work.compile_seconds += sum(compiled)


class _Board:
    """Which slot writes which sample.

    Attributes:
      owners: What each busy slot writes: the prompt and the number of the sample.
    """

    def __init__(self, prompts: Iterable[Prompt], sizes: Sizes, seed: int):
        self.owners: dict[int, tuple[_Entry, int]] = {}
        self._prompts, self._sizes, self._seed = iter(prompts), sizes, seed
        self._places = list(range(sizes.entries))
        self._current: _Entry | None = None  # the prompt whose samples are handed out
        self._release = np.zeros(sizes.slots, bool)

    def deal(self) -> tuple[Orders, list[_Entry]]:
        """Gives idle slots their samples; returns that and the prompts that are new."""
        slots, rows = self._sizes.slots, self._sizes.rows
        orders = Orders(
            begin=np.zeros(slots, bool),
            release=self._release,
            entry=np.zeros(rows, np.int32),
            token=np.zeros(rows, np.int32),
            keys=np.zeros((slots, 2), np.uint32),
        )
        self._release = np.zeros(slots, bool)
        new: list[_Entry] = []
        for slot in range(slots):
            if slot in self.owners:
                continue
            entry = self._entry(new)
            if entry is None:
                break
            number = entry.waiting.popleft()
            self.owners[slot] = (entry, number)
            orders.begin[slot] = True
            orders.entry[slot::slots] = entry.places
            orders.token[slot::slots] = [tokens[-1] for tokens in entry.prompt.tokens]
            orders.keys[slot] = sample_key(self._seed, entry.prompt.id, number)
        return orders, new

    def take(self, slot: int) -> None:
        """Notes that a slot's sample has ended."""
        entry, _ = self.owners.pop(slot)
        self._release[slot] = True
        entry.open -= 1
        if entry.open == 0:
            self._places += entry.places

    def _entry(self, new: list[_Entry]) -> _Entry | None:
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
                self._current = _Entry(prompt, places, waiting, len(waiting))
                new.append(self._current)
        return self._current


def _padded_lengths(longest: int) -> list[int]:
    """The few lengths to which prompts are padded, rising."""
    parts = [-(-longest // fraction) for fraction in LENGTH_FRACTIONS]
    rounded = {-(-part // LENGTH_MULTIPLE) * LENGTH_MULTIPLE for part in parts}
    return sorted(min(length, longest) for length in rounded)
