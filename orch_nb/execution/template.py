"""The template process: IPython and the usual libraries loaded once, forked for each session.

Started as ``python -m orch_nb.execution.template DESCRIPTOR``, where the descriptor is a stream
socket to the driver. It holds no store, no event loop and no thread, so it can be forked at
any time; when its socket closes, it kills the sessions it started and ends. One that is kept
between runs is forked for each run: the fork takes over what the run's command has of its own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from orch_nb.execution import processes
from orch_nb.execution.job import Channel

if TYPE_CHECKING:
    from orch_nb.execution.shell import CellShell


def main(descriptor: int) -> None:
    """Serve until the driver closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    born_with = dict(os.environ)
    # not needed before the first session, and slow
    from orch_nb.execution import home  # noqa: F401
    from orch_nb.execution.shell import CellShell

    tempfile.gettempdir()  # it tries the folder out by writing: not to be taken for a cell's act
    serve(CellShell(), Channel(socket.socket(fileno=descriptor)), born_with)


def serve(
    shell: CellShell, channel: Channel, born_with: Mapping[str, str], *, forked: bool = False
) -> NoReturn:
    """Obey the other end of ``channel``, then end; ``born_with`` is the first environment."""
    from orch_nb.execution.home import become_home

    homes: set[int] = set()
    templates: set[int] = set()
    codes: dict[int, int] = {}  # how those that have ended did
    try:
        while (message := channel.receive()) is not None:
            if message["op"] == "preload":
                shell.preload(message["modules"])
            elif message["op"] == "warm":
                from orch_nb.execution.preloading import preload

                if forked:
                    shell.after_fork()
                channel.send({"op": "warm", **preload(shell, message["modules"])})
            elif message["op"] == "take over":
                from orch_nb.execution.inheriting import take_over

                take_over(message, born_with)
            elif message["op"] == "template":
                descriptor = channel.take_fd()
                pid = os.fork()
                if pid == 0:
                    channel.close()
                    sock = socket.socket(fileno=descriptor)
                    serve(shell, Channel(sock), born_with, forked=True)
                os.close(descriptor)
                templates.add(pid)
                channel.send({"op": "template", "pid": pid})
            elif message["op"] == "session":
                session = channel.take_fd()
                pid = os.fork()
                if pid == 0:
                    channel.close()
                    become_home(shell, session)
                os.close(session)
                homes.add(pid)
                channel.send({"op": "session", "pid": pid})
            elif message["op"] == "reap":
                codes |= _reap({message["pid"]} - codes.keys(), wait=True)
                channel.send({**message, "op": "reaped", "code": codes.get(message["pid"])})
            codes |= _reap(homes - codes.keys())
            templates -= _reap(templates).keys()
    finally:
        codes |= _reap(homes - codes.keys())
        for pid in homes - codes.keys():
            processes.kill_tree(pid)
        os._exit(0)


def _reap(homes: set[int], *, wait: bool = False) -> dict[int, int]:
    """The sessions that have ended by themselves, with their exit codes; ``wait`` for that."""
    ended = {}
    for pid in homes:
        with contextlib.suppress(ChildProcessError):
            found, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
            if found:
                ended[pid] = os.waitstatus_to_exitcode(status)
    return ended


if __name__ == "__main__":
    main(int(sys.argv[1]))
