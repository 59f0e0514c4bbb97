"""Signals ask a run to stop, and handlers are as before when it is over."""

import ctypes
import hashlib
import os
import re
import signal
import threading
import time
from contextlib import closing

import jax
import jax.numpy as jnp
import pytest
from jax.experimental import multihost_utils

from cotjax import signals
from cotjax.checkpoints import Checkpoints
from cotjax.signals import c_handler, keep_jaxs_handler, set_c_handler
from cotjax.training.stopping import Stopped, stop_signals

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [signal.SIGTERM],
        [signal.SIGINT],
    ],
)
def test_the_first_signal_asks_to_stop(sent, capfd):
    with stop_signals(lambda: 50) as stop:
        stop.check()
        for number in sent:
            signal.raise_signal(number)
        expected = sent[0] if sent else 0
        assert [stop.asked(), stop.asked()] == [expected, expected]
        if sent:  # a second one ends the process at once
            with pytest.raises(Stopped, match=signal.Signals(sent[0]).name):
                stop.check()
            assert [c_handler(number) for number in SIGNALS] == [None] * 2
            name = signal.Signals(sent[0]).name
            assert re.match(f"{name}: .* loses what came after step 50\n$", capfd.readouterr().err)


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # the child does not use JAX
@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_signal_ends_the_process_at_once(first, second):
    """While it saves, which would take long: as a process that is forked to be ended."""
    child = os.fork()
    if not child:
        with stop_signals(lambda: 50):
            signal.raise_signal(first)
            signal.raise_signal(second)
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -second


def test_a_run_forgets_the_signals_of_another():
    with stop_signals(int):
        signal.raise_signal(signal.SIGTERM)
    with stop_signals(int) as stop:
        assert stop.asked() == 0


def test_handlers_are_put_back_even_when_the_run_fails():
    before = handlers()

    def run():
        with stop_signals(int):
            assert all(one is not other for one, other in zip(handlers(), before, strict=True))
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        run()
    assert handlers() == before


def test_another_thread_trains_without_handlers():
    before, seen = handlers(), []

    def run():
        with stop_signals(int) as stop:
            seen.append((stop.asked(), handlers()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(0, before)]


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # the child does not use JAX
def test_a_second_signal_ends_a_process_that_is_busy_in_c():
    """As while it compiles, when Python calls no handler: a child that hashes for minutes."""
    child = os.fork()
    if not child:
        with stop_signals(lambda: 50):
            threading.Thread(target=send_two, args=(os.getpid(),), daemon=True).start()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2**28)
            os._exit(0)
    started = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    assert time.monotonic() - started < 20


def send_two(process):
    """SIGTERM, and again a second later."""
    for _ in range(2):
        os.kill(process, signal.SIGTERM)
        time.sleep(1)


def test_several_processes_stop_where_jax_says(monkeypatch):
    """A signal is handed on to JAX, which tells the others."""
    caught, times = [], []

    def reached(time):
        times.append(time)
        return bool(caught) and len(times) > 2

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(caught.append)
    monkeypatch.setattr(signals, "_jaxs", [])
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(multihost_utils, "reached_preemption_sync_point", reached)
    set_c_handler(signal.SIGTERM, handler)
    keep_jaxs_handler()
    assert c_handler(signal.SIGTERM) is None  # outside of training it ends the process
    with stop_signals(int) as stop:
        assert stop.asked() == 0
        signal.raise_signal(signal.SIGINT)
        assert caught == [signal.SIGTERM]
        asked = [stop.asked() for _ in range(4)]
    assert asked == [0, *[signal.SIGTERM] * 3]
    first, *others = times
    assert others == [first + 1, first + 2]  # JAX counts the calls of every process
    assert c_handler(signal.SIGTERM) is None


def test_orbax_does_not_ask_jax_too(tmp_path, monkeypatch):
    """It would ask by steps, whose numbers are others than those of the run's questions."""
    asked = []
    monkeypatch.setattr(multihost_utils, "reached_preemption_sync_point", asked.append)
    with closing(Checkpoints(tmp_path)) as checkpoints:
        checkpoints.save(1, {"w": jnp.ones(2)}, {"m": jnp.ones(2)}, {}, metric=0.5, wait=True)
    assert not asked
