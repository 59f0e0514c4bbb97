"""Preemption: SIGTERM and SIGINT ask a run to save and leave, amid an evaluation too."""

import ctypes
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import jax
from jax.experimental import multihost_utils

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_times_asked = itertools.count(1)  # JAX compares them over the processes of a group


class Stopped(Exception):
    """A signal, `number`, has asked a run to stop."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


class Stop:
    """Whether a signal has asked this process to stop, or any process of its group.

    All processes of a group must ask at the same places: JAX finds one where all of them stop.
    """

    def __init__(self):
        self._number = 0
        self._tell_jax = _c_handler(signal.SIGTERM) if jax.process_count() > 1 else None

    def asked(self) -> int:
        """The signal that asks to stop here, or 0; in a group SIGTERM stands for both."""
        if jax.process_count() == 1 or self._number:
            return self._number
        if multihost_utils.reached_preemption_sync_point(next(_times_asked)):
            self._number = signal.SIGTERM
        return self._number

    def check(self) -> None:
        """Raises Stopped where a signal asks to stop."""
        if number := self.asked():
            raise Stopped(number)

    def ask(self, number: int) -> None:
        """Notes a signal that came to this process; JAX tells the others of its group."""
        if self._tell_jax:
            self._tell_jax(signal.SIGTERM)
        else:
            self._number = number


@contextmanager
def stop_signals(saved_step: Callable[[], int]) -> Iterator[Stop]:
    """Yields whether a signal has asked to stop.

    A second signal ends the process at once; the first one tells so, and what that would lose: all
    after `saved_step()`.
    """
    stop = Stop()

    def ask(number: int, _: FrameType | None) -> None:
        for one in SIGNALS:
            signal.signal(one, signal.SIG_DFL)
        stop.ask(number)
        _tell(
            f"{signal.Signals(number).name}: stops when the step in flight is saved; a second "
            f"signal stops at once, and loses what came after step {saved_step()}\n"
        )

    before = [(number, signal.getsignal(number), _c_handler(number)) for number in SIGNALS]
    try:
        for number in SIGNALS:
            signal.signal(number, ask)
    except ValueError:  # not in the main thread: whoever runs us there stops us
        before = []
    try:
        yield stop
    finally:
        for number, handler, in_c in before:
            signal.signal(number, handler or signal.SIG_DFL)
            ctypes.pythonapi.PyOS_setsig(number, in_c)  # JAX's, of which Python does not know


def _c_handler(number: int) -> Callable[[int], None] | None:
    """The function that C calls at a signal; None where there is none.

    In a group it is JAX's for SIGTERM: Python's handler takes its place, and calls it.
    """
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)
    find = ctypes.PYFUNCTYPE(handler, ctypes.c_int)(("PyOS_getsig", ctypes.pythonapi))
    return find(number) or None


def _tell(line: str) -> None:
    """Writes past Python's buffers, which a signal may have found half-way through a line."""
    os.write(sys.__stderr__.fileno(), line.encode())
