"""Processes of a group that watch each other."""

import contextlib
import errno
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from cotjax import watch
from cotjax.cli import USER_ERROR
from cotjax.lost import ALONE
from tests.processes import run_processes

KILLED, SECONDS, SECRET = -9, 10, b"known to the group alone"
# Nobody computes: no collective tells that one is gone.
WAIT = """
import json, os, signal, time
from cotjax.group import initialize_distributed, wait_for_all

initialize_distributed()
wait_for_all("ready")
"""
KILL = """
if jax.process_index() == 1:
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(60)
"""
# One has a mistake of its own; or all of them have.
FAIL = """
from cotjax import cli
from cotjax.errors import InputError

def main():
    if jax.process_index() in {numbers}:
        raise InputError("no such folder here")
    wait_for_all("checked")

cli.run(main)
"""
# The last is halted for a while, and they end one after the other.
END = """
if jax.process_index() == 2 and os.fork() == 0:
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(2)
    os.kill(os.getppid(), signal.SIGCONT)
    os._exit(0)
time.sleep(1 + jax.process_index())
print(json.dumps(jax.process_index()))
"""


@pytest.fixture
def first(monkeypatch):
    """Process 0 of a group that others may come to: its port, and whether it has ended."""
    server, over = watch._listen(), threading.Event()

    monkeypatch.setattr(watch, "end_alone", lambda sign: over.set())
    links = [server]
    threading.Thread(target=watch._watch, args=(links, SECRET), daemon=True).start()
    port = server.getsockname()[1]
    yield SimpleNamespace(port=port, over=over)
    if not over.is_set():
        connect(port).close()
        assert over.wait(SECONDS)
    for link in links:
        link.close()


def connect(port):
    (link,) = watch._connect("localhost", port, SECRET)
    return link


def test_it_ends_when_a_link_does_and_so_do_the_others(first):
    killed, other = connect(first.port), connect(first.port)
    killed.close()
    assert first.over.wait(SECONDS)
    assert not watch._says(other, watch.GOODBYE)
    other.close()


def test_who_says_goodbye_may_leave(first):
    with connect(first.port) as link:
        watch._say_goodbye([link])
    assert not first.over.wait(0.2)


@pytest.mark.parametrize("said", [b"", b"cot", b"GET / HTTP/1.1\r\n\r\n"])
def test_strangers_may_leave(first, said):
    with socket.create_connection(("localhost", first.port)) as link:
        link.sendall(said)
    assert not first.over.wait(0.2)


def test_a_secret_may_come_in_two_pieces(first):
    with socket.create_connection(("localhost", first.port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(SECRET[:7])
        assert not first.over.wait(0.2)
        link.sendall(SECRET[7:])
        assert not first.over.wait(0.2)
    assert first.over.wait(SECONDS)  # it was one of the group


def test_a_word_that_comes_too_slowly_is_none(monkeypatch):
    monkeypatch.setattr(watch, "PATIENCE", 0.2)
    here, there = socket.socketpair()

    def drip():
        with contextlib.suppress(OSError):  # whoever listens may have left
            for number in range(len(SECRET)):
                there.sendall(SECRET[number : number + 1])
                time.sleep(0.05)

    with here, there:
        dripping = threading.Thread(target=drip)
        dripping.start()
        assert not watch._says(here, SECRET)
        here.close()
        dripping.join()


def test_who_can_not_be_let_in_does_not_end_the_watch(first, monkeypatch):
    accept, failed = socket.socket.accept, threading.Event()

    def fail_once(server):
        if failed.is_set():
            return accept(server)
        failed.set()
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket.socket, "accept", fail_once)
    connect(first.port).close()  # which is let in at the second try, and is seen to be gone then
    assert failed.wait(SECONDS)
    assert first.over.wait(SECONDS)


def test_a_port_that_can_not_be_reached_is_not_watched():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    assert watch._connect("localhost", port, SECRET) == []


@pytest.mark.slow
def test_others_end_when_one_is_killed(capfd):
    run_processes(3, WAIT + KILL, codes=[(ALONE,), (KILLED,), (ALONE,)])
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(told) == 2
    assert all(line.startswith("error: another process of the group is gone (") for line in told)


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [{1}, {0, 1}], ids=["one", "all"])
def test_an_error_of_one_ends_all_each_with_its_line(capfd, numbers):
    codes = [(USER_ERROR if number in numbers else ALONE,) for number in range(2)]
    run_processes(2, WAIT + FAIL.format(numbers=numbers), codes=codes)
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert told.count("error: no such folder here") == len(numbers)
    assert len(told) == 2


@pytest.mark.slow
def test_nobody_ends_when_others_do_or_are_halted():
    assert run_processes(3, WAIT + END) == [0, 1, 2]
