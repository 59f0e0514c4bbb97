"""What C calls at a signal: Python knows its own handlers alone, and JAX has one of its own."""

import ctypes
import signal
from collections.abc import Callable

Handler = Callable[[int], None]
_jaxs: list[Handler] = []


def c_handler(number: int) -> Handler | None:
    """The function that C calls at a signal; None where the signal has its default."""
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)
    find = ctypes.PYFUNCTYPE(handler, ctypes.c_int)(("PyOS_getsig", ctypes.pythonapi))
    return find(number) or None


def set_c_handler(number: int, handler: Handler | None) -> None:
    """Has C call a function that `c_handler` gave, or None for the default; from any thread."""
    ctypes.pythonapi.PyOS_setsig(number, handler)


def keep_jaxs_handler() -> None:
    """Takes SIGTERM back from JAX, which has taken it for a group and would ignore it.

    Until somebody asks JAX where to stop, the signal ends the process as ever.
    """
    if handler := c_handler(signal.SIGTERM):
        _jaxs[:] = [handler]
        set_c_handler(signal.SIGTERM, None)


def tell_jax() -> None:
    """Tells JAX of a SIGTERM, and so all processes of the group."""
    for handler in _jaxs:
        handler(signal.SIGTERM)
