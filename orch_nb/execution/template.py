"""The template process: IPython and the usual libraries loaded once, forked for each session.

Started as ``python -m orch_nb.execution.template DESCRIPTOR``, where the descriptor is a stream
socket to the driver. It holds no store, no event loop and no thread, so it can be forked at
any time; when its socket closes, it kills the sessions it started and ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile

from orch_nb.execution import processes
from orch_nb.execution.job import Channel


def main(descriptor: int) -> None:
    """Serve until the driver closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from orch_nb.execution.home import become_home
    from orch_nb.execution.shell import CellShell

    tempfile.gettempdir()  # it tries the folder out by writing: not to be taken for a cell's act
    channel = Channel(socket.socket(fileno=descriptor))
    shell = CellShell()
    homes: set[int] = set()
    codes: dict[int, int] = {}  # how those that have ended did
    try:
        while (message := channel.receive()) is not None:
            if message["op"] == "preload":
                shell.preload(message["modules"])
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
