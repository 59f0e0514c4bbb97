"""Which process does a run: a file in its folder, so that no two train the same one."""

import datetime
import fcntl
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cotjax.errors import InputError
from cotjax.json_files import dump_json, read_json

CLAIM = "claim.json"  # empty where nobody does the run
PROCESSES = Path("/proc")  # where Linux tells of them


@contextmanager
def claimed(folder: Path) -> Iterator[str]:
    """Claims a run for this process for as long as it is done here.

    A process that is killed leaves its claim behind, which is void where its host sees it is over.

    Yields:
      Nothing (an empty text), or who does the run already; then it is not claimed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / CLAIM
    holder = _take(file)
    try:
        yield holder
    finally:
        if not holder:
            file.write_text("")  # a file that is gone could not be locked


def holder_of(folder: Path) -> str:
    """Who else does the run in a folder, in words; empty if nobody does."""
    file = folder / CLAIM
    if not file.exists() or not file.stat().st_size:
        return ""
    try:
        return _holder(read_json(file))
    except (InputError, KeyError, TypeError):  # cut short by a full disk
        return ""


def _take(file: Path) -> str:
    """Writes the claim of this process, or returns who has one."""
    with file.open("a", encoding="utf-8") as opened:
        with suppress(OSError):  # which some network file systems raise: they have no locks
            fcntl.flock(opened, fcntl.LOCK_EX)  # or two could read at once that it is free
        holder = holder_of(file.parent)
        if not holder:
            opened.truncate(0)
            opened.write(dump_json(_own()) + "\n")
        return holder


def _own() -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    own = os.getpid()
    return {
        "host": socket.gethostname(),
        "process": own,
        "process_began": _beginning(own),
        "since": now,
    }


def _holder(claim: Mapping[str, Any]) -> str:
    """Who holds a claim, unless that is this process, or one of this host that is over."""
    host, process = claim["host"], claim["process"]
    is_over = process == os.getpid() or _beginning(process) != claim["process_began"]
    if host == socket.gethostname() and is_over:
        return ""
    return f"{host} (process {process}, since {claim['since']})"


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
