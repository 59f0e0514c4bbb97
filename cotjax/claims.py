"""Who works in a folder: a file in it, so that no two jobs write into the same one."""

import datetime
import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from cotjax.errors import InputError
from cotjax.json_files import dump_json, read_json

CLAIM = "claim.json"  # missing, or empty, where nobody works
PROCESSES = Path("/proc")  # where Linux tells of them
BEAT = 30  # seconds between two touches of a claim, by which other hosts see that it is meant
SILENT = 10 * BEAT  # seconds without one that end it; far more than clocks of hosts differ


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Claims a folder for this job; of several processes the first one holds it for all.

    Raises:
      InputError: naming host, process and start of the job that works there already.
    """
    import jax  # imported here: who only asks for a holder starts faster

    from cotjax.group import wait_for_all

    refuse_if_in_use(folder)
    wait_for_all(f"{folder}: all have seen that it is free")
    if jax.process_index():
        yield
    else:
        with claimed(folder) as holder:
            _refuse(folder, holder)
            yield
    wait_for_all(f"{folder}: free again")  # before another process looks for its next job


def refuse_if_in_use(folder: Path) -> None:
    """Raises InputError, as `alone_in` does, and claims nothing."""
    _refuse(folder, holder_of(folder))


@contextmanager
def claimed(folder: Path) -> Iterator[str]:
    """Claims a folder for this process for as long as it works there; it may do so again inside.

    A process that is killed leaves its claim behind. It is void where its host sees that the
    process is over, and on other hosts when it was not touched for `SILENT` seconds.

    Yields:
      Nothing (an empty text), or who works there already; then it is not claimed.

    Raises:
      InputError: if the folder can't be written.
    """
    file = folder / CLAIM
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_inner = _is_own(file)
        holder = _take(file)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
    if holder or is_inner:
        yield holder
        return
    over = threading.Event()
    threading.Thread(target=_beat, args=(file, over), daemon=True).start()
    try:
        yield ""
    finally:
        over.set()
        _release(file)


def holds(folder: Path) -> bool:
    """Whether this process has claimed a folder, and nobody took the folder away meanwhile."""
    return _is_own(folder / CLAIM)


def holder_of(folder: Path) -> str:
    """Who else works in a folder, in words; empty if nobody does."""
    file = folder / CLAIM
    try:
        return _holder(file) if file.stat().st_size else ""
    except OSError:  # there is none
        return ""
    except (InputError, KeyError, TypeError):  # cut short by a full disk
        return ""


def _refuse(folder: Path, holder: str) -> None:
    if holder:
        raise InputError(
            f"{folder}: in use by {holder}; two jobs can't write into one folder: wait for that "
            f"one, or choose another (if it is over, delete {CLAIM} there)"
        )


def _take(file: Path) -> str:
    """Writes the claim of this process, or returns who has one."""
    with _locked(file) as opened:
        holder = holder_of(file.parent)
        if not holder:
            opened.truncate(0)
            opened.write(dump_json(_own()) + "\n")
        return holder


def _release(file: Path) -> None:
    with suppress(OSError), _locked(file):  # the folder may be gone, or read-only by now
        if _is_own(file):
            file.unlink()


@contextmanager
def _locked(file: Path) -> Iterator[TextIO]:
    """The file of a claim, open; no other process reads or writes it meanwhile."""
    while True:
        with file.open("a", encoding="utf-8") as opened:
            with suppress(OSError):  # which some network file systems raise: they have no locks
                fcntl.flock(opened, fcntl.LOCK_EX)  # or two could read at once that it is free
            if file.exists() and os.path.samestat(os.fstat(opened.fileno()), file.stat()):
                yield opened
                return  # otherwise it was released while this process waited: another is needed


def _beat(file: Path, over: threading.Event) -> None:
    while not over.wait(BEAT):
        with suppress(OSError):
            os.utime(file)


def _own() -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    own = os.getpid()
    return {
        "host": socket.gethostname(),
        "process": own,
        "process_began": _beginning(own),
        "since": now,
    }


def _is_own(file: Path) -> bool:
    try:
        return _names(read_json(file)) == _names(_own())
    except (InputError, KeyError, TypeError):  # there is none, or it was cut short
        return False


def _names(claim: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells the process of a claim from all others."""
    return claim["host"], claim["process"], claim["process_began"]


def _holder(file: Path) -> str:
    """Who holds a claim, unless that is this process, or one that is over."""
    claim = read_json(file)
    host, process, began = _names(claim)
    if host == socket.gethostname():
        is_over = process == os.getpid() or _beginning(process) != began
    else:
        is_over = time.time() - file.stat().st_mtime > SILENT
    return "" if is_over else f"{host} (process {process}, since {claim['since']})"


def _beginning(process: int) -> str:
    """What tells a process of this host from others of its number; empty where it is over."""
    if PROCESSES.exists():
        try:
            text = (PROCESSES / str(process) / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        state, *fields = text.rpartition(")")[2].split()
        return "" if state == "Z" else fields[18]  # its start in clock ticks, see proc(5)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:  # somebody else's
        pass
    return "unknown"
