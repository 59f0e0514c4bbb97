"""What of a report can't be made: an error in one part of it must not lose the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cotjax.errors import InputError


class Problems(list[dict[str, Any]]):
    """Told as runs that failed are, with the group `report`."""

    @contextmanager
    def of(self, variant: str, seed: int, what: str) -> Iterator[None]:
        """Keeps, with the run that it is of, why `what` could not be made inside."""
        try:
            yield
        except Exception as error:  # whatever it is, the other parts may be in order
            about = {"variant": variant, "seed": seed, "group": "report"}
            self.append(about | {"reason": f"{what}: {in_one_line(error)}"})


def in_one_line(error: Exception) -> str:
    """An error's words; its type as well where it is no mistake of a user's."""
    words = " ".join(str(error).split())
    return words if isinstance(error, InputError) else f"{type(error).__name__}: {words}"
