"""Tasks: questions, how a student sees them, and how an answer is read from text."""

from cotjax.tasks import multiple_choice, symbolic  # their import fills the registry
from cotjax.tasks.base import Procedural, Question, Task, get_task, task_names

__all__ = [
    "Procedural",
    "Question",
    "Task",
    "get_task",
    "multiple_choice",
    "symbolic",
    "task_names",
]
