"""Counts what JAX compiles."""

import contextlib
from collections.abc import Iterator

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"
_listening: list[list[float]] = []


@contextlib.contextmanager
def compilations() -> Iterator[list[float]]:
    """Yields a list that gets the seconds of each compilation while the context lasts."""
    seconds: list[float] = []
    _listening.append(seconds)
    try:
        yield seconds
    finally:
        _listening.remove(seconds)


def _hear(event: str, duration: float, **_) -> None:
    if event == _EVENT:
        for seconds in _listening:
            seconds.append(duration)


jax.monitoring.register_event_duration_secs_listener(_hear)
