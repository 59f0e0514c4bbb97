"""What a run tells: lines on the terminal and in log.txt, scalars in files, a progress bar."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cotjax.errors import InputError, naming
from cotjax.json_files import dump_json, replace_file


def make_progress(console: Console | None = None) -> Progress:
    """A progress bar with an ETA and a last column for `rate`."""
    return Progress(
        *columns(),
        console=console or Console(),
        speed_estimate_period=300,  # seconds; evaluation makes steps come in bursts
    )


def columns() -> tuple[ProgressColumn, ...]:
    """What every bar shows; its tasks have a field `rate`."""
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rate]}"),
    )


class RunWriter:
    """Writes a run's log, scalars and TensorBoard events; on process 0 alone.

    Attributes:
      progress: The bar, shown while the writer is entered; shared when given.
    """

    def __init__(self, workdir: Path, progress: Progress | None = None):
        """Opens the files of `workdir`; `progress` is another's bar to write into."""
        self._first = jax.process_index() == 0
        self._shared = progress is not None
        self.progress = progress or make_progress()
        if not self._first:
            self.progress.disable = True
            return
        import tensorflow as tf

        self._scalars, self._faults = workdir / "metrics.jsonl", workdir / "faults.jsonl"
        self._log_file, self._events_folder = workdir / "log.txt", workdir / "events"
        self._log = self._log_file.open("a", encoding="utf-8")
        with _named(self._events_folder):
            self._events = tf.summary.create_file_writer(str(self._events_folder))

    def __enter__(self) -> "RunWriter":
        if not self._shared:
            self.progress.start()
        return self

    def __exit__(self, *_) -> None:
        if not self._shared:
            self.progress.stop()
        if self._first:
            with _named(self._events_folder):
                self._events.close()
            with _named(self._log_file):
                self._log.close()

    def say(self, text: str) -> None:
        """Writes a line to the terminal (unless the bar is another's) and to log.txt."""
        if not self._first:
            return
        with _named(self._log_file):
            self._log.write(text + "\n")
            self._log.flush()
        if not self._shared:
            self.progress.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Appends a line to metrics.jsonl (null for NaN and infinity) and to TensorBoard."""
        if not self._first:
            return
        import tensorflow as tf

        _append(self._scalars, {"step": step} | dict(values))
        with _named(self._events_folder), self._events.as_default(step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def fault(self, step: int, values: Mapping[str, Any]) -> None:
        """Appends a line to faults.jsonl: what was wrong with a step."""
        if self._first:
            _append(self._faults, {"step": step} | dict(values))

    def forget_after(self, step: int, is_evaluated: bool = True) -> int:
        """Drops the scalars and faults of steps that a resumed run will take again.

        Evaluations after `step` too, where it is to be evaluated again.

        Returns:
          How many steps these are: those after `step` that were logged.
        """

        def is_kept(values: Mapping[str, Any]) -> bool:
            is_owed = not is_evaluated and any("/" in name for name in values)
            return values["step"] < step or (values["step"] == step and not is_owed)

        last = step
        for file in (self._scalars, self._faults) if self._first else ():
            if file.exists():
                lines = _read_lines(file)
                kept = [line for line, values in lines if is_kept(values)]
                last = max([last, *(values["step"] for _, values in lines)])
                replace_file(file, b"".join(line + b"\n" for line in kept))
        return last - step


def _append(file: Path, values: Mapping[str, Any]) -> None:
    with _named(file), file.open("a", encoding="utf-8") as lines:
        lines.write(dump_json(values) + "\n")


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Says which file could not be written; TensorFlow's errors do not either."""
    try:
        with naming(file):
            yield
    except OSError:
        raise
    except Exception as error:
        if type(error).__module__.startswith("tensorflow."):
            reason = str(error).partition("\n")[0].rpartition("; ")[2]
            raise InputError(f"{file}: cannot be written ({reason})") from error
        raise


def read_scalars(workdir: Path) -> list[dict[str, float]]:
    """The whole lines of metrics.jsonl, NaN for null; none where the file is missing."""
    return [
        {name: math.nan if value is None else value for name, value in values.items()}
        for _, values in _read_lines(workdir / "metrics.jsonl")
    ]


def _read_lines(file: Path) -> list[tuple[bytes, dict[str, float | None]]]:
    """Lines and their values, but for damaged ones, such as a killed run leaves unfinished."""
    lines = []
    for line in file.read_bytes().splitlines() if file.exists() else ():
        try:
            values = json.loads(line)
        except ValueError:  # not JSON, or not UTF-8
            continue
        if isinstance(values, dict) and "step" in values:
            lines.append((line, values))
    return lines
