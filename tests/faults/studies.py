"""Studies that are killed and run again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY
from tests.faults import moments
from tests.faults.jobs import Job, Moment, tokens

STUDY = """
from pathlib import Path
from tests.study.small import SWAPPED, WHOLE, small_study

def get_config():
    return small_study(Path({cache!r}), WHOLE, SWAPPED, seeds={seeds})
"""
TIMES = {"seconds"}


class Studying(Job):
    """Two variants by some seeds, of three steps each, compared and reported."""

    name = "study"

    def __init__(self, seeds: tuple[int, ...] = (0, 1)):
        self.seeds = seeds

    def prepare(self, shared: Path) -> None:
        (shared / "study.py").write_text(STUDY.format(cache=str(tokens(shared)), seeds=self.seeds))

    def words(self, folder: Path, shared: Path) -> list[str]:
        script = REPOSITORY / "scripts" / "study.py"
        return [str(script), f"--config={shared / 'study.py'}", f"--workdir={folder}"]

    def moments(self, folder: Path, shared: Path) -> Mapping[str, Moment]:
        return {
            "tokenising": moments.tokenising(shared),
            "compiling": moments.compiling(shared),
            "next run": moments.appearing(folder, "runs/*"),
            "evaluating": moments.appearing(folder, "runs/*/eval/test-*.jsonl"),
            "saving": moments.appearing(folder, "runs/*/checkpoints/*"),
            "run finished": moments.appearing(folder, "runs/*/result.json"),
            "reporting": moments.appearing(folder, ".results.json.tmp"),
            "results written": moments.appearing(folder, "results.*"),
            "report written": moments.appearing(folder, "report.html"),
        }

    def progress(self, folder: Path) -> str:
        return f"{len(list(folder.glob('runs/*/result.json')))} of {2 * len(self.seeds)} runs"

    def check_same(self, folder: Path, whole: Path) -> None:
        """The same table and the same differences, but for times."""
        found, expected = (
            _without_times(json.loads((one / "results.json").read_text()))
            for one in (folder, whole)
        )
        assert not found["failed"]
        assert not found["waiting"]
        assert found == expected
        comparisons = [(one / "comparisons.csv").read_text() for one in (folder, whole)]
        assert comparisons[0] == comparisons[1]
        assert (folder / "report.html").read_text().endswith("</html>\n")


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(v) for name, v in value.items() if name not in TIMES}
    return [_without_times(one) for one in value] if isinstance(value, list) else value
