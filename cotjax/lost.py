"""How a process of a group ends when another one is gone or never came, or it is interrupted."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cotjax.errors import first_line

ALONE, INTERRUPTED = 4, 130  # exit codes
# Of what Gloo, NCCL and JAX's own service say when somebody does not answer any more.
SIGNS = ("Gloo", "NCCL", "UNAVAILABLE", "Connection reset", "Connection closed", "heartbeat")
# In which all processes of a group must have joined: as long as JAX would wait by default.
JOINED_WITHIN = 300  # seconds
PATIENCE = 10.0  # seconds in which others should come to the same error
_ends = threading.Lock()  # taken for good by the thread that tells why this process ends


@contextmanager
def leaving_when_alone(code_of: Callable[[Exception], int] = lambda _: 1) -> Iterator[None]:
    """Ends this process, with one line, where an error inside comes from the end of another one.

    At once: JAX would wait at exit for the one that is gone, a minute and more, and then abort.
    Nor does an interrupted process wait for others, which would wait for it, nor for long one with
    an error of its own, which the others may not have: what it ends with then is `code_of` it.
    """
    try:
        yield
    except Exception as error:
        if cause := anothers_end(error):
            end_alone(first_line(cause))
        if is_in_group():
            _end_soon(code_of(error))
        raise
    except KeyboardInterrupt:
        if is_in_group():
            _end("interrupted", INTERRUPTED)
        raise


@contextmanager
def ending_unless_joined() -> Iterator[None]:
    """Ends this process, with one line, where a group has not come together in time.

    JAX would abort with a dump of all threads, if it is not told to wait longer.
    """
    line = (
        f"error: not all processes of the group have come within {JOINED_WITHIN:g} s: see what the "
        "others say, and start all of them again"
    )
    late = threading.Timer(JOINED_WITHIN, lambda: _end(line, ALONE))
    late.daemon = True
    late.start()
    try:
        yield
    finally:
        late.cancel()


def anothers_end(error: BaseException | None) -> BaseException | None:
    """What of an error, and of those that it was raised from, tells that another process ended."""
    if not is_in_group():
        return None
    import jax

    told = (one for one in _causes(error) if isinstance(one, jax.errors.JaxRuntimeError))
    return next((one for one in told if any(sign in str(one) for sign in SIGNS)), None)


def end_alone(sign: str) -> None:
    """Ends this process at once, with a line that says by which sign another one is gone."""
    import jax

    _end(
        f"error: another process of the group is gone ({sign}): its own output says why; "
        "start all of them again, and they go on from what is saved",
        ALONE,
        # Its service ends with process 0, whereupon JAX aborts the others: they may end before.
        wait=1.0 if jax.process_index() == 0 else 0.0,
    )


def is_in_group() -> bool:
    """Whether this process is one of several."""
    if "jax" not in sys.modules:  # scripts tell mistakes before the seconds that it takes
        return False
    import jax

    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_ending() -> bool:
    """Whether this process ends by an error, of its own or as another one is gone."""
    return _ends.locked()


def _end_soon(code: int) -> None:
    """Ends this process in some seconds, if it still waits for the others then."""
    if _ends.acquire(blocking=False):
        late = threading.Timer(PATIENCE, os._exit, [code])
        late.daemon = True
        late.start()


def _end(line: str, code: int, wait: float = 0.0) -> None:
    _ends.acquire()
    print(line, file=sys.stderr, flush=True)
    sys.stdout.flush()
    time.sleep(wait)
    os._exit(code)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
