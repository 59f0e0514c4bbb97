"""What a script does about its memory: keep what is freed, and end before the system kills it.

How much memory input takes once it is read depends on what it is: bounds that are known before are
told before (`memory.refuse_if_too_large`), and the watch is for all others.
"""

import os
import sys
import threading
import time

from cotjax.memory import gib, give_back, keep_freed, machine_memory, resident_bytes

LOW = 8  # what is freed is kept while more than this part of all memory is free
LEFT = 2**30  # bytes that are to stay free, or, of a small machine,
SHARE = 32  # this part of its memory
OWN = 4  # a process that has less than this part is not to blame
PAUSE = 0.1  # seconds, in which nobody takes a GiB
CODE = 2


def manage_memory() -> None:
    """Keeps freed memory while there is enough, and watches it for as long as the process lives.

    To be called once, before anything else has started a thread. Where the system does not tell of
    its memory (not Linux), it does nothing.
    """
    memory = machine_memory()
    if memory is not None:
        keep_freed()
        threading.Thread(target=_watch, args=memory[:1], daemon=True).start()


def _watch(total: int) -> None:
    is_kept, left, own = True, min(LEFT, total // SHARE), total // OWN
    while (free := machine_memory()[1]) > left or resident_bytes() < own:
        if is_kept and free < total // LOW:
            give_back()
            is_kept = False
        time.sleep(PAUSE)
    line = (
        f"error: memory: {gib(resident_bytes())} are taken and {gib(free)} are free: give it less "
        "input, or a machine with more memory; what was saved is whole\n"
    )
    os.write(sys.__stderr__.fileno(), line.encode())
    os._exit(CODE)  # at once, as if it were killed: nothing more is to be taken
