"""Links between the processes of a group, by which each learns at once that another was killed.

Mostly a collective fails then; but it may also wait for the dead, until JAX aborts after 100
seconds. So every process keeps a connection to process 0 open, which the system closes when either
of the two is killed, and only then: a busy or a halted process keeps its own.
"""

import atexit
import contextlib
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Iterable

from cotjax.lost import end_alone, is_ending, is_in_group

GOODBYE = b"."
MEETING = "cotjax/watch"  # under which JAX's service keeps the port and secret of process 0
PATIENCE = 10  # seconds to be reached in, and to say a word in
PAUSE = 0.1  # seconds after somebody could not be let in


def watch_others() -> None:
    """Ends this process, as `leaving_when_alone` does, once another one of its group is killed.

    Those that end well say goodbye; those with an error of their own do not. Does nothing for a
    process alone, and leaves it to JAX where process 0 can't be reached.
    """
    if not is_in_group():
        return
    import jax
    from jax._src.distributed import global_state  # as Orbax does: there is no public way

    if jax.process_index() == 0:
        links, secret = [_listen()], secrets.token_hex(16)
        meeting = f"{links[0].getsockname()[1]} {secret}"
        global_state.client.key_value_set(MEETING, meeting)
    else:
        meeting = global_state.client.blocking_key_value_get(MEETING, 1000 * PATIENCE)
        port, secret = meeting.split()
        host = global_state.coordinator_address.rpartition(":")[0].strip("[]")
        links = _connect(host, int(port), secret.encode())
    atexit.register(_say_goodbye, links)  # runs before JAX's own, which waits for all processes
    threading.Thread(target=_watch, args=(links, secret.encode()), daemon=True).start()


def _listen() -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _connect(host: str, port: int, secret: bytes) -> list[socket.socket]:
    """The link to process 0; none where something is in the way.

    The secret tells us from strangers, who could else end the run by hanging up.
    """
    with contextlib.suppress(OSError):
        link = socket.create_connection((host, port), PATIENCE)
        link.sendall(secret)
        return [_kept(link)]
    return []


def _kept(link: socket.socket) -> socket.socket:
    """A link that may be silent for days, which firewalls on its way must not take for its end."""
    link.settimeout(None)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # not on every system
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)  # instead of two hours
    return link


def _watch(links: list[socket.socket], secret: bytes) -> None:
    if _loses_one(links, secret):
        _hang_up(links)
        end_alone("its connection is closed")


def _loses_one(links: list[socket.socket], secret: bytes) -> bool:
    """Waits until a link ends without a goodbye, or none is left; adds those that come."""
    with selectors.DefaultSelector() as selector:
        for link in links:
            selector.register(link, selectors.EVENT_READ)
        while selector.get_map():
            for (link, *_), _ in selector.select():
                if not _is_server(link):
                    selector.unregister(link)
                    if not _says(link, GOODBYE):
                        return True
                elif new := _accept(link, secret):
                    links.append(new)
                    selector.register(new, selectors.EVENT_READ)
    return False


def _is_server(link: socket.socket) -> bool:
    return bool(link.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _accept(server: socket.socket, secret: bytes) -> socket.socket | None:
    """The link that a process of the group asks for; None for a stranger, or who left before."""
    try:
        link, _ = server.accept()
    except OSError:
        time.sleep(PAUSE)  # it asks again at once where too many files are open
        return None
    if _says(link, secret):
        return _kept(link)
    link.close()
    return None


def _says(link: socket.socket, word: bytes) -> bool:
    """Whether a word comes next, perhaps in pieces, rather than another one or the end."""
    end, heard = time.monotonic() + PATIENCE, b""
    with contextlib.suppress(OSError):
        while len(heard) < len(word):
            link.settimeout(max(0, end - time.monotonic()))
            piece = link.recv(len(word) - len(heard))
            if not piece:
                break
            heard += piece
    return heard == word


def _say_goodbye(links: Iterable[socket.socket]) -> None:
    for link in () if is_ending() else links:
        with contextlib.suppress(OSError):  # a server, or somebody who left before
            link.sendall(GOODBYE)


def _hang_up(links: Iterable[socket.socket]) -> None:
    """Tells the others, who have a link to this process alone."""
    for link in links:
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)
