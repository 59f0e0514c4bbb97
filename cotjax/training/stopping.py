"""Preemption: SIGTERM and SIGINT ask a run to save and leave between two steps."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax
from jax.experimental import multihost_utils


@contextmanager
def stop_signals() -> Iterator[Callable[[int], int]]:
    """Yields a function of the step: the signal that asks to stop after it, or 0.

    In a run of several processes JAX agrees on one step for all of them, after SIGTERM to any.
    """
    if jax.process_count() > 1:
        yield (
            lambda step: (
                signal.SIGTERM if multihost_utils.reached_preemption_sync_point(step) else 0
            )
        )
        return
    received: list[int] = []
    handlers = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            handlers[number] = signal.signal(number, lambda got, _: received.append(got))
    except ValueError:  # not in the main thread: whoever runs us there stops us
        pass
    try:
        yield lambda step: received[0] if received else 0
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
