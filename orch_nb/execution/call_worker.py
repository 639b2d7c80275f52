"""A worker process that runs calls of functions, and the template that such workers are forked of.

Started as ``python -m orch_nb.execution.call_worker DESCRIPTOR``. The template holds no thread and
no store; it forks a worker for each socket it is sent, and all end when it, or their socket,
closes.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from orch_nb.execution import context, processes
from orch_nb.execution.call_messages import outcome_message, spec_from
from orch_nb.execution.calls import CallOutcome, run_call
from orch_nb.execution.frames import Framed, FrameReader, pack, receive
from orch_nb.execution.logs import capture_logs

_INFO = 20  # the level that printed lines are recorded at


def main(descriptor: int) -> None:
    """Serve until the driver closes its end."""
    import cloudpickle  # noqa: F401  # forked with every worker

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the driver's to handle
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # workers leave no zombies
    serve(socket.socket(fileno=descriptor), _become_worker)


def serve(
    sock: socket.socket, become: Callable[[int], None], fork: Callable[[], int] = os.fork
) -> NoReturn:
    """Fork a child for each descriptor that comes, which ``become`` is given there; ends with
    the socket."""
    while True:
        data, fds, _flags, _address = socket.recv_fds(sock, 64, 16)
        if not data:
            break
        for fd in fds:
            pid = fork()
            if pid == 0:
                sock.close()
                become(fd)
                os._exit(0)
            os.close(fd)
    os._exit(0)


def _become_worker(descriptor: int) -> None:
    status = 1
    try:
        processes.die_with_parent()
        processes.adopt_orphans()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with socket.socket(fileno=descriptor) as sock:
            work(sock)
        status = 0
    except OSError:
        status = 0  # the driver is gone
    finally:
        os._exit(status)


def work(
    sock: socket.socket, unpickle: Callable[[bytes], Any] = pickle.loads, *, enter: bool = True
) -> None:
    """Run the calls that come, one after the other, until the socket closes. ``unpickle`` makes a
    function of what was sent for it; without ``enter`` the process stays in the run it is in."""
    reader = FrameReader()
    ready: list[Framed] = []
    functions: dict[str, bytes] = {}
    loaded: dict[bytes, Any] = {}
    sock.sendall(pack({"op": "ready", "pid": os.getpid()}))

    def load(function: bytes) -> Any:
        if function not in loaded:
            loaded[function] = unpickle(function)
        return loaded[function]

    while (message := receive(sock, reader, ready)) is not None:
        header, frames = message
        if header["op"] == "open":
            if enter:
                _enter(header)
            continue
        spec = spec_from(header, frames, functions)
        context.set_task(spec.task)
        told = _Told(sock, header["call"])
        sys.stdout, sys.stderr = _Printed(told, "stdout"), _Printed(told, "stderr")
        try:
            with capture_logs(told.log):
                outcome = run_call(spec, load)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        told.outcome(outcome)


def _enter(header: dict[str, Any]) -> None:
    """Take on the folder, the search path and the run of those who call."""
    os.chdir(header["folder"])
    sys.path[:] = header["path"]
    os.environ.update(header["environment"])
    context.set_run(header["run"])


class _Told:
    """What a call tells while it runs."""

    def __init__(self, sock: socket.socket, call: int) -> None:
        self._sock = sock
        self._call = call

    def log(self, level: int, logger: str, text: str, moment: float) -> None:
        self._sock.sendall(
            pack({"op": "log", "call": self._call, "log": [level, logger, text, moment]})
        )

    def printed(self, name: str, text: str) -> None:
        self.log(_INFO, name, text, time.time())

    def outcome(self, outcome: CallOutcome) -> None:
        self._sock.sendall(outcome_message(self._call, outcome))


class _Printed:
    """A stream whose lines are told to the driver."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, told: _Told, name: str) -> None:
        self._told = told
        self._name = name
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._told.printed(self._name, line)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._rest:
            self._told.printed(self._name, self._rest)
            self._rest = ""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return 1 if self._name == "stdout" else 2


if __name__ == "__main__":
    main(int(sys.argv[1]))
