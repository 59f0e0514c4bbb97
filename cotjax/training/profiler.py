"""A profiler trace of some steps, for TensorBoard and XProf."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax


class Profiler:
    """Traces the steps from the first to the last of `steps` into a folder; none where empty."""

    def __init__(self, steps: tuple[int, int] | tuple[()], folder: Path):
        self._first, self._last = steps or (None, None)
        self._folder = folder
        self._tracing = False

    @contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Surrounds step `number`, from 1; starts and ends the trace where it is due."""
        if number == self._first:
            jax.profiler.start_trace(str(self._folder))
            self._tracing = True
        with jax.profiler.StepTraceAnnotation("train", step_num=number):
            yield
        if number == self._last:
            self.close()

    def close(self) -> None:
        """Ends a trace that is going on, its steps done."""
        if self._tracing:
            jax.block_until_ready(jax.live_arrays())
            jax.profiler.stop_trace()
            self._tracing = False
