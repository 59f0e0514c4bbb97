"""What JAX compiles: counted, and kept on disk for the next process."""

import contextlib
import os
from collections.abc import Iterator

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"  # also of what is read from disk instead
_KEPT_FROM = 0.2  # seconds of compilation; what takes less is compiled again as fast as read
_listening: list[list[float]] = []


@contextlib.contextmanager
def compilations() -> Iterator[list[float]]:
    """Yields a list that gets the seconds of each compilation while the context lasts."""
    seconds: list[float] = []
    _listening.append(seconds)
    try:
        yield seconds
    finally:
        # By identity: lists of the same seconds are equal.
        _listening[:] = [other for other in _listening if other is not seconds]


def keep_compiled(folder: str | None) -> None:
    """Has JAX keep what it compiles in a folder, and read it there; None leaves JAX as it is.

    A folder serves many machines, devices and versions: what was compiled for others is not read.
    """
    if folder is not None:
        jax.config.update("jax_compilation_cache_dir", os.path.expanduser(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _KEPT_FROM)


def _hear(event: str, duration: float, **_) -> None:
    if event == _EVENT:
        for seconds in _listening:
            seconds.append(duration)


jax.monitoring.register_event_duration_secs_listener(_hear)
