"""Run cells on a Dask cluster: home stays here, and what could be forked is sent with its inputs.

What can't be sent (its values can't be pickled, or the process was changed) runs in a fork here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from orch_nb.errors import SessionError
from orch_nb.execution.job import Gate, Job, Message, SessionSpec, outcome_from, to_message
from orch_nb.results.blob import blob_path
from orch_nb.runners.base import Done, Listener, Lost
from orch_nb.runners.dask_cluster import (
    DaskCluster,
    forget_topic,
    known_resources,
    needed_resources,
)
from orch_nb.runners.dask_slot import CellReply, CellRequest, Probe, put_blob, run_cell
from orch_nb.runners.local import LocalRunner, Template, _Child
from orch_nb.runners.wire import Wire

_Key = tuple[int, int]
_Line = tuple[int, str, str]  # of a log: the cell, the logger and the text
_GOODBYE_SECONDS = 5.0
_LOOK_SECONDS = 0.5
_MOST_CELLS = 1_000_000
_MOST_ASKS = 3


@dataclass(slots=True)
class _Away:
    """An attempt on the cluster."""

    job: Job
    task: asyncio.Task[None] | None = None
    future: Any = None
    memory: int = 0
    said: Counter[_Line] = field(default_factory=Counter)  # what it has logged


@dataclass(frozen=True, slots=True)
class Sending:
    """What a run tells its cluster: ``names`` are those of its tasks by cell, for the dashboard,
    ``resources`` what they need (sent along where the cluster's workers have such), ``needed`` that
    of it which workers must have, ``priorities`` which of them come first,
    ``modules`` the sources of the notebook's own, and ``python`` the interpreter of its cells if
    it is another than this one. ``preload`` names libraries to be loaded once in each worker, and
    not by each cell. ``notice`` takes what the user should know."""

    flow: str = "flow"
    names: Mapping[int, str] = field(default_factory=dict)
    resources: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    needed: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    priorities: Mapping[int, int] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    preload: tuple[str, ...] = ()
    notice: Callable[[str], None] = lambda text: None


class DaskRunner(LocalRunner):
    """See orch_nb.runners.base.Runner."""

    def __init__(self, template: Template, cluster: DaskCluster, sending: Sending) -> None:
        super().__init__(template)
        self._cluster = cluster
        self._sending = sending
        self._topic = f"orch_nb-{secrets.token_hex(8)}"
        self._away: dict[_Key, _Away] = {}
        self._client: Any = None
        self._probe: Probe | None = None
        self._watch: asyncio.Task[None] | None = None
        self._opening = False  # home was asked for
        self._carries = False  # some worker shares no files with this machine
        self._tidying: set[asyncio.Future[Any]] = set()
        self._said: Counter[_Line] = Counter()  # by attempts that must run at home after all

    async def open(self, spec: SessionSpec, listener: Listener) -> None:
        place = Path(spec.results) / f".{self._topic}"
        self._probe = Probe(str(place), secrets.token_hex(16))
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(self._probe.token)
        except OSError as error:
            raise SessionError(
                f"the results' folder can't be written: {error.strerror}", where=spec.results
            ) from None
        self._client = await self._cluster.connect()
        self._client.subscribe_topic(self._topic, self._hear_event)
        link = self._cluster.notice(self._client)
        if link:
            self._sending.notice(link)
        for cell, wanted in self._sending.needed.items():
            await needed_resources(self._client, wanted, self._name_of(cell))
        self._opening = True
        await super().open(spec, listener)
        self._watch = self._loop.create_task(self._watch_scheduler())

    def fork(self, job: Job) -> None:
        """Ask home for what the job needs elsewhere; if that can't be sent, home forks."""
        ours, theirs = socket.socketpair()
        key = (job.cell, job.attempt)
        wire = Wire(
            self._loop, ours, partial(self._hear_child, key), partial(self._child_gone, key)
        )
        self._children[key] = _Child(job, wire, self._home)
        message = {"op": "fork", "job": to_message(job), "away": True}
        self._home.send(message, theirs.detach())

    def drop(self, cell: int, attempt: int) -> None:
        away = self._away.pop((cell, attempt), None)
        if away is None:
            super().drop(cell, attempt)
        else:
            self._forsake(away)

    def kill(self) -> None:
        super().kill()
        for away in self._away.values():
            self._forsake(away)

    async def close(self) -> None:
        for away in self._away.values():
            self._forsake(away)
        self._away.clear()
        try:
            if self._client is not None:
                if self._watch is not None:
                    self._watch.cancel()
                with contextlib.suppress(Exception):  # the scheduler may be what is gone
                    async with asyncio.timeout(_GOODBYE_SECONDS):
                        await asyncio.gather(*self._tidying, return_exceptions=True)
                        self._client.unsubscribe_topic(self._topic)
                        await self._client.run_on_scheduler(forget_topic(self._topic))
                await self._client.close(timeout=_GOODBYE_SECONDS)
        finally:
            if self._probe is not None:
                with contextlib.suppress(OSError):
                    Path(self._probe.path).unlink(missing_ok=True)
            if self._opening:
                await super().close()
            else:
                self._template.hang_up()

    def memory(self) -> Mapping[int, int]:
        away = {key[0]: one.memory for key, one in self._away.items() if one.memory}
        return {**super().memory(), **away}

    # -- the cluster

    def _stand_in(self, message: Message) -> None:
        key = (message["cell"], message["attempt"])
        child = self._children.get(key)
        if child is None or child.dropped or "reason" in message:
            super()._stand_in(message)
            return
        child.wire.close()
        del self._children[key]
        away = self._away[key] = _Away(child.job)
        away.task = self._loop.create_task(self._send_away(key, away, message))

    async def _send_away(self, key: _Key, away: _Away, inputs: Message) -> None:
        """Have the cluster run it, and report what came of it."""
        try:
            reply = await self._ask_patiently(away, inputs)
            if reply.carry:
                self._carries = True
                reply = await self._ask_patiently(away, inputs)
            report = self._understand(key, reply)
            if isinstance(report, Done) and report.outcome.refused:
                self._said += away.said
        except CancelledError as error:  # not by this runner, which cancels the task as well
            report = Lost(*key, f"the Dask scheduler is gone, or has cancelled it: {error}")
        except Exception as error:  # of the cluster: KilledWorker, CommClosedError …
            if isinstance(error, OSError):  # if that was the scheduler, its watch tells
                await asyncio.sleep(2 * _LOOK_SECONDS)
            words = str(error).strip().splitlines() or [type(error).__name__]
            report = Lost(*key, f"it was lost on the Dask cluster: {words[0][:300]}")
        if self._away.get(key) is away:
            del self._away[key]
            self._report(report)

    async def _ask_patiently(self, away: _Away, inputs: Message) -> CellReply:
        """Ask again where the scheduler has let go of the task, or of what it was sent; of what
        may have acted, the worker tells that it had begun."""
        for _ in range(_MOST_ASKS - 1):
            try:
                return await self._ask(away, inputs)
            except CancelledError:
                if self._client.status != "running":
                    raise
        return await self._ask(away, inputs)

    async def _ask(self, away: _Away, inputs: Message) -> CellReply:
        job = away.job
        if self._probe is None:
            raise RuntimeError("the runner is not open")
        request = CellRequest(
            topic=self._topic,
            spec=to_message(self._spec),
            job=to_message(job),
            inputs=inputs,
            probe=self._probe,
            once=job.gate is Gate.OPEN,
            python=self._sending.python,
            preload=self._sending.preload,
            modules=self._sending.modules if self._carries else None,
        )
        carried = None
        if self._carries:
            digests = [inputs["manifest"]["digest"], *(m["digest"] for _, m in job.apply)]
            carried = [(digest, await self._scatter(digest)) for digest in digests]
        wanted = self._sending.resources.get(job.cell, {})
        resources = await known_resources(self._client, wanted)
        away.future = self._client.submit(
            run_cell,
            request,
            carried,
            key=f"{self._sending.flow}/{self._name_of(job.cell)}-{secrets.token_hex(8)}",
            pure=False,
            # among equals, what serial would run first
            priority=self._sending.priorities.get(job.cell, 0) * _MOST_CELLS - job.cell,
            resources=resources,
        )
        reply: CellReply = await away.future
        return reply

    def _name_of(self, cell: int) -> str:
        return self._sending.names.get(cell, f"cell-{cell}")

    async def _scatter(self, digest: str) -> Any:
        path = blob_path(Path(self._spec.results), digest)
        data = await asyncio.to_thread(path.read_bytes)
        # By a key of its own: releasing one future of equal data races with scattering another.
        return await self._client.scatter(data, hash=False)

    def _understand(self, key: _Key, reply: CellReply) -> Done | Lost:
        if reply.lost or reply.carry:
            return Lost(*key, reply.lost or "the worker sees none of the flow's files")
        for digest, data in (reply.blobs or {}).items():
            put_blob(Path(self._spec.results), digest, data)
        outcome = outcome_from(json.loads(reply.outcome))
        error = outcome.error
        if error is not None and error.name == "ModuleNotFoundError" and not outcome.acted:
            why = f"{reply.worker} lacks a module: {error.value}"
            outcome = replace(outcome, unshippable=why, refused=True, passing=True, blob=None)
        return Done(outcome, f"dask: {reply.worker}")

    def _forsake(self, away: _Away) -> None:
        """End an attempt; its worker ends the process when it sees that it was cancelled."""
        if away.task is not None:
            away.task.cancel()
        if away.future is not None:
            gone = asyncio.ensure_future(self._client.cancel([away.future], asynchronous=True))
            self._tidying.add(gone)
            gone.add_done_callback(self._tidying.discard)

    def _hear_event(self, event: tuple[float, Message]) -> None:
        cell, attempt = event[1]["key"]
        away = self._away.get((cell, attempt))
        if away is None:
            return
        message = json.loads(event[1]["text"])
        if message["op"] == "memory":
            away.memory = message["size"] or 0
        else:
            if message["op"] == "log":
                away.said[_line_of(message)] += 1
            super()._hear_cell(message)

    def _hear_cell(self, message: Message) -> None:
        """From home or a fork of it; what a refused attempt has logged is not told again."""
        if message["op"] == "log" and self._said[_line_of(message)] > 0:
            self._said[_line_of(message)] -= 1
            return
        super()._hear_cell(message)

    async def _watch_scheduler(self) -> None:
        """A scheduler that is gone has taken all along that was asked of it."""
        while self._client.status == "running":
            await asyncio.sleep(_LOOK_SECONDS)
        if not self._closing:
            self.kill()
            self._lose_home("the Dask scheduler is gone")


def _line_of(message: Message) -> _Line:
    return message["cell"], message["logger"], message["text"]
