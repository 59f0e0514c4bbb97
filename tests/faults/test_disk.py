"""A disk that is full, read-only or gone ends a run in one line, and harms nothing on it."""

import json
import os
import subprocess
import sys

import pytest

from tests.faults.disks import FAULTS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def namespace():
    """A command's beginning, by which it may mount disks that only it sees."""
    command = ["unshare", "-rm"]
    try:
        subprocess.run([*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("COTJAX_REQUIRE_SHARED"):
            pytest.fail(f"{error}, and COTJAX_REQUIRE_SHARED forbids skipping")
        pytest.skip(f"no disk can be mounted here: {error}")
    return command


def test_a_disk_that_fails_ends_a_run_in_one_line(namespace, tmp_path):
    told = suffered([*namespace, sys.executable, "-m", "tests.faults.disk", str(tmp_path)])
    assert [one["fault"] for one in told] == list(FAULTS)
    for one in told:
        assert FAULTS[one["fault"]].says in one["line"]
        assert "\n" not in one["line"]
        assert one["left"] == ([] if one["fault"] == "gone" else [4])
        assert one["same"]  # losses of the run that goes on, bit for bit


# All faults of all jobs: by `unshare -rm python -m tests.faults.disk_jobs FOLDER`.
@pytest.mark.parametrize("name", ["sampling:full", "evaluation:read-only", "study:full"])
def test_a_disk_that_fails_ends_other_jobs_in_one_line(name, namespace, tmp_path):
    """Done again, each ends as one that nothing happened to."""
    command = [*namespace, sys.executable, "-m", "tests.faults.disk_jobs", str(tmp_path), name]
    (told,) = suffered(command)
    assert told["code"] == 2
    assert "Traceback" not in told["said"]
    (line,) = (line for line in told["said"].splitlines() if line.startswith("error: "))
    assert FAULTS[told["fault"]].says in line


def suffered(command):
    """What a command tells of faults, a JSON line each."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
