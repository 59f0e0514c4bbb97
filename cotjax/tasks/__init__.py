"""Tasks: questions, how a student sees them, and how an answer is read from text."""

from cotjax.tasks import (  # their import fills the registry
    arithmetic,
    coins,
    fixed_choices,
    letters,
    multiple_choice,
    objects,
    symbolic,
)
from cotjax.tasks.base import (
    Procedural,
    Question,
    Task,
    configured_task,
    get_task,
    task_names,
)

__all__ = [
    "Procedural",
    "Question",
    "Task",
    "arithmetic",
    "coins",
    "configured_task",
    "fixed_choices",
    "get_task",
    "letters",
    "multiple_choice",
    "objects",
    "symbolic",
    "task_names",
]
