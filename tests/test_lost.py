"""Errors that say that another process of a group is gone."""

import queue
import threading
import time
from types import SimpleNamespace

import jax
import pytest
from jax.errors import JaxRuntimeError

from cotjax import lost
from cotjax.errors import InputError
from cotjax.lost import (
    ALONE,
    INTERRUPTED,
    anothers_end,
    ending_unless_joined,
    leaving_when_alone,
)

GLOO = JaxRuntimeError("UNKNOWN: Gloo all-reduce failed: Connection reset by peer\nmore")


@pytest.mark.parametrize("late", [False, True])
def test_a_group_that_has_joined_in_time_goes_on(late, monkeypatch):
    ends = []
    monkeypatch.setattr(lost, "_end", lambda *how: ends.append(how))
    monkeypatch.setattr(lost, "JOINED_WITHIN", 0.1)
    with ending_unless_joined():
        time.sleep(0.3 if late else 0)
    time.sleep(0.3)
    assert [code for _, code in ends] == [ALONE] * late


@pytest.fixture
def group(monkeypatch):
    """Two processes, of which this is one; how it ended at once, if it did."""
    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(lost, "_ends", threading.Lock())
    ended = SimpleNamespace(code=None)

    def end(code):
        ended.code = code
        raise SystemExit(code)

    monkeypatch.setattr(lost.os, "_exit", end)
    return ended


def raised(error, cause=None):
    try:
        raise error from cause
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GLOO, GLOO),
        (raised(InputError("a checkpoint could not be written"), GLOO), GLOO),
        (JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"), None),
        (InputError("Gloo is no task"), None),
        (None, None),
    ],
)
def test_what_tells_it(group, error, expected):
    assert anothers_end(error) is expected


def test_a_process_alone_is_in_no_group():
    assert anothers_end(GLOO) is None
    with pytest.raises(JaxRuntimeError), leaving_when_alone():
        raise GLOO


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (GLOO, ALONE, "error: another process of the group is gone (UNKNOWN: Gloo all-reduce fail"),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted"),
    ],
)
def test_it_ends_at_once_with_one_line(group, capsys, error, code, line):
    with pytest.raises(SystemExit), leaving_when_alone():
        raise error
    assert group.code == code
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(line)


def test_other_errors_pass_but_those_who_lack_them_are_not_waited_for(group, monkeypatch):
    codes = queue.Queue()
    monkeypatch.setattr(lost.os, "_exit", codes.put)
    monkeypatch.setattr(lost, "PATIENCE", 0.01)
    assert not lost.is_ending()
    with pytest.raises(ValueError, match="mine"), leaving_when_alone(lambda _: 7):
        raise ValueError("mine")
    assert lost.is_ending()
    assert codes.get(timeout=10) == 7
