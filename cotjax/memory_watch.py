"""Ends a process that is about to take the last of the memory, before the system kills it.

How much memory input takes once it is read depends on what it is: bounds that are known before are
told before (`memory.refuse_if_too_large`), and this is for all others.
"""

import os
import sys
import threading
import time

from cotjax.memory import gib, machine_memory, resident_bytes

LEFT = 2**30  # bytes that are to stay free, or, of a small machine,
SHARE = 32  # this part of its memory
OWN = 4  # a process that has less than this part is not to blame
PAUSE = 0.1  # seconds, in which nobody takes a GiB
CODE = 2


def watch_memory() -> None:
    """Watches from a thread, for as long as the process lives; does nothing where not Linux."""
    memory = machine_memory()
    if memory is not None:
        total, _ = memory
        most = min(LEFT, total // SHARE)
        threading.Thread(target=_watch, args=(most, total // OWN), daemon=True).start()


def _watch(left: int, own: int) -> None:
    while (free := machine_memory()[1]) > left or resident_bytes() < own:
        time.sleep(PAUSE)
    line = (
        f"error: memory: {gib(resident_bytes())} are taken and {gib(free)} are free: give it less "
        "input, or a machine with more memory; what is written is whole\n"
    )
    os.write(sys.__stderr__.fileno(), line.encode())
    os._exit(CODE)  # at once, as if it were killed: nothing more is to be taken
