"""What a sampling job has written so far: every sample is on disk as soon as it has ended."""

import dataclasses
from pathlib import Path

from cotjax import journal
from cotjax.errors import InputError
from cotjax.journal import PATTERN

__all__ = ["PATTERN", "Entry", "Journal"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One sample of a teacher's, before it is judged.

    Attributes:
      id: Of the question.
      sample: Number of the sample.
      text: What the teacher wrote.
      logprob: Of all its tokens, in nats.
      num_tokens: Of the text, the one that ended it included.
      finish_reason: `stop` or `length`.
      conclusion: What the teacher answered when it was asked in a second prompt; empty where that
        prompt would have been too long.
    """

    id: str
    sample: int
    text: str
    logprob: float
    num_tokens: int
    finish_reason: str
    conclusion: str | None = None

    def __post_init__(self):
        if self.num_tokens < 1:
            raise InputError(f"num_tokens must be 1 or more, not {self.num_tokens}")


class Journal(journal.Journal[Entry]):
    """The samples of one process, on disk."""

    def __init__(self, folder: Path, process: int):
        """Reads what is there; a last line that was cut short by a kill is forgotten."""
        super().__init__(folder, process, Entry)
