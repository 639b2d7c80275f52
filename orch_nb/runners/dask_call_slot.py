"""What runs in a Dask worker for calls of functions and cells: it lets a process of its own run
them.

Each of a worker's threads has one process, forked of a template that the worker started, so that
a call may print, change the folder, crash or take too long without harm to the worker. Calls that
come together run one after the other, and their outcomes go back together. Each call of a cell has
a fork of its own of a process that holds what the cells read, as it has on the driver's machine.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orch_nb.durations import format_duration
from orch_nb.dynamic.processes import get_template
from orch_nb.dynamic.shipped_cells import ShippedCells
from orch_nb.engine.retry import TIMED_OUT
from orch_nb.errors import SessionError
from orch_nb.execution import processes
from orch_nb.execution.call_messages import (
    call_message,
    crashed_outcome,
    open_message,
    outcome_from,
)
from orch_nb.execution.calls import CallError, CallOutcome, CallSpec
from orch_nb.execution.frames import Framed, FrameReader
from orch_nb.results.blob import blob_path
from orch_nb.runners.dask_sessions import CellServer
from orch_nb.runners.dask_slot import Probe, is_wanted, put_blob

_LOOK = 0.2  # seconds between looks whether the calls are still wanted
_AT_ONCE = 1 << 16  # bytes of calls that may wait in the process: no more than a socket takes

_own = threading.local()
_processes: set[_Process] = set()  # of all threads
_servers: set[CellServer] = set()  # as well
_lock = threading.Lock()  # for these sets


@dataclass(frozen=True, slots=True)
class CallsRequest:
    """Calls by their numbers, as they are sent to a worker. ``probe`` tells whether it shares the
    driver's files; ``modules`` are the flow's own (path → source), for one that does not.
    ``tell`` asks to hear when they begin. ``cells`` are what is called, if it is no function."""

    topic: str
    calls: Sequence[tuple[int, CallSpec]]
    folder: str
    path: tuple[str, ...]
    environment: Mapping[str, str]
    run: Mapping[str, Any]
    probe: Probe
    tell: bool
    modules: Mapping[str, str] | None = None
    cells: ShippedCells | None = None


@dataclass(frozen=True, slots=True)
class CallsReply:
    """What came of them; or ``carry``, if the worker needs blobs and modules sent along. Each log
    has the call's number first. ``blobs`` are those that a worker has written apart."""

    worker: str
    outcomes: Sequence[tuple[int, CallOutcome]] = ()
    logs: Sequence[Sequence[Any]] = ()
    carry: bool = False
    blobs: Mapping[str, bytes] | None = None


def run_calls(request: CallsRequest, carried: Sequence[tuple[str, bytes]] | None) -> CallsReply:
    """Run the calls in this thread's process; ``carried`` are blobs by digest."""
    from distributed import get_worker

    worker = get_worker()
    shared = request.probe.is_here and Path(request.folder).is_dir()
    if not shared and carried is None:
        return CallsReply(worker.address, carry=True)
    task = str(worker.get_current_task())
    if shared:
        return _Turn(worker, task, request).run()
    return _run_apart(worker, task, request, carried or ())


def _run_apart(
    worker: Any, task: str, request: CallsRequest, carried: Sequence[tuple[str, bytes]]
) -> CallsReply:
    """Run them on a machine that has none of the driver's files."""
    place = Path(tempfile.mkdtemp(prefix="orch_nb-", dir=worker.local_directory))
    try:
        folder, results = place / "folder", place / "results"
        folder.mkdir()
        for digest, data in carried:
            put_blob(results, digest, data)
        for name, source in (request.modules or {}).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        apart = replace(
            request,
            calls=[(n, replace(spec, staging=str(results))) for n, spec in request.calls],
            folder=str(folder),
            path=(str(folder), *sys.path),
            cells=request.cells and request.cells.placed(str(folder), str(results)),
        )
        reply = _Turn(worker, task, apart).run()
        large = [
            str(outcome.kept.digest)
            for _, outcome in reply.outcomes
            if outcome.kept is not None and outcome.kept.frame is None
        ]
        blobs = {digest: blob_path(results, digest).read_bytes() for digest in large}
        return replace(reply, blobs=blobs)
    finally:
        _leave()  # its folder goes
        _leave_cells()
        shutil.rmtree(place, ignore_errors=True)


class _Process:
    """The process of a thread, in the run and folder that it was opened for."""

    def __init__(self, request: CallsRequest) -> None:
        self.folder, self.run = request.folder, request.run
        cells = request.cells
        self.sock = get_template().fork() if cells is None else _enter_cells(cells).fork()
        self.reader = FrameReader()
        self.sent: set[str] = set()
        self.pid: int | None = None
        self.sock.sendall(
            open_message(request.folder, request.path, request.environment, request.run)
        )

    def fits(self, request: CallsRequest) -> bool:
        """Whether these calls may run in it."""
        return self.folder == request.folder and self.run == request.run

    def end(self) -> None:
        """End it, with what it started."""
        with _lock:
            if self not in _processes:
                return
            _processes.discard(self)
        self.sock.close()
        if self.pid is not None:
            processes.kill_tree(self.pid)


def end_run(run: str) -> None:
    """End the processes of a flow's run: it is over."""
    with _lock:
        found = [process for process in _processes if process.run.get("id") == run]
        servers = [server for server in _servers if server.cells.spec["run"].get("id") == run]
        _servers.difference_update(servers)
    for process in found:
        process.end()
    for server in servers:
        server.close()


def _enter(request: CallsRequest) -> _Process:
    process: _Process | None = getattr(_own, "process", None)
    if process is not None and process in _processes and process.fits(request):
        return process
    _leave()
    process = _own.process = _Process(request)
    with _lock:
        _processes.add(process)
    return process


def _leave() -> None:
    process: _Process | None = getattr(_own, "process", None)
    _own.process = None
    if process is not None:
        process.end()


def _enter_cells(cells: ShippedCells) -> CellServer:
    """This thread's process that holds what the cells read."""
    server: CellServer | None = getattr(_own, "server", None)
    if server is not None and server in _servers and server.cells == cells:
        return server
    _leave_cells()
    server = _own.server = CellServer(cells)
    with _lock:
        _servers.add(server)
    return server


def _leave_cells() -> None:
    server: CellServer | None = getattr(_own, "server", None)
    _own.server = None
    if server is None:
        return
    with _lock:
        known = server in _servers
        _servers.discard(server)
    if known:
        server.close()


class _Turn:
    """The calls of one request, one after the other."""

    def __init__(self, worker: Any, task: str, request: CallsRequest) -> None:
        self._worker = worker
        self._task = task
        self._request = request
        self._left: deque[tuple[int, CallSpec]] = deque(request.calls)
        self._outcomes: list[tuple[int, CallOutcome]] = []
        self._logs: list[list[Any]] = []
        self._looked = time.monotonic()

    def run(self) -> CallsReply:
        """Run them to their ends, or until nobody wants them any more."""
        if self._request.tell:
            self._tell({"began": [number for number, _ in self._left]})
        while self._left:
            try:
                process = _enter(self._request)
            except (OSError, SessionError) as error:
                self._end_first(crashed_outcome(f"no process can be had for it: {error}"))
                continue
            if not self._follow(process):
                _leave()
        return CallsReply(self._worker.address, self._outcomes, self._logs)

    def _follow(self, process: _Process) -> bool:
        """Run what is left in the process, or one call of a cell; False if it can't be used any
        more."""
        once = self._request.cells is not None
        unsent = deque([self._left[0]] if once else self._left)
        others = len(self._left) - len(unsent)
        waiting = 0  # calls that the process has been given
        begun = time.monotonic()
        while len(self._left) > others:
            try:
                if not waiting:
                    waiting = _send(process, unsent)
                data = process.sock.recv(1 << 18)
            except TimeoutError:
                data = None
            except OSError:
                data = b""
            if data == b"":
                words = "its process on the worker ended without a word (killed, out of memory?)"
                self._end_first(crashed_outcome(words, time.monotonic() - begun))
                return False
            for message in process.reader.feed(data or b""):
                if self._take(process, message):
                    waiting -= 1
                    begun = time.monotonic()
            if not self._is_in_time(time.monotonic() - begun):
                return False
            if not self._is_wanted():
                self._left.clear()
                return False
        return not once

    def _is_in_time(self, seconds: float) -> bool:
        limit = self._left[0][1].timeout if self._left else None
        if limit is None or seconds <= limit:
            return True
        words = f"took longer than {format_duration(limit)}"
        error = CallError("TimedOut", words, TIMED_OUT)
        self._end_first(CallOutcome(error=error, seconds=limit, timed_out=True))
        return False

    def _take(self, process: _Process, message: Framed) -> bool:
        """Whether the message was a call's outcome."""
        header, frames = message
        match header["op"]:
            case "ready":
                process.pid = header["pid"]
            case "log":
                self._logs.append([header["call"], *header["log"]])
            case "outcome":
                self._end_first(outcome_from(header, frames))
                return True
        return False

    def _end_first(self, outcome: CallOutcome) -> None:
        number, _ = self._left.popleft()
        self._outcomes.append((number, outcome))

    def _is_wanted(self) -> bool:
        now = time.monotonic()
        if now - self._looked < _LOOK or not self._left:
            return True
        self._looked = now
        if self._logs:
            self._tell({"logs": self._logs})
            self._logs = []
        return is_wanted(self._worker, self._task)

    def _tell(self, message: Mapping[str, Any]) -> None:
        self._worker.log_event(self._request.topic, {"worker": self._worker.address, **message})


def _send(process: _Process, unsent: deque[tuple[int, CallSpec]]) -> int:
    """Give the process the next call, and those that its socket takes as well; how many."""
    messages: list[bytes] = []
    size = 0
    while unsent:
        message = call_message(*unsent[0], process.sent)
        if messages and size + len(message) > _AT_ONCE:
            break
        size += len(message)
        messages.append(message)
        unsent.popleft()
    process.sock.settimeout(None)
    process.sock.sendall(b"".join(messages))
    process.sock.settimeout(_LOOK)
    return len(messages)
