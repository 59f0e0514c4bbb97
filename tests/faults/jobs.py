"""Jobs in processes of their own, which end in seconds unless something ends them before."""

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cotjax.lost import ALONE
from tests.conftest import REPOSITORY

Moment = Callable[[], bool]
# One device a process, and little time to compile programs that run for milliseconds.
QUICK = {
    "JAX_PLATFORMS": "cpu",
    "JAX_NUM_CPU_DEVICES": "1",
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "PYTHONPATH": str(REPOSITORY),
}
SECONDS = 600  # in which a job, or a moment of it, must have come
# What others of a group end with when one of them is gone; JAX's service goes with process 0, and
# aborts those that it is faster with than they are.
LEFT_ALONE, LEFT_BY_FIRST = {ALONE}, {ALONE, -signal.SIGABRT}


@dataclasses.dataclass(frozen=True)
class Killed:
    """How a job ended that was sent signals.

    Attributes:
      said: What each of its processes said on the error stream; nothing where the job ended before.
      seconds: Until all of them had ended.
      aborted: How many JAX aborted.
    """

    said: list[str]
    seconds: float
    aborted: int


class Job:
    """A kind of job: how it is started, what of it is worth killing, and what it must leave.

    Attributes:
      name: For the command line.
      processes: In a group that does the job; all of them get the same words.
    """

    name: str
    processes = 1

    def prepare(self, shared: Path) -> None:
        """Makes what all jobs of this kind read; `shared` also takes what they keep for others."""

    def words(self, folder: Path, shared: Path) -> list[str]:
        """The command, after the interpreter, that does the job in a folder or goes on with it."""
        raise NotImplementedError

    def moments(self, folder: Path, shared: Path) -> Mapping[str, Moment]:
        """Moments to kill it at, by name."""
        raise NotImplementedError

    def progress(self, folder: Path) -> str:
        """How far it is, in words."""
        raise NotImplementedError

    def check_same(self, folder: Path, whole: Path) -> None:
        """Asserts that a folder holds what an undisturbed job has left in `whole`."""
        raise NotImplementedError


@contextlib.contextmanager
def started(job: Job, folder: Path, shared: Path) -> Iterator[list[subprocess.Popen]]:
    """The processes of a job, whose error streams can be read; none is left afterwards."""
    environment = os.environ | QUICK | {"JAX_COMPILATION_CACHE_DIR": str(compiled(shared))}
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, *job.words(folder, shared)]
    members = _members(job.processes)
    processes = [subprocess.Popen(command + one, env=environment, **pipes) for one in members]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _members(count: int) -> list[list[str]]:
    """The words that make a process a member of a group; none for one alone."""
    if count == 1:
        return [[]]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"--coordinator_address=localhost:{free.getsockname()[1]}"
    return [[address, f"--num_processes={count}", f"--process_id={n}"] for n in range(count)]


def compiled(shared: Path) -> Path:
    """Where jobs keep what they have compiled."""
    return shared / "caches" / "compiled"


def tokens(shared: Path) -> Path:
    """Where jobs keep what they have tokenised."""
    return shared / "caches" / "tokens"


def forget_caches(shared: Path) -> None:
    """Has the next job tokenise and compile anew."""
    shutil.rmtree(shared / "caches", ignore_errors=True)


def finish(job: Job, folder: Path, shared: Path) -> str:
    """Does a job to its end; returns what it said on the error streams."""
    with started(job, folder, shared) as processes:
        said = [process.communicate(timeout=SECONDS)[1] for process in processes]
        assert not any(process.returncode for process in processes), said
    return "\n".join(said)


def kill(
    job: Job,
    folder: Path,
    shared: Path,
    moment: str | Moment,
    *signals: signal.Signals,
    victim: int = 0,
) -> Killed:
    """Starts a job and sends one of its processes signals at a moment."""
    if isinstance(moment, str):
        moment = job.moments(folder, shared)[moment]
    with started(job, folder, shared) as processes:
        is_in_time = wait_for(processes, moment)
        for number in signals if is_in_time else ():
            processes[victim].send_signal(number)
        sent = time.monotonic()
        said = [process.communicate(timeout=SECONDS)[1] for process in processes]
    seconds = time.monotonic() - sent
    codes = [process.returncode for process in processes]
    if not is_in_time:
        assert not any(codes), (codes, said)
        return Killed([], seconds, 0)
    # Two that wait for a process at once reach it in either order, and may count as one.
    ended = {code for number in signals for code in (-number, 128 + number)}
    ended |= {0}  # just before its end
    if job.processes > 1:  # which all stop after the same step then
        ended |= {128 + signal.SIGTERM}
    left = ended | (LEFT_ALONE if victim else LEFT_BY_FIRST)
    for number, code in enumerate(codes):
        assert code in (ended if number == victim else left), (codes, said)
    return Killed(said, seconds, codes.count(-signal.SIGABRT))


def is_now(moment: Moment) -> bool:
    """Whether a moment has come; a folder that it looks into may not be there yet."""
    with contextlib.suppress(FileNotFoundError):
        return moment()
    return False


def wait_for(processes: list, moment: Moment) -> bool:
    """Returns when `moment()` is true, or, with False, when a process is over."""
    end = time.monotonic() + SECONDS
    while all(process.poll() is None for process in processes):
        if is_now(moment):
            return True
        assert time.monotonic() < end, "the moment never came"
        time.sleep(0.003)
    return False
