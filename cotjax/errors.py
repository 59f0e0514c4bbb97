"""The exceptions that scripts tell in one line, without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """A user's mistake, told in one line that names the file, line, field or config key.

    Scripts print the line and exit with code 2; no traceback is shown.
    """


class NotFiniteError(ArithmeticError):
    """A run's numbers went wrong and it can't go on; the line says where and what to try.

    Scripts print the line and exit with code 3.
    """


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Says which file could not be written: an error of one that is open does not."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error


def first_line(error: BaseException) -> str:
    """What another library's error says first; the error's type where it says nothing."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]
