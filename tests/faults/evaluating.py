"""Evaluations and free questions that are killed and asked again."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.faults import moments
from tests.faults.jobs import Job, Moment, finish
from tests.faults.runs import STEPS, Training


class Evaluation(Job):
    """The questions of a run's test split."""

    name = "evaluation"
    files = (f"eval/test-{STEPS}.jsonl", f"eval/test-{STEPS}.json")

    def prepare(self, shared: Path) -> None:
        finish(Training(), shared / "run", shared)

    def words(self, folder: Path, shared: Path) -> list[str]:
        if not folder.exists():
            shutil.copytree(shared / "run", folder)
        script = REPOSITORY / "scripts" / "evaluate.py"
        return [str(script), f"--workdir={folder}", "--checkpoint=latest", "--split=test"]

    def moments(self, folder: Path, shared: Path) -> Mapping[str, Moment]:
        for name in self.files:  # of one that ended before it was to be killed
            (folder / name).unlink(missing_ok=True)
        predictions, summary = (folder / name for name in self.files)
        return {
            "compiling": moments.compiling(shared),
            "asking": moments.compiling(shared, programs=6),
            "writing": moments.appearing(predictions.parent, f"{predictions.stem}.json*"),
            "written": predictions.exists,
            "told": summary.exists,
        }

    def progress(self, folder: Path) -> str:
        """What is there must be whole."""
        there = [folder / name for name in self.files if (folder / name).exists()]
        for file in there:
            for line in file.read_text().splitlines() if file.suffix == ".jsonl" else ():
                json.loads(line)
        return ", ".join(file.name for file in there) or "nothing"

    def check_same(self, folder: Path, whole: Path) -> None:
        """The same files, to the byte."""
        for name in self.files:
            assert (folder / name).read_bytes() == (whole / name).read_bytes()
        assert not list(folder.glob("**/*.tmp")), "left over"


class Predicting(Evaluation):
    """Free questions to the same student."""

    name = "predicting"
    files = ("answers.jsonl",)

    def prepare(self, shared: Path) -> None:
        super().prepare(shared)
        texts = [f"Which is larger, an ent{n} or an ent{n + 1}?" for n in range(200)]
        lines = (json.dumps({"text": text}) + "\n" for text in texts)
        (shared / "texts.jsonl").write_text("".join(lines))

    def words(self, folder: Path, shared: Path) -> list[str]:
        folder.mkdir(exist_ok=True)
        return [
            str(REPOSITORY / "scripts" / "predict.py"),
            f"--workdir={shared / 'run'}",
            f"--input={shared / 'texts.jsonl'}",
            f"--output={folder / self.files[0]}",
        ]

    def moments(self, folder: Path, shared: Path) -> Mapping[str, Moment]:
        (folder / self.files[0]).unlink(missing_ok=True)
        return {
            "compiling": moments.compiling(shared),
            "asking": moments.compiling(shared, programs=4),
            "writing": moments.appearing(folder, "*"),
            "written": (folder / self.files[0]).exists,
        }
