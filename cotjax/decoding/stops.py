"""Stop strings: found in the text, wherever tokens and characters begin and end.

A text ends where the first stop string is complete; of several that are complete at the same
character the longest counts. The text before it is what the sample says. Text that may yet turn out
to be the beginning of a stop string is held back, as is a character of which bytes are missing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotjax.errors import InputError

PARTIAL = "\N{REPLACEMENT CHARACTER}"  # what decoders write for bytes that make no character


class Marks(NamedTuple):
    """Tokens that matter to stop strings, bool [vocabulary] each.

    Attributes:
      completing: They may complete one, and no other token does: a device need not disturb its host
        before one of these is sampled.
      closing: They hold a whole one, or are end tokens: whatever stands before, they end a text.
    """

    completing: np.ndarray
    closing: np.ndarray


class StopStrings:
    """What ends a sample, for one tokenizer.

    Attributes:
      stops: The strings, the longest first.
    """

    def __init__(self, stops: Sequence[str], tokenizer: Any):
        """Takes a `transformers` tokenizer; raises InputError for an empty stop string."""
        if not all(stops):
            raise InputError("config.sampling.stop: a stop string is empty: it ends every text")
        self.stops = tuple(sorted(stops, key=len, reverse=True))
        self._tokenizer = tokenizer

    def marks(self, ends: Sequence[int]) -> Marks:
        """What the tokens of the vocabulary may end, beside those that are `ends` themselves."""
        size = max(len(self._tokenizer), *(end + 1 for end in ends))
        completing, closing = np.zeros(size, bool), np.zeros(size, bool)
        for token, text in enumerate(self._texts() if self.stops else ()):
            completing[token] = self._may_complete(text)
            closing[token] = any(stop in text for stop in self.stops)
        closing[list(ends)] = True
        return Marks(completing, closing)

    def find(self, tokens: Sequence[int]) -> tuple[int, str] | None:
        """Returns how many of `tokens` it takes to complete a stop string, and the text before it.

        None where they hold none.
        """
        text = self.decode(tokens)
        if not any(stop in text for stop in self.stops):
            return None
        watch = Watch(self)
        watch.feed(tokens)
        return (watch.used, watch.text) if watch.ended else None

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of tokens, special ones left out."""
        return self._tokenizer.decode(tokens, skip_special_tokens=True)

    def first_end(self, text: str) -> tuple[int, int] | None:
        """Where in `text` the stop string begins and ends that is the first to end."""
        starts = [(text.find(stop), len(stop)) for stop in self.stops]
        found = [(start, start + size) for start, size in starts if start >= 0]
        # The stop strings are sorted: min keeps the longest of those that end together.
        return min(found, key=lambda span: span[1], default=None)

    def held(self, text: str) -> int:
        """How many of the last characters of `text` may be the beginning of a stop string."""
        longest = min(len(self.stops[0]) - 1, len(text)) if self.stops else 0
        return next(
            (
                size
                for size in range(longest, 0, -1)
                if any(stop.startswith(text[-size:]) for stop in self.stops)
            ),
            0,
        )

    def _texts(self) -> list[str]:
        """What each token says behind another: decoders may drop the space a text begins with."""
        anchor = self._tokenizer.encode("a", add_special_tokens=False)[-1]
        skip = len(self.decode([anchor]))
        pairs = [[anchor, token] for token in range(len(self._tokenizer))]
        return [text[skip:] for text in self._tokenizer.batch_decode(pairs)]

    def _may_complete(self, text: str) -> bool:
        if PARTIAL in text:  # bytes of a character; an ASCII character has but one
            return any(not stop.isascii() for stop in self.stops) or self._holds_end(text)
        return self._holds_end(text)

    def _holds_end(self, text: str) -> bool:
        """Whether `text` holds a whole stop string, or begins with the end of one."""
        return any(
            stop in text or any(text.startswith(stop[i:]) for i in range(1, len(stop)))
            for stop in self.stops
        )


class Watch:
    """The text of one sample as its tokens come.

    Attributes:
      text: What is certain to be said, so far.
      used: Tokens read; those behind a stop string are not.
      ended: Whether a stop string was found.
    """

    def __init__(self, stops: StopStrings):
        """Starts without any text."""
        self.text, self.used, self.ended = "", 0, False
        self._stops = stops
        self._held = ""  # certain text that may be the beginning of a stop string
        # A window of tokens that begins and, but for missing bytes, ends with whole characters.
        self._tokens: list[int] = []
        self._begins = 0  # where in it the next window begins
        self._shown = 0  # characters of its text that are released already

    def feed(self, tokens: Sequence[int]) -> str:
        """Reads tokens up to the end of a stop string; returns the text that became certain."""
        before = len(self.text)
        for token in tokens:
            if self.ended:
                break
            self._tokens.append(token)
            self.used += 1
            self._release(self._decode())
        return self.text[before:]

    def finish(self) -> str:
        """Returns the text that was held back: no more tokens will come."""
        before = len(self.text)
        if not self.ended:
            self._release(self._decode(is_last=True))
            self.text += self._held
            self._held = ""
        return self.text[before:]

    def _decode(self, is_last: bool = False) -> str:
        """New text, but for characters of which bytes are missing."""
        text = self._stops.decode(self._tokens)
        whole = text if is_last else text.rstrip(PARTIAL)
        new, self._shown = whole[self._shown :], len(whole)
        if new and whole == text:
            # What was just read stays: a decoder may drop the space that a text begins with.
            self._tokens = self._tokens[self._begins :]
            self._begins = len(self._tokens)
            self._shown = len(self._stops.decode(self._tokens))
        return new

    def _release(self, text: str) -> None:
        """Moves what can't belong to a stop string any more to the text."""
        if self.ended or not text:
            return
        text = self._held + text
        span = self._stops.first_end(text)
        if span:
            self.ended = True
            self.text += text[: span[0]]
            self._held = ""
            return
        certain = len(text) - self._stops.held(text)
        self.text += text[:certain]
        self._held = text[certain:]
