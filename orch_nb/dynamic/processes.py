"""Run calls in processes of this machine, forked from a template that was exec'd for them."""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from typing import Any

from orch_nb.dynamic.executors import Ended, Hear, Logged, Setting
from orch_nb.errors import SessionError
from orch_nb.execution import processes
from orch_nb.execution.call_messages import (
    call_message,
    crashed_outcome,
    open_message,
    outcome_from,
)
from orch_nb.execution.calls import CallSpec
from orch_nb.execution.frames import FrameReader

_AHEAD = 16  # calls that wait in a worker, where they are short


class Forks:
    """A process that forks a worker for each socket it is sent."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self._sock = sock
        self._pid = pid

    def fork(self) -> socket.socket:
        """The socket of a new worker."""
        return _ask_for_worker(self._sock)

    def close(self) -> None:
        """End the process, and wait for it."""
        self._sock.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _ask_for_worker(sock: socket.socket) -> socket.socket:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(sock, [b"w"], [theirs.fileno()])
        except OSError:
            ours.close()
            raise SessionError("the process that workers are forked from has ended") from None
    return ours


class CallTemplate:
    """One process, kept for all flows of this one: to start it costs more than a small flow."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._sock = ours
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orch_nb.execution.call_worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is the driver's to handle
        )
        theirs.close()
        self.owner = os.getpid()
        atexit.register(self.close)

    def fork(self) -> socket.socket:
        """The socket of a new worker."""
        return _ask_for_worker(self._sock)

    @property
    def lives(self) -> bool:
        return self.owner == os.getpid() and self._process.poll() is None

    def close(self) -> None:
        if self.owner == os.getpid():
            self._sock.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)


_template: CallTemplate | None = None
_template_lock = threading.Lock()


def get_template() -> CallTemplate:
    """This process's template; it is started when it is first asked for."""
    global _template
    with _template_lock:
        if _template is None or not _template.lives:
            _template = CallTemplate()
        return _template


class _Worker:
    """One worker's socket, and the calls that it was given, in order."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reader = FrameReader()
        self.pid: int | None = None
        self.calls: OrderedDict[int, CallSpec] = OrderedDict()
        self.sent: set[str] = set()
        self.unsent: list[bytes] = []  # messages for the next flush
        self.gone = False


class ProcessExecutor:
    """See `orch_nb.dynamic.executors.Executor`. Workers are started when there is work for them."""

    where = "process"
    remote = False

    def __init__(self, slots: int, forks: Forks | None = None) -> None:
        self.slots = slots
        self._forks = forks  # of another process than the template: a worker for every call
        self.window = slots if forks else slots * (1 + _AHEAD)
        self._workers: list[_Worker] = []
        self._of: dict[int, _Worker] = {}
        self._lock = threading.RLock()
        self._closing = False

    def open(self, setting: Setting, hear: Hear) -> None:
        self._setting = setting
        self._hear = hear
        self._template = self._forks or get_template()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._listen, name="orch_nb workers", daemon=True)
        self._thread.start()

    def start(self, call: int, spec: CallSpec) -> None:
        with self._lock:
            worker = min(self._workers, key=lambda w: len(w.calls), default=None)
            busy = worker is None or bool(worker.calls)
            if self._forks or (busy and len(self._workers) < self.slots):
                worker = self._new_worker()
            if worker is None:
                raise SessionError("no process can be had for a call")
            self._send(worker, call, spec)

    def flush(self, *, short: bool = True) -> None:
        with self._lock:
            ready = [(worker, b"".join(worker.unsent)) for worker in self._workers if worker.unsent]
            for worker, _ in ready:
                worker.unsent.clear()
        for worker, messages in ready:  # without the lock: the reader must go on meanwhile
            with contextlib.suppress(OSError):  # the reader hears of it
                worker.sock.sendall(messages)

    def drop(self, call: int) -> None:
        with self._lock:
            worker = self._of.pop(call, None)
            if worker is None:
                return
            worker.calls.pop(call, None)
            self._end(worker)
            self._place_again(worker)
        self.flush()

    def close(self) -> None:
        self.flush()
        with self._lock:
            self._closing = True
            for worker in list(self._workers):
                if worker.calls:
                    self._end(worker)
                else:
                    worker.sock.close()
        self._wake.close()
        self._thread.join(10)
        self._woken.close()
        self._selector.close()

    # -- under the lock

    def _new_worker(self) -> _Worker:
        worker = _Worker(self._template.fork())
        self._workers.append(worker)
        setting = self._setting
        worker.unsent.append(
            open_message(setting.folder, setting.path, setting.environment, setting.run)
        )
        self._selector.register(worker.sock, selectors.EVENT_READ, worker)
        self._wake.send(b"n")
        return worker

    def _send(self, worker: _Worker, call: int, spec: CallSpec) -> None:
        worker.unsent.append(call_message(call, spec, worker.sent))
        worker.calls[call] = spec
        self._of[call] = worker

    def _end(self, worker: _Worker) -> None:
        worker.gone = True
        if worker.pid is not None:
            processes.kill_tree(worker.pid)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(worker.sock)
        worker.sock.close()
        with contextlib.suppress(ValueError):
            self._workers.remove(worker)

    def _retire(self, worker: _Worker) -> None:
        """Let a worker that has done its one call go."""
        worker.gone = True
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(worker.sock)
        worker.sock.close()
        with contextlib.suppress(ValueError):
            self._workers.remove(worker)

    def _place_again(self, worker: _Worker) -> None:
        """Give what a lost worker had not begun to others."""
        for call, spec in list(worker.calls.items()):
            self._of.pop(call, None)
            if not self._closing:
                self.start(call, spec)
        worker.calls.clear()

    # -- in the thread that listens

    def _listen(self) -> None:
        while True:
            try:
                ready = self._selector.select()
            except OSError:
                return
            for key, _ in ready:
                if key.data is None:
                    if not self._woken.recv(64):
                        return
                else:
                    self._read(key.data)

    def _read(self, worker: _Worker) -> None:
        try:
            data = worker.sock.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self._lost(worker)
            return
        for header, frames in worker.reader.feed(data):
            if worker.gone:
                return
            match header["op"]:
                case "ready":
                    worker.pid = header["pid"]
                case "log":
                    self._hear(Logged(header["call"], *header["log"]))
                case "outcome":
                    self._ended(worker, header, frames)

    def _ended(self, worker: _Worker, header: dict[str, Any], frames: list[bytes]) -> None:
        call = header["call"]
        with self._lock:
            if self._of.pop(call, None) is None:
                return
            worker.calls.pop(call)
            if self._forks:
                self._retire(worker)
        self._hear(Ended(call, outcome_from(header, frames)))

    def _lost(self, worker: _Worker) -> None:
        with self._lock:
            if worker.gone:
                return
            self._end(worker)
            call = next(iter(worker.calls), None)
            if call is not None:
                worker.calls.pop(call)
                self._of.pop(call, None)
            with contextlib.suppress(SessionError):
                self._place_again(worker)  # they are sent when the engine hears of the lost one
        if call is not None and not self._closing:
            words = "its process ended without a word (killed, or out of memory?)"
            self._hear(Ended(call, crashed_outcome(words)))
