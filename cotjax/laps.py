"""Wall time by what took it."""

import time
from collections.abc import Callable


class Laps:
    """Splits the time since its making, or since the last report, among what took it.

    Attributes:
      seconds: By name, in the order of their first laps.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock, self._last = clock, clock()
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str) -> None:
        """Ends a lap: the time since the one before went into what `name` says."""
        now = self._clock()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now

    def report(self) -> dict[str, float]:
        """The seconds by name, which then begin from nothing."""
        seconds, self.seconds = self.seconds, {}
        return seconds
