"""How a process of a group ends when another one of it is gone, or when it is interrupted alone."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cotjax.errors import first_line

ALONE, INTERRUPTED = 4, 130  # exit codes
# Of what Gloo, NCCL and JAX's own service say when somebody does not answer any more.
SIGNS = ("Gloo", "NCCL", "UNAVAILABLE", "Connection reset", "Connection closed", "heartbeat")


@contextmanager
def leaving_when_alone() -> Iterator[None]:
    """Ends this process, with one line, where an error inside comes from the end of another one.

    At once: JAX would wait at exit for the one that is gone, a minute and more, and then abort.
    Nor does an interrupted process wait for others, which would wait for it.
    """
    try:
        yield
    except Exception as error:
        if cause := anothers_end(error):
            _end(
                f"error: another process of the group is gone ({first_line(cause)}): its own "
                "output says why; start all of them again, and they go on from what is saved",
                ALONE,
            )
        raise
    except KeyboardInterrupt:
        if _is_in_group():
            _end("interrupted", INTERRUPTED)
        raise


def anothers_end(error: BaseException | None) -> BaseException | None:
    """What of an error, and of those that it was raised from, tells that another process ended."""
    if not _is_in_group():
        return None
    import jax

    told = (one for one in _causes(error) if isinstance(one, jax.errors.JaxRuntimeError))
    return next((one for one in told if any(sign in str(one) for sign in SIGNS)), None)


def _end(line: str, code: int) -> None:
    print(line, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(code)


def _is_in_group() -> bool:
    if "jax" not in sys.modules:  # scripts tell mistakes before the seconds that it takes
        return False
    import jax

    return jax.distributed.is_initialized() and jax.process_count() > 1


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
