"""Memory: what there is, whether what is to be read fits, and what becomes of what is freed."""

import ctypes
import functools
import resource
from collections.abc import Iterator
from pathlib import Path

from cotjax.errors import InputError

MEMINFO, STATUS = Path("/proc/meminfo"), Path("/proc/self/status")
GROUP = Path("/sys/fs/cgroup")  # of a container, as it sees itself
# Numbers of mallopt(3): M_MMAP_MAX (no block by itself), M_TRIM_THRESHOLD (never), M_ARENA_MAX (one
# heap for all threads), M_TOP_PAD (it grows by 64 MiB); and the first two as glibc has them.
KEEPING = {-4: 0, -1: -1, -8: 1, -2: 2**26}
GIVING_BACK = {-4: 2**16, -1: 2**17}
CUSHION, FENCE = 2**30, 2**20  # bytes; nothing of them is used until it is needed


def refuse_if_too_large(what: str, needed: int) -> None:
    """Raises InputError where bytes that are needed are more than there are.

    Args:
      what: What they are needed for, for the message.
      needed: How many; a bound that was measured, see docs/reliability.md.
    """
    _hand_back()
    free = free_bytes()
    if free is not None and needed > free:
        raise InputError(
            f"{what}: may take {gib(needed)} of memory, and {gib(free)} are free: take fewer "
            "records, or a machine with more memory"
        )


def free_bytes() -> int | None:
    """Bytes that this process may still take; None where the system does not tell (not Linux).

    The least of what the machine, its container and the limit on the process (`ulimit -v`) leave.
    """
    free = [free for _, free in _pools()]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and STATUS.exists():
        free.append(limit - (_field(STATUS, "VmSize") or 0))
    return min(free, default=None)


def machine_memory() -> tuple[int, int] | None:
    """All bytes of the machine, or of the container if that has less left, and those still free.

    None where the system does not tell. What files are cached in counts as free, and free swap too.
    """
    pools = list(_pools())
    if MEMINFO.exists() and pools:
        total, free = pools[0]
        pools[0] = total, free + (_field(MEMINFO, "SwapFree") or 0)
    return min(pools, key=lambda pool: pool[1], default=None)


def resident_bytes() -> int:
    """Memory of this process that is not swapped out; on Linux alone."""
    return _field(STATUS, "VmRSS") or 0


def keep_freed() -> None:
    """Keeps memory that is freed for what is allocated next, instead of handing it back.

    On a CPU a train step allocates some GiB and frees them: handed back, each page of them would be
    a fault in the next step, up to half of its time. What is kept still counts as used by the
    process. Does nothing where the C library is not glibc. Must run before anything starts a
    thread: glibc decides then how many heaps there are, and only the first keeps large blocks.
    """
    if _set_options(KEEPING):
        _make_cushion()


def give_back() -> None:
    """Hands back what is free, and from now on what is freed.

    For a block that lies in what was freed keeps the next large one from fitting there, and so all
    of it may be allocated twice.
    """
    _set_options(GIVING_BACK)
    _hand_back()


def _hand_back() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@functools.cache
def _make_cushion() -> None:
    """Frees a block, so that small ones that come between two steps lie there.

    For glibc takes the smallest free block that is large enough. Behind it stands one that is never
    freed, or it would be a part of what was never used, which glibc takes last.
    """
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    cushion, _ = libc.malloc(CUSHION), libc.malloc(FENCE)
    libc.free(cushion)


def _set_options(options: dict[int, int]) -> bool:
    """Whether there is an allocator that knows them."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in options.items():
            set_option(option, value)
    return set_option is not None


def _pools() -> Iterator[tuple[int, int]]:
    """(all, free) bytes of the machine, and of the container if there is one."""
    if MEMINFO.exists() and (available := _field(MEMINFO, "MemAvailable")) is not None:
        yield _field(MEMINFO, "MemTotal") or available, available
    most, used, stat = (GROUP / f"memory.{name}" for name in ("max", "current", "stat"))
    if most.exists() and used.exists() and (limit := most.read_text().strip()).isdecimal():
        lines = stat.read_text().splitlines() if stat.exists() else []
        cached = sum(
            int(line.split()[1])
            for line in lines
            if line.startswith(("active_file ", "inactive_file "))
        )
        yield int(limit), int(limit) - int(used.read_text()) + cached


def _field(file: Path, name: str) -> int | None:
    """Bytes, of a field in kB; None where it is missing."""
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    return None


def gib(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 2**30:,.1f} GiB"
