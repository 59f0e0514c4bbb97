"""Who works in a folder: this process, another one, or nobody any more."""

import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cotjax import claims
from cotjax.claims import CLAIM, alone_in, claimed, holder_of
from cotjax.errors import InputError
from cotjax.study.plan import state_of
from tests.claiming import claiming

HERE = socket.gethostname()


@pytest.fixture
def another(tmp_path):
    """Another process that has claimed `tmp_path`."""
    with claiming(tmp_path) as process:
        yield process


def test_a_run_is_claimed_as_long_as_it_is_done(tmp_path):
    with claimed(tmp_path / "run") as holder:
        assert holder == ""
        claim = json.loads((tmp_path / "run" / CLAIM).read_text())
        assert claim["host"] == HERE
        assert holder_of(tmp_path / "run") == ""  # this process may go on with it
    assert not list((tmp_path / "run").iterdir())


def test_it_is_free_again_after_an_error(tmp_path):
    with pytest.raises(SystemExit), claimed(tmp_path):
        raise SystemExit(143)
    assert not list(tmp_path.iterdir())


def test_what_a_live_process_does_is_not_claimed(tmp_path, another):
    before = (tmp_path / CLAIM).read_text()
    with claimed(tmp_path) as holder:
        assert holder.startswith(f"{HERE} (process {another.pid}, since 20")
    assert (tmp_path / CLAIM).read_text() == before
    assert state_of(tmp_path).word == "running"
    assert state_of(tmp_path).reason == f"being run by {holder}"


def test_the_claim_of_a_process_that_was_killed_is_void(tmp_path, another):
    another.kill()  # which is all: until it is waited for it is a zombie
    os.waitid(os.P_PID, another.pid, os.WEXITED | os.WNOWAIT)
    assert holder_of(tmp_path) == ""
    another.communicate()
    with claimed(tmp_path) as holder:
        assert holder == ""
    assert state_of(tmp_path).word == "waiting"


def test_a_later_process_of_the_same_number_has_no_claim(tmp_path, another):
    claim = json.loads((tmp_path / CLAIM).read_text())
    (tmp_path / CLAIM).write_text(json.dumps(claim | {"process_began": "1"}))
    assert holder_of(tmp_path) == ""


def test_processes_of_other_hosts_touch_their_claims(tmp_path):
    claim = {"host": "far", "process": 1, "process_began": "7", "since": "yesterday"}
    (tmp_path / CLAIM).write_text(json.dumps(claim))
    assert holder_of(tmp_path) == "far (process 1, since yesterday)"
    long_ago = time.time() - claims.SILENT - 1
    os.utime(tmp_path / CLAIM, (long_ago, long_ago))
    with claimed(tmp_path) as holder:
        assert holder == ""


def test_a_claim_is_touched_as_long_as_it_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.01)
    with claimed(tmp_path):
        os.utime(tmp_path / CLAIM, (0, 0))
        wait_until(lambda: (tmp_path / CLAIM).stat().st_mtime > 0)


def wait_until(is_so):
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_work_inside_work_keeps_the_claim(tmp_path):
    with claimed(tmp_path):
        with claimed(tmp_path) as holder:
            assert holder == ""
        assert (tmp_path / CLAIM).exists()
    assert not (tmp_path / CLAIM).exists()


def test_a_claim_that_another_took_over_is_left_to_it(tmp_path):
    with claimed(tmp_path):
        claim = json.loads((tmp_path / CLAIM).read_text()) | {"host": "far"}
        (tmp_path / CLAIM).write_text(json.dumps(claim))
    assert json.loads((tmp_path / CLAIM).read_text()) == claim


def test_a_second_job_is_refused_in_one_line(tmp_path, another):
    line = rf"^{tmp_path}: in use by {HERE} \(process {another.pid}, since 20[^\n]*claim.json there"
    with pytest.raises(InputError, match=line), alone_in(tmp_path):
        pass
    another.kill()
    another.communicate()
    with alone_in(tmp_path):
        assert json.loads((tmp_path / CLAIM).read_text())["host"] == HERE


def test_without_a_list_of_processes_a_signal_tells(tmp_path, another, monkeypatch):
    monkeypatch.setattr(claims, "PROCESSES", tmp_path / "none")
    claim = json.loads((tmp_path / CLAIM).read_text()) | {"process_began": "unknown"}
    (tmp_path / CLAIM).write_text(json.dumps(claim))
    assert str(another.pid) in holder_of(tmp_path)
    another.kill()
    another.communicate()
    assert holder_of(tmp_path) == ""


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_claim_that_was_cut_short_is_none(tmp_path, content):
    (tmp_path / CLAIM).write_text(content)
    assert holder_of(tmp_path) == ""


def test_of_many_at_once_one_has_the_claim(tmp_path, monkeypatch):
    """As many hosts would: each is a thread with another process number of its own."""
    numbers = iter(range(1000, 1008))
    own = claims._own()
    monkeypatch.setattr(claims, "_own", lambda: own | {"host": "far", "process": next(numbers)})
    with ThreadPoolExecutor(8) as pool:
        holders = list(pool.map(lambda _: claims._take(tmp_path / CLAIM), range(8)))
    assert holders.count("") == 1


def test_a_folder_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    line = rf"^{tmp_path}/file: cannot be written \(File exists\)$"
    with pytest.raises(InputError, match=line), claimed(tmp_path / "file"):
        pass
