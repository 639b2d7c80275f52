"""A process that waits for a command: a fork of the daemon that has a run behind it.

What a run writes to was the daemon's and had to be copied, page by page, in each fork: which took
a third of a short run. A process that has rehearsed one has these pages already.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from orch_nb.warm.command import become_command
from orch_nb.warm.messages import Line

RunCommand = Callable[[Sequence[str]], int]
_READY = b"r"


class Standby:
    """Forks. The child calls ``leave_daemon`` first, then ``rehearse`` if that is given, and then
    waits for a command, which ``run`` runs."""

    def __init__(
        self,
        leave_daemon: Callable[[], None],
        run: RunCommand,
        rehearse: Callable[[], None] | None = None,
    ) -> None:
        self.sock, theirs = socket.socketpair()
        self.ready = False  # it has rehearsed
        self.process = os.fork()
        if self.process == 0:
            self.sock.close()
            _wait(theirs, leave_daemon, run, rehearse)
        theirs.close()

    def hear(self) -> bool:
        """Read what it says, which is that it is ready; False when it has ended instead."""
        self.ready = self.sock.recv(1) == _READY
        if not self.ready:
            os.waitpid(self.process, 0)
        return self.ready

    def take(self, guest: Line) -> None:
        """Have it run the command of that connection, which nobody else reads from now on.
        Raises OSError when it has ended."""
        socket.send_fds(self.sock, [b"c"], [guest.sock.fileno()])
        self.sock.close()

    def close(self) -> None:
        """Let it end without a command."""
        self.sock.close()


def _wait(
    sock: socket.socket,
    leave_daemon: Callable[[], None],
    run: RunCommand,
    rehearse: Callable[[], None] | None,
) -> NoReturn:
    try:
        os.setsid()
        _restore_signals()
        leave_daemon()
        if rehearse is not None:
            rehearse()
            gc.collect()
            sock.send(_READY)
        _, descriptors, _, _ = socket.recv_fds(sock, 1, 1)
        sock.close()
        if descriptors:
            become_command(Line(socket.socket(fileno=descriptors[0])), run)
    except Exception:
        traceback.print_exc()  # into the daemon's log
    finally:
        os._exit(0)


def _restore_signals() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as it was when the daemon was born
            interrupt = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if interrupt else signal.SIG_DFL)
