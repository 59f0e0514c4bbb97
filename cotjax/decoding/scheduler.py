"""The host's part of sampling: which slot writes which sample, and when a sample has ended."""

import contextlib
import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from cotjax.compilations import compilations
from cotjax.decoding.board import Board, Kept, Prompt
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
from cotjax.decoding.stops import StopStrings

PROMPTS_AT_ONCE = (4, 1)  # batch sizes in which prompts are run
LENGTH_FRACTIONS = (4, 2, 1)  # of the longest prompt: the lengths to which prompts are padded
LENGTH_MULTIPLE = 16


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
      unshared: Tokens of prompts that these samples would have read one by one.
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
    unshared: int = 0
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


class Scheduler:
    """Writes samples with one teacher; may be used for several runs with one prefix.

    Attributes:
      work: What was done so far.
      sizes: What there is room for.
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
        self.sizes = sizes
        self._reader, self._params, self._rules = reader, params, rules
        self._seed = seed
        self._stops = StopStrings(stops, tokenizer)
        self._marks = self._stops.marks(rules.ends)
        self._mesh = mesh
        self._slots = empty_slots(reader, sizes, mesh)
        self._lengths = _padded_lengths(sizes.question)
        if prefix:
            with self._timed("prompt_seconds"), jax.set_mesh(mesh):
                self._slots = read_prefix(reader, params, self._slots, np.array(prefix, np.int32))
        self.work.prefix = len(prefix)

    def run(self, prompts: Iterable[Prompt]) -> Iterator[Sample]:
        """Yields every sample of `prompts`, in the order in which they end."""
        board = Board(prompts, self.sizes, self._seed)
        while True:
            orders, new = board.deal()
            if not board.owners:
                return
            self._read(new)
            for slot, sample in self._write(orders, board.owners):
                yield sample
                board.take(slot)

    def _read(self, new: list[Kept]) -> None:
        """Runs new prompts, but for their last tokens: samples begin by reading these."""
        pending = [
            (tokens[:-1], place)
            for kept in new
            for tokens, place in zip(kept.prompt.tokens, kept.places, strict=True)
        ]
        pending.sort(key=self._width)
        with self._timed("prompt_seconds"), jax.set_mesh(self._mesh):
            # None is padded to another's width: it is rounded alike whatever stands beside it.
            for width, group in itertools.groupby(pending, self._width):
                some = list(group)
                while some:
                    size = next(size for size in PROMPTS_AT_ONCE if size <= len(some))
                    self._read_some(some[-size:], width)
                    del some[-size:]
            jax.block_until_ready(self._slots.length)

    def _width(self, item: tuple[tuple[int, ...], int]) -> int:
        """The length to which a prompt is padded."""
        return next(length for length in self._lengths if length >= len(item[0]))

    def _read_some(self, some: list[tuple[tuple[int, ...], int]], width: int) -> None:
        padded = np.zeros((len(some), width), np.int32)
        for row, (tokens, _) in enumerate(some):
            padded[row, : len(tokens)] = tokens
        lengths = np.array([len(tokens) for tokens, _ in some], np.int32)
        at = np.array([place for _, place in some], np.int32)
        self._slots = read_prompts(self._reader, self._params, self._slots, padded, lengths, at)
        self.work.prompts += int(lengths.sum())

    def _write(
        self, orders: Orders, owners: dict[int, tuple[Kept, int]]
    ) -> Iterator[tuple[int, Sample]]:
        """Decodes until the device wants the host, and yields what has ended, by slot."""
        with self._timed("decode_seconds"), jax.set_mesh(self._mesh):
            self._slots, steps = decode(
                self._reader, self._rules, self._params, self._slots, orders, self._marks
            )
            seen = (self._slots.state, self._slots.length, self._slots.marked)
            (state, length, marked), steps = jax.device_get((seen, steps))
        self.work.steps += int(steps)
        self.work.slot_steps += int(steps) * self.sizes.slots
        may_have_ended = [slot for slot in owners if state[slot] != RUNNING or marked[slot]]
        if may_have_ended:
            written, logprobs = jax.device_get((self._slots.written, self._slots.logprobs))
        for slot in may_have_ended:
            (kept, number), count = owners[slot], length[slot]
            end = self._end(written[slot, :count].tolist(), state[slot])
            if end is not None:
                count, text, reason = end
                self.work.samples += 1
                self.work.sampled += count
                self.work.unshared += self._unshared(kept.prompt)
                tokens, each = written[slot, :count].tolist(), logprobs[slot, :count].tolist()
                sample = Sample(kept.prompt.id, number, text, tuple(tokens), tuple(each), reason)
                yield slot, sample

    def _unshared(self, prompt: Prompt) -> int:
        """Tokens of a prompt with all that it shares, in every context."""
        return sum(self.work.prefix + len(tokens) for tokens in prompt.tokens)

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


def _padded_lengths(longest: int) -> list[int]:
    """The few lengths to which prompts are padded, rising."""
    parts = [-(-longest // fraction) for fraction in LENGTH_FRACTIONS]
    rounded = {-(-part // LENGTH_MULTIPLE) * LENGTH_MULTIPLE for part in parts}
    return sorted(min(length, longest) for length in rounded)
