"""Input that is too large is refused before it is read, with what it takes and what there is."""

import re
import resource
import subprocess
import sys

import pytest

from cotjax import memory, records
from cotjax.config import load
from cotjax.data.rationales import FIXED, MEMORY, refuse_too_many
from cotjax.errors import InputError
from cotjax.memory import free_bytes, machine_memory, refuse_if_too_large
from cotjax.records import Manifest, Rationale, Record, read_records, write_records

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function of files: a machine whose system tells what they say."""
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)

    def tell(**files):
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)

    return tell


def test_nothing_is_known_where_the_system_does_not_tell(machine):
    assert free_bytes() is None
    refuse_if_too_large("all", 2**60)


FAULTS = """
import resource, sys
from cotjax.memory import keep_freed
if sys.argv[1] == "keep":
    keep_freed()
import jax, jax.numpy as jnp
step = jax.jit(lambda x: jnp.sum(jnp.sort(x) * jnp.flip(x)))
x = jnp.ones(2**24)
for _ in range(6):
    step(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_pages_that_are_kept_are_not_faulted_in_again():
    kept, given_back = (
        int(
            subprocess.run(
                [sys.executable, "-c", FAULTS, how], check=True, capture_output=True
            ).stdout
        )
        for how in ("keep", "give back")
    )
    assert given_back > 2**24 * 4 // resource.getpagesize()  # the temporaries' pages, each of them
    assert kept < given_back / 2


HELD = """
import sys, time
from cotjax import memory, memory_watch
memory.CUSHION = 0
memory_watch.LOW = float(sys.argv[1])
memory_watch.manage_memory()
import numpy as np
np.ones(2**26), np.ones(2**10)  # half a GiB is freed
time.sleep(1)
print(memory.resident_bytes())
"""


@pytest.mark.parametrize(("part", "is_kept"), [(1.0, False), (1e9, True)])
def test_pages_are_given_back_where_memory_is_short(part, is_kept):
    """Short: where less than all of it is free."""
    done = subprocess.run([sys.executable, "-c", HELD, str(part)], check=True, capture_output=True)
    assert (int(done.stdout) > 2**29) == is_kept


GREEDY = """
import sys
from cotjax import memory_watch
memory_watch.OWN = 64
memory_watch.SHARE, memory_watch.LEFT = 1, int(sys.argv[1])
memory_watch.manage_memory()
taken = [bytes(2**20)]
for _ in range(4096):
    taken.append(taken[-1] + b"x")
print("has it all")
"""


def test_a_process_that_takes_the_last_memory_ends_before():
    """The last but one GiB of what is free now, so that none need really run out."""
    _, free = machine_memory()
    for left, code in ((free - GIB, 2), (0, 0)):
        command = [sys.executable, "-c", GREEDY, str(left)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        assert ended.returncode == code
        if code:
            line = r"error: memory: \d\.\d GiB are taken and [\d.]+ GiB are free: .*\n"
            assert re.fullmatch(line, ended.stderr)
            assert not ended.stdout


def test_the_least_counts(machine, monkeypatch):
    machine(meminfo="MemTotal:       32 kB\nMemAvailable:   8388608 kB\n")
    assert free_bytes() == 8 * GIB
    machine(memory_max="max\n", memory_current="7\n")
    assert free_bytes() == 8 * GIB
    cached = f"anon 7\ninactive_file {GIB}\nactive_file {GIB}\n"  # which the system takes back
    machine(memory_max=f"{6 * GIB}\n", memory_current=f"{3 * GIB}\n", memory_stat=cached)
    assert free_bytes() == 5 * GIB
    assert machine_memory() == (6 * GIB, 5 * GIB)
    machine(status="Name:\tpython\nVmSize:\t 1048576 kB\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4 * GIB, 9 * GIB))
    assert free_bytes() == 3 * GIB


def test_this_machine_tells():
    assert 2**20 < free_bytes() < 2**50


@pytest.fixture
def folder(tmp_path):
    """Four records."""
    said = (Rationale(0, "as it is", "x", True),)
    made = [Record(f"q{n}", "why?", (), "x", said) for n in range(4)]
    write_records(tmp_path / "train", Manifest("comparison", "train", "t"), made)
    return tmp_path / "train"


def size(folder):
    return sum(path.stat().st_size for path in folder.glob("*.jsonl"))


def test_records_that_do_not_fit_are_not_read(folder, monkeypatch):
    assert records.size_on_disk(folder) == size(folder)
    needed = records.MEMORY * size(folder)
    monkeypatch.setattr(memory, "free_bytes", lambda: needed)
    assert len(read_records(folder)[1]) == 4
    monkeypatch.setattr(memory, "free_bytes", lambda: needed - 1)
    line = rf"^{folder}: to read it: may take 0\.0 GiB of memory, and 0\.0 GiB are free: take fewer"
    with pytest.raises(InputError, match=line):
        read_records(folder)


@pytest.mark.parametrize("field", ["data.records={}", "task.source=records:{}"])
def test_records_that_can_not_be_tokenised_are_refused(repository, folder, monkeypatch, field):
    word = f"--config.{field.format(folder.parent if 'source' in field else folder)}"
    config = load(repository / "configs" / "default.py", [word])
    needed = FIXED + MEMORY * size(folder)
    monkeypatch.setattr(memory, "free_bytes", lambda: needed)
    refuse_too_many(config)
    monkeypatch.setattr(memory, "free_bytes", lambda: needed - 1)
    with pytest.raises(InputError, match=rf"^{folder}: to tokenise its records: may take"):
        refuse_too_many(config)


def test_a_source_without_a_folder_is_left_to_its_reader(repository, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 0)
    refuse_too_many(load(repository / "configs" / "default.py"))
    refuse_too_many(load(repository / "configs" / "default.py", ["--config.data.records=nowhere"]))
