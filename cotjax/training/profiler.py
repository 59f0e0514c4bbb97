"""A profiler trace of some steps, for TensorBoard."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax


class Profiler:
    """Traces the steps from `first` on, `count` of them, into a folder; none where it is None."""

    def __init__(self, first: int | None, count: int, folder: Path):
        self._first, self._count, self._folder = first, count, folder
        self._tracing = False

    @contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Surrounds the step after `number` steps; starts and ends the trace where it is due."""
        if number == self._first:
            jax.profiler.start_trace(str(self._folder))
            self._tracing = True
        with jax.profiler.StepTraceAnnotation("train", step_num=number):
            yield
        if self._tracing and number + 1 == self._first + self._count:
            self.close()

    def close(self) -> None:
        """Ends a trace that is going on, its steps done."""
        if self._tracing:
            jax.block_until_ready(jax.live_arrays())
            jax.profiler.stop_trace()
            self._tracing = False
