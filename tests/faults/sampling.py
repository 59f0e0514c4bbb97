"""Sampling jobs that are killed and started again."""

from collections.abc import Mapping
from pathlib import Path

from cotjax.records import read_records
from tests.conftest import REPOSITORY
from tests.faults import moments
from tests.faults.jobs import Job, Moment
from tests.teacher.tiny import SMOLLM2, make_teacher, questions, words, write_questions

QUESTIONS = 60
PER_SHARD = 4
FIELDS = {
    "samples": 8,
    "questions_per_shard": PER_SHARD,
    "prompt__template": "raw",
    "prompt__shots": None,
    "sampling__slots": 3,
    "sampling__steps": 2,
}


class Sampling(Job):
    """A tiny Llama's texts of very different lengths."""

    name = "sampling"

    def prepare(self, shared: Path) -> None:
        (shared / "teacher").mkdir()
        make_teacher(shared / "teacher")
        write_questions(shared / "asked.jsonl", questions(QUESTIONS))

    def words(self, folder: Path, shared: Path) -> list[str]:
        return [
            str(REPOSITORY / "scripts" / "sample_teacher.py"),
            f"--config={SMOLLM2}",
            f"--questions={shared / 'asked.jsonl'}",
            f"--output={folder}",
            *words(shared / "teacher", **FIELDS),
        ]

    def moments(self, folder: Path, shared: Path) -> Mapping[str, Moment]:
        journal = folder / "journal-00000.jsonl"
        return {
            "compiling": moments.compiling(shared),
            "beginning": (folder / "manifest.json").exists,
            "sampling": moments.lines(journal, more=7),
            "shard written": moments.appearing(folder, "records-*.jsonl"),
            "shard confirmed": moments.appearing(folder, "records-*.sha256"),
            "all sampled": lambda: len(list(folder.glob("*.sha256"))) == QUESTIONS // PER_SHARD,
        }

    def progress(self, folder: Path) -> str:
        """A folder that was killed must be readable, and hold whole shards alone."""
        if not (folder / "manifest.json").exists():
            return "nothing"
        _, records = read_records(folder, allow_incomplete=True)
        assert len(records) % PER_SHARD == 0
        return f"{len(records)} records"

    def check_same(self, folder: Path, whole: Path) -> None:
        """The same files, to the byte."""
        assert _files(folder) == _files(whole)
        assert [record.id for record in read_records(folder)[1]] == [
            f"q{n}" for n in range(QUESTIONS)
        ]


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
