"""Another process that works in a folder, and does nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLAIMS_ITS_FOLDER = """
import sys
from pathlib import Path
from cotjax.claims import claimed
with claimed(Path(sys.argv[1])) as holder:
    print(repr(holder), flush=True)
    sys.stdin.read()
"""


@contextmanager
def claiming(folder: Path) -> Iterator[subprocess.Popen]:
    """A process that has claimed a folder until it is killed, at the latest afterwards."""
    command = [sys.executable, "-c", CLAIMS_ITS_FOLDER, folder]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "''\n"
        yield process
    finally:
        process.kill()
        process.communicate()
