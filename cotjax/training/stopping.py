"""Preemption: SIGTERM and SIGINT ask a run to save and leave, amid an evaluation too."""

import itertools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import jax
from jax.experimental import multihost_utils

from cotjax.signals import c_handler, set_c_handler, tell_jax

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

    def __init__(self, saved_step: Callable[[], int]):
        """`saved_step` tells the last step that is saved."""
        self._saved_step, self._number = saved_step, 0
        self._heeded = threading.Lock()  # taken for good by whoever heeds the first signal

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

    def heed(self, number: int, _: FrameType | None = None) -> None:
        """Notes the first signal; from then on signals end the process. From any thread."""
        if not self._heeded.acquire(blocking=False):
            return
        for one in SIGNALS:
            set_c_handler(one, None)
        if jax.process_count() > 1:
            tell_jax()
        else:
            self._number = number
        _tell(
            f"{signal.Signals(number).name}: stops as soon as it has saved; a second signal stops "
            f"at once, and loses what came after step {self._saved_step()}\n"
        )


@contextmanager
def stop_signals(saved_step: Callable[[], int]) -> Iterator[Stop]:
    """Yields whether a signal has asked to stop.

    A second signal ends the process at once; the first one tells so, and what that would lose: all
    after `saved_step()`.
    """
    stop = Stop(saved_step)
    if threading.current_thread() is not threading.main_thread():  # whoever runs us there stops us
        yield stop
        return
    before = [(number, signal.getsignal(number), c_handler(number)) for number in SIGNALS]
    with _heard_at_once(stop.heed):
        for number in SIGNALS:
            signal.signal(number, stop.heed)
        try:
            yield stop
        finally:
            for number, handler, in_c in before:
                signal.signal(number, handler or signal.SIG_DFL)
                set_c_handler(number, in_c)


@contextmanager
def _heard_at_once(heed: Callable[[int], None]) -> Iterator[None]:
    """Has a thread heed signals too: Python's handlers wait while the main thread compiles."""
    ours, pythons = socket.socketpair()
    pythons.setblocking(False)

    def listen() -> None:
        while numbers := ours.recv(1):  # nothing: closed
            if numbers[0] in SIGNALS:
                heed(numbers[0])

    threading.Thread(target=listen, daemon=True).start()
    before = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        pythons.close()


def _tell(line: str) -> None:
    """Writes past Python's buffers, which a signal may have found half-way through a line."""
    os.write(sys.__stderr__.fileno(), line.encode())
