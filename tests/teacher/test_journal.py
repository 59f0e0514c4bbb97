"""The journal: what was written is there again, and a torn line is forgotten."""

import re

import pytest

from cotjax.errors import InputError
from cotjax.teacher.journal import Journal
from tests.teacher.tiny import entry

ENTRIES = [
    entry("q1", 0),
    entry("q1", 2, "日本\u2028\n“x”", logprob=-0.1 - 0.2, conclusion=" (B)"),
    entry("q2", 0, "", finish_reason="length"),
]


def write(folder, entries, process=0):
    journal = Journal(folder, process)
    for one in entries:
        journal.add(one)
    journal.close()
    return folder / f"journal-{process:05d}.jsonl"


def read(folder, process=0):
    return list(Journal(folder, process).entries.values())


def test_entries_are_there_again(tmp_path):
    write(tmp_path, ENTRIES[:2])
    write(tmp_path, ENTRIES[2:])
    assert read(tmp_path) == ENTRIES


def test_an_entry_is_on_disk_as_soon_as_it_is_added(tmp_path):
    journal = Journal(tmp_path, 0)
    for number, one in enumerate(ENTRIES, start=1):
        journal.add(one)
        assert len((tmp_path / "journal-00000.jsonl").read_bytes().splitlines()) >= number
        assert read(tmp_path) == ENTRIES[:number]


def test_wherever_a_kill_cuts_the_file_whole_lines_are_kept(tmp_path):
    """Also in the middle of a character; what comes next begins a line of its own."""
    file = write(tmp_path, ENTRIES)
    content = file.read_bytes()
    ends = [match.end() for match in re.finditer(b"\n", content)]
    for size in range(len(content) + 1):
        file.write_bytes(content[:size])
        whole = sum(end <= size for end in ends)
        assert read(tmp_path) == ENTRIES[:whole]
        write(tmp_path, ENTRIES[whole:])
        assert file.read_bytes() == content


def test_nothing_is_written_before_the_first_entry(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.close()
    journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_processes_have_journals_of_their_own(tmp_path):
    write(tmp_path, ENTRIES[:1], process=0)
    write(tmp_path, ENTRIES[1:], process=3)
    assert (read(tmp_path, 0), read(tmp_path, 3)) == (ENTRIES[:1], ENTRIES[1:])


def test_damage_elsewhere_is_named(tmp_path):
    file = write(tmp_path, ENTRIES)
    file.write_bytes(file.read_bytes().replace(b'"sample"', b'"simple"', 1))
    with pytest.raises(InputError, match=r"journal-00000\.jsonl:1: .*simple"):
        Journal(tmp_path, 0)
