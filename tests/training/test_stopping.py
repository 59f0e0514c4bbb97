"""Signals ask a run to stop, and handlers are as before when it is over."""

import os
import re
import signal
import threading

import jax
import pytest
from jax.experimental import multihost_utils

from cotjax.training.stopping import stop_signals

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
    with stop_signals(lambda: 50) as stopped:
        assert stopped(1) == 0
        for number in sent:
            signal.raise_signal(number)
        expected = sent[0] if sent else 0
        assert [stopped(2), stopped(3)] == [expected, expected]
        if sent:  # a second one ends the process at once
            assert handlers() == [signal.SIG_DFL] * 2
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
    with stop_signals(int) as stopped:
        assert stopped(1) == 0


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
        with stop_signals(int) as stopped:
            seen.append((stopped(1), handlers()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(0, before)]


def test_several_processes_stop_where_jax_says(monkeypatch):
    asked = []

    def reached(step):
        asked.append(step)
        return step == 6

    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(multihost_utils, "reached_preemption_sync_point", reached)
    before = handlers()
    with stop_signals(int) as stopped:
        assert handlers() == before  # JAX has its own
        assert [stopped(step) for step in (5, 6)] == [0, signal.SIGTERM]
    assert asked == [5, 6]  # once a step: JAX counts the calls of every process
