"""What runs in a Dask worker: it lets a session process run one cell, and tells what happens.

Each cell has a session of its own, forked of the template of the worker's thread.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orch_nb.errors import SessionError
from orch_nb.execution import processes
from orch_nb.execution.job import (
    Decoder,
    Message,
    Outcome,
    encode,
    outcome_from,
    to_message,
)
from orch_nb.results.blob import blob_path
from orch_nb.runners.dask_sessions import own_slot

_LOOK = 0.2  # seconds between looks whether the cell is still wanted
_MEASURE = 2.0  # seconds between measurements of its memory
_MOST_LIVE = 1 << 20  # bytes of one live output; what is larger comes with the outcome only


@dataclass(frozen=True, slots=True)
class Probe:
    """A file in the driver's results folder, by which a worker knows whether it shares it."""

    path: str
    token: str

    @property
    def is_here(self) -> bool:
        """Whether this machine sees the file."""
        try:
            return Path(self.path).read_text() == self.token
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class CellRequest:
    """One attempt, as it is sent to a worker. ``spec`` and ``job`` are messages, ``inputs`` what
    home has shipped; ``probe`` and ``folder`` tell whether files are shared. ``once`` asks that it
    is never begun a second time: it may have acted. ``python`` is the interpreter for its cells,
    the worker's own if empty; ``preload`` names modules that its sessions are forked with."""

    topic: str
    spec: Message
    job: Message
    inputs: Message
    probe: Probe
    once: bool
    python: str = ""
    preload: tuple[str, ...] = ()
    modules: Mapping[str, str] | None = None  # the notebook's own modules: path → source


@dataclass(frozen=True, slots=True)
class CellReply:
    """What came of it: the ``outcome`` as JSON; or ``lost``, why there is none, in words; or
    ``carry``, if the worker needs blobs sent along. ``blobs`` are those that it has written."""

    worker: str
    outcome: str = ""
    lost: str = ""
    carry: bool = False
    blobs: Mapping[str, bytes] | None = None


def run_cell(request: CellRequest, carried: Sequence[tuple[str, bytes]] | None) -> CellReply:
    """Run one attempt in a session process of this worker; ``carried`` are blobs by digest."""
    from distributed import get_worker

    worker = get_worker()
    shared = request.probe.is_here and Path(request.spec["folder"]).is_dir()
    if not shared and carried is None:
        return CellReply(worker.address, carry=True)
    if request.once and not _is_first(worker, request):
        return CellReply(worker.address, lost="its worker died, and it may have acted by then")
    task = str(worker.get_current_task())
    if shared:
        return _Attempt(worker, task, request).run()
    place = Path(tempfile.mkdtemp(prefix="orch_nb-", dir=worker.local_directory))
    try:
        return _run_apart(worker, task, request, carried or (), place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def put_blob(results: Path, digest: str, data: bytes) -> None:
    """Write a blob that came from another machine; it appears whole, or not at all."""
    path = blob_path(results, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{digest[:16]}-{secrets.token_hex(8)}.part")
    partial.write_bytes(data)
    partial.rename(path)


def is_wanted(worker: Any, task: str) -> bool:
    """Whether somebody waits for a task that runs. Dask can't end it, but its worker knows that
    it was cancelled, also when that was because the driver is gone."""
    found = worker.state.tasks.get(task)
    return found is not None and found.state != "cancelled"


def _run_apart(
    worker: Any,
    task: str,
    request: CellRequest,
    carried: Sequence[tuple[str, bytes]],
    place: Path,
) -> CellReply:
    """Run it on a machine that has none of the driver's files."""
    folder, results = place / "folder", place / "results"
    folder.mkdir()
    for digest, data in carried:
        put_blob(results, digest, data)
    for name, source in (request.modules or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    own = {"folder": str(folder), "results": str(results), "claims": str(place / "claims")}
    spec = {**request.spec, **own}
    # Files that it writes would stay on this machine: home is where it acts.
    job = {**request.job, "gate": "in-order"}
    reply = _Attempt(worker, task, request, spec, job).run()
    if not reply.outcome:
        return reply
    outcome = outcome_from(json.loads(reply.outcome))
    why = _why_not_apart(outcome, str(folder), request.modules or {})
    if why:
        at_home = replace(outcome, unshippable=why, refused=True, passing=True, blob=None)
        return CellReply(worker.address, json.dumps(to_message(at_home)))
    digests = {m["digest"] for m in (outcome.blob, outcome.kept_files) if m}
    blobs = {digest: blob_path(results, digest).read_bytes() for digest in digests}
    return CellReply(worker.address, reply.outcome, blobs=blobs)


def _why_not_apart(outcome: Outcome, folder: str, modules: Mapping[str, str]) -> str:
    """Why it must run at home, where the flow's files are; empty if it need not."""
    files = [*outcome.files_read, *outcome.files_written]
    used = [path for path in files if _within(path, folder) not in {"", *modules}]
    if used:
        return f"it uses {_within(used[0], folder)}, a file that the worker does not have"
    error = outcome.error
    if error and error.name in {"FileNotFoundError", "ModuleNotFoundError"}:
        return f"it needs what the worker does not have: {error.value[:200]}"
    return ""


def _within(path: str, folder: str) -> str:
    """The path relative to the folder; empty for one that lies elsewhere."""
    if not path.startswith("/"):
        return path
    return path[len(folder) + 1 :] if path.startswith(f"{folder}/") else ""


def _is_first(worker: Any, request: CellRequest) -> bool:
    """Whether no worker has begun this attempt before; from now on one has."""
    from distributed.utils import sync

    keys = [request.topic, f"{request.job['cell']}-{request.job['attempt']}"]
    begun = sync(worker.loop, worker.scheduler.get_metadata, keys=keys, default=None)
    if begun is None:
        sync(worker.loop, worker.scheduler.set_metadata, keys=keys, value=worker.address)
    return begun is None


class _Attempt:
    """One cell in one session."""

    def __init__(
        self,
        worker: Any,
        task: str,
        request: CellRequest,
        spec: Message | None = None,
        job: Message | None = None,
    ) -> None:
        self._worker = worker
        self._task = task
        self._request = request
        self._spec = spec or request.spec
        self._job = job or request.job
        self._looked = self._measured = time.monotonic()

    def run(self) -> CellReply:
        """Run it to its end, or until nobody wants it any more."""
        slot = own_slot(self._request.python)
        try:
            slot.preload(self._request.preload)
            sock, pid = slot.begin()
        except (OSError, SessionError) as error:
            slot.template.close()
            return CellReply(self._worker.address, lost=str(error))
        outcome = ""
        try:
            with sock:
                outcome = self._follow(sock, pid)
        finally:
            processes.kill_tree(pid)  # what it has left running ends with it, as in a fork
            code = slot.end(pid)
        if outcome:
            return CellReply(self._worker.address, outcome)
        how = "" if code is None else f": {processes.how_it_ended(code)}"
        return CellReply(self._worker.address, lost=f"its process on the worker ended{how}")

    def _follow(self, sock: socket.socket, pid: int) -> str:
        """Tell what the session says; its outcome, empty when it has none."""
        sock.sendall(encode({"op": "open", "spec": self._spec}))
        sock.sendall(encode({**self._request.inputs, "op": "work", "job": self._job}))
        sock.settimeout(_LOOK)
        decoder = Decoder()
        while True:
            if not self._is_wanted(pid):
                return ""
            try:
                data = sock.recv(1 << 18)
            except TimeoutError:
                continue
            except OSError:
                return ""
            if not data:
                return ""
            for message in decoder.feed(data):
                if message["op"] == "outcome":
                    return json.dumps(message["outcome"])
                self._tell(message)

    def _is_wanted(self, pid: int) -> bool:
        now = time.monotonic()
        if now - self._measured > _MEASURE:
            self._measured = now
            self._tell({"op": "memory", "size": processes.memory_of(pid)})
        if now - self._looked < _LOOK:
            return True
        self._looked = now
        return is_wanted(self._worker, self._task)

    def _tell(self, message: Message) -> None:
        text = json.dumps(message)
        if message["op"] not in {"output", "log", "memory"} or len(text) > _MOST_LIVE:
            return
        key = [self._job["cell"], self._job["attempt"]]
        self._worker.log_event(self._request.topic, {"key": key, "text": text})
