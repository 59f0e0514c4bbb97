"""Two bars: all steps of a study that are still to be taken, and the run in progress."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from cotjax.study.grid import PlannedRun
from cotjax.training.writers import make_progress


class StudyProgress(Progress):
    """A run reports into it as into any other; the study's own bar moves along."""

    def __init__(self, waiting: Sequence[PlannedRun], finished: int, console: Console):
        """Shows the runs that are `waiting`; `finished` others only count."""
        # An estimate from the last half minute, rich's default, would forget evaluations.
        super().__init__(
            *make_progress(console).columns, console=console, speed_estimate_period=3600
        )
        self._begun = finished
        self._runs = finished + len(waiting)
        self._steps_done = 0
        total = sum(run.config.schedule.total_steps for run in waiting)
        self._study = self.add_task("study", total=total, rate="", visible=bool(waiting))

    @contextmanager
    def working_on(self, run: PlannedRun) -> Iterator[None]:
        """Says which run is in progress; its end moves the study's bar to where it belongs."""
        self._begun += 1
        description = f"run {self._begun} of {self._runs}: {run.name}"
        self.update(self._study, description=description)
        yield
        self._steps_done += run.config.schedule.total_steps
        self.update(self._study, completed=self._steps_done)

    def advance(self, task_id: int, advance: float = 1) -> None:
        """Moves a bar; the study's moves with the steps of a run."""
        super().advance(task_id, advance)
        if self._tasks[task_id].description == "train":
            super().advance(self._study, advance)
