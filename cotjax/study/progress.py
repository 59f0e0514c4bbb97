"""Two bars: the runs of a study, and whatever the run in progress shows."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from cotjax.study.grid import PlannedRun
from cotjax.training.writers import columns


class StudyProgress(Progress):
    """A run reports into it as into any other; the study's own bar counts runs.

    Attributes:
      study: The id of that bar.
    """

    def __init__(self, runs: int, finished: int, console: Console):
        """Shows `runs`, of which `finished` were done before."""
        # An estimate from the last half minute, rich's default, would forget whole runs.
        super().__init__(*columns(), console=console, speed_estimate_period=3600)
        self._runs, self._finished = runs, finished
        self.study = self.add_task(
            "study", total=runs, completed=finished, rate="", visible=finished < runs
        )
        self.advance(self.study, 0)  # from here on rich measures how long a run takes

    @contextmanager
    def working_on(self, run: PlannedRun) -> Iterator[None]:
        """Says which run is in progress; at its end the study's bar moves on."""
        description = f"run {self._finished + 1} of {self._runs}: {run.spoken}"
        self.update(self.study, description=description)
        yield
        for left in set(self.task_ids) - {self.study}:  # by a run that failed
            self.remove_task(left)
        self._finished += 1
        self.advance(self.study)
