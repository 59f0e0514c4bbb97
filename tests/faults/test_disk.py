"""A disk that is full, read-only or gone ends a run in one line, and harms nothing on it."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
SAYS = {
    "full": "No space left on device",
    "nearly full": "No space left on device",
    "read-only": "Read-only file system",
    "gone": "No such file or directory",
}


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
    command = [*namespace, sys.executable, "-m", "tests.faults.disk", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    told = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith('{"fault"')]
    assert [one["fault"] for one in told] == list(SAYS)
    for one in told:
        assert SAYS[one["fault"]] in one["line"]
        assert "\n" not in one["line"]
        assert one["left"] == ([] if one["fault"] == "gone" else [4])
        assert one["same"]  # losses of the run that goes on, bit for bit
