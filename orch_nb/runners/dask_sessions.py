"""The session processes of a Dask worker's threads.

A worker's processes may be daemons, which may not have children of multiprocessing's, and may
have more threads than one. So each of a worker's threads has a template process of its own,
started with subprocess, that forks its sessions and ends with the worker.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import NoReturn

from orch_nb.dynamic.processes import Forks
from orch_nb.dynamic.shipped_cells import ShippedCells
from orch_nb.errors import SessionError
from orch_nb.execution import processes
from orch_nb.execution.job import Decoder, Message, encode
from orch_nb.runners.local import Template

_own = threading.local()


class Slot:
    """A thread's template, and the sessions that it forks."""

    def __init__(self, python: str) -> None:
        self.python = python
        self.template = Template(python or None)
        self._decoder = Decoder()
        self._heard: list[Message] = []
        self._loaded: set[str] = set()

    def preload(self, modules: Sequence[str]) -> None:
        """Have modules loaded once for all sessions that begin from now on."""
        new = sorted(set(modules) - self._loaded)
        if new:
            self._loaded.update(new)
            self.template.sock.sendall(encode({"op": "preload", "modules": new}))

    def begin(self) -> tuple[socket.socket, int]:
        """A new session's socket and process."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.template.sock, [encode({"op": "session"})], [theirs.fileno()])
        return ours, self._wait_for("session")["pid"]

    def end(self, pid: int) -> int | None:
        """Wait for a session's end; its exit code, if that can be told."""
        self.template.sock.sendall(encode({"op": "reap", "pid": pid}))
        code: int | None = self._wait_for("reaped")["code"]
        return code

    def _wait_for(self, op: str) -> Message:
        while True:
            while self._heard:
                message = self._heard.pop(0)
                if message["op"] == op:
                    return message
            data = self.template.sock.recv(1 << 16)
            if not data:
                words = self.template.last_words()
                raise SessionError(f"the worker's session process did not start: {words}")
            self._heard.extend(self._decoder.feed(data))


def own_slot(python: str = "") -> Slot:
    """That of this thread, for the interpreter: the worker's own if it is not named."""
    slot: Slot | None = getattr(_own, "slot", None)
    if slot is None or slot.template.ended or slot.python != python:
        if slot is not None:
            slot.template.close()
        slot = _own.slot = Slot(python)
    return slot


class CellServer:
    """A session that holds what was shipped for calls of cells, and is forked for each."""

    def __init__(self, cells: ShippedCells) -> None:
        self.cells = cells
        slot = own_slot()
        slot.preload(cells.preload)
        self._session, self.pid = slot.begin()
        ours, theirs = socket.socketpair()
        self._forks = Forks(ours, self.pid)
        with theirs:
            self._session.sendall(encode({"op": "open", "spec": cells.spec}))
            socket.send_fds(self._session, [encode(cells.message)], [theirs.fileno()])
        self._wait_until_it_serves()

    def fork(self) -> socket.socket:
        """The socket of a process that runs calls."""
        return self._forks.fork()

    def close(self) -> None:
        """End it, and what was forked from it."""
        self._session.close()
        processes.kill_tree(self.pid)
        self._forks.close()

    def _wait_until_it_serves(self) -> None:
        decoder = Decoder()
        while True:
            data = self._session.recv(1 << 18)
            if not data:
                self._fail("it ended without a word")
            for message in decoder.feed(data):
                if message["op"] == "serves calls":
                    return
                if message["op"] == "failed":
                    self._fail(message["text"].strip().rpartition("\n")[2])

    def _fail(self, words: str) -> NoReturn:
        self.close()
        raise SessionError(f"what the cells read can't be had on the worker: {words}"[:400])
