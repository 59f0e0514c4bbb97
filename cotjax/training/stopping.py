"""Preemption: SIGTERM and SIGINT ask a run to save and leave between two steps."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import jax
from jax.experimental import multihost_utils

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_signals(saved_step: Callable[[], int]) -> Iterator[Callable[[int], int]]:
    """Yields a function of the step: the signal that asks to stop after it, or 0.

    A second signal ends the process at once; the first one tells so, and what that would lose: all
    after `saved_step()`. In a run of several processes JAX agrees on one step for all of them,
    after SIGTERM to any.
    """
    if jax.process_count() > 1:
        yield (
            lambda step: (
                signal.SIGTERM if multihost_utils.reached_preemption_sync_point(step) else 0
            )
        )
        return
    received: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        received.append(number)
        for one in SIGNALS:
            signal.signal(one, signal.SIG_DFL)
        _tell(
            f"{signal.Signals(number).name}: stops when the step in flight is saved; a second "
            f"signal stops at once, and loses what came after step {saved_step()}\n"
        )

    handlers = {}
    try:
        for number in SIGNALS:
            handlers[number] = signal.signal(number, ask)
    except ValueError:  # not in the main thread: whoever runs us there stops us
        pass
    try:
        yield lambda step: received[0] if received else 0
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _tell(line: str) -> None:
    """Writes past Python's buffers, which a signal may have found half-way through a line."""
    os.write(sys.__stderr__.fileno(), line.encode())
