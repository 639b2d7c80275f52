"""Run cells in processes of this machine: one home process, and a fork of it for each attempt."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from orch_nb.errors import SessionError
from orch_nb.execution import processes
from orch_nb.execution.job import Job, Message, Outcome, SessionSpec, outcome_from, to_message
from orch_nb.runners.base import (
    Applied,
    Asked,
    Collect,
    Done,
    FinalValues,
    Gone,
    Listener,
    Lost,
    MissedBlob,
    Report,
    Said,
    Showed,
)
from orch_nb.runners.template import Template
from orch_nb.runners.wire import Wire

__all__ = ["LocalRunner", "Template"]

_REAP_SECONDS = 2.0  # until a home process that is gone must be collected by its parent
_INTERRUPT_GRACE = 3.0  # seconds that a cell in the home process has to end when interrupted


@dataclass(slots=True)
class _Child:
    job: Job
    wire: Wire
    parent: Wire  # of the home process that forked it, and must collect it
    pid: int | None = None
    told: bool = False  # its outcome has come
    gone: bool = False
    dropped: bool = False


class LocalRunner:
    """See orch_nb.runners.base.Runner."""

    home_queue = 32

    def __init__(self, template: Template) -> None:
        self.language_info: Mapping[str, Any] = {}
        self.template = self._template = template
        self._children: dict[tuple[int, int], _Child] = {}
        self._reaping: dict[int, tuple[int, int]] = {}
        self._at_home: deque[Job] = deque()  # the first one runs, the others are queued behind it
        self._unwanted: set[tuple[int, int]] = set()  # of those: to be interrupted when they run
        self._home_pid: int | None = None
        self._first_home: int | None = None
        self._homes: list[Wire] = []  # of homes that another process took over from
        self._closing = False
        self._why_killed = ""

    async def open(self, spec: SessionSpec, listener: Listener) -> None:
        self._loop = asyncio.get_running_loop()
        self._tell: Listener = listener
        self._claims = Path(spec.results) / f".claims-{secrets.token_hex(8)}"
        with contextlib.suppress(OSError):
            self._claims.parent.mkdir(parents=True, exist_ok=True)
        self._spec = spec = replace(spec, claims=str(self._claims))
        self._opened: asyncio.Future[Message] = self._loop.create_future()
        self._collected: asyncio.Future[Message] = self._loop.create_future()
        self._template_wire = Wire(
            self._loop, self._template.sock, self._hear_template, self._template_gone
        )
        self._home_parent = self._template_wire
        ours = self._template.take_session() or self._ask_for_session()
        self._home = Wire(self._loop, ours, self._hear_home, self._home_gone)
        self._home.send({"op": "open", "spec": to_message(spec)})
        opened = await self._opened
        self._home_pid = opened["pid"]
        self.language_info = opened["language"]

    def _ask_for_session(self) -> socket.socket:
        """Our end of a process that the template forks."""
        ours, theirs = socket.socketpair()
        self._template_wire.send({"op": "session"}, theirs.detach())
        return ours

    def run_at_home(self, job: Job) -> None:
        self._at_home.append(job)
        send = self._home.send_soon if job.behind else self._home.send
        send({"op": "run", "job": to_message(job)})

    def fork(self, job: Job) -> None:
        ours, theirs = socket.socketpair()
        key = (job.cell, job.attempt)
        wire = Wire(
            self._loop, ours, partial(self._hear_child, key), partial(self._child_gone, key)
        )
        self._children[key] = _Child(job, wire, self._home)
        self._home.send({"op": "fork", "job": to_message(job)}, theirs.detach())

    def retire(self, cell: int, count: int, manifest: Message) -> None:
        self._home.send({"op": "retire", "cell": cell, "count": count, "manifest": manifest})

    def promote(self, cell: int, attempt: int, blobs: Sequence[MissedBlob]) -> None:
        self._children[cell, attempt].wire.send({"op": "promote", "apply": blobs})

    def answer(self, cell: int, attempt: int, *, ok: bool) -> None:
        child = self._children.get((cell, attempt))
        if child is not None:
            child.dropped = child.dropped or not ok
            child.wire.send({"op": "answer", "ok": ok})

    def drop(self, cell: int, attempt: int) -> None:
        child = self._children.get((cell, attempt))
        if child is not None:
            child.dropped = True
            self._kill(child)
        elif any(job.cell == cell for job in self._at_home):
            self._unwanted.add((cell, attempt))
            self._interrupt_if_unwanted()

    def kill(self) -> None:
        if self._first_home is not None:
            processes.kill_tree(self._first_home)  # a home that took over is its descendant
        for child in self._children.values():
            if child.parent is self._template_wire and child.pid is not None:
                processes.kill_tree(child.pid)

    async def collect(self, what: Collect) -> FinalValues:
        self._home.send({"op": "collect", "what": what})
        message = await self._collected
        return FinalValues(
            message.get("values"), message.get("reasons", {}), message.get("fingerprints", {})
        )

    async def close(self) -> None:
        self._closing = True
        if self._home_pid is not None:
            self.kill()
        for child in self._children.values():
            child.wire.close()
        for wire in (self._home, *self._homes):
            wire.close()
        self._template_wire.close()
        with contextlib.suppress(OSError):
            self._claims.unlink(missing_ok=True)
        self._template.hang_up()  # whoever made it waits for its end

    def memory(self) -> Mapping[int, int]:
        pids = {job.cell: child.pid for child in self._children.values() if (job := child.job)}
        if self._at_home:
            pids[self._at_home[0].cell] = self._home_pid
        found = {cell: processes.memory_of(pid) for cell, pid in pids.items() if pid is not None}
        return {cell: size for cell, size in found.items() if size is not None}

    # -- what is heard

    def _hear_home(self, message: Message) -> None:
        match message["op"]:
            case "opened":
                self._first_home = message["pid"]
                self._opened.set_result(message)
            case "forked":
                child = self._children.get((message["cell"], message["attempt"]))
                if child is not None:
                    child.pid = message["pid"]
                    if child.dropped:
                        self._kill(child)
                    if child.gone:  # not as soon as it has told: it may wait to become home
                        self._forget(child)
            case "inputs":
                self._stand_in(message)
            case "reaped":
                self._reaped(message)
            case "collected":
                self._collected.set_result(message)
            case "failed":
                self._home_gone(message["text"])
            case _:
                self._hear_cell(message)

    def _hear_child(self, key: tuple[int, int], message: Message) -> None:
        child = self._children[key]
        if message["op"] == "opened":  # a stand-in, and not a fork of home
            child.pid = message["pid"]
            if child.dropped:
                self._kill(child)
        if message["op"] == "outcome":
            child.told = True
        if message["op"] == "retired" and not message["reason"]:
            child.pid = message["pid"]  # the home that forked it may not have told it yet
            self._move_home(key)
        if not child.dropped:
            self._hear_cell(message)

    def _hear_cell(self, message: Message) -> None:
        match message["op"]:
            case "outcome":
                outcome = outcome_from(message["outcome"])
                self._leave_home(outcome)
                self._report(Done(outcome))
            case "output":
                self._report(Showed(message["cell"], message["attempt"], message["event"]))
            case "log":
                said = Said(
                    message["cell"],
                    message["level"],
                    message["logger"],
                    message["text"],
                    message["time"],
                )
                self._report(said)
            case "retired":
                self._report(Applied(message["cell"], message["reason"]))
            case "effect":
                used = tuple(message["ambient"]), tuple(message["files"])
                self._report(Asked(message["cell"], message["attempt"], message["words"], *used))

    def _leave_home(self, outcome: Outcome) -> None:
        """If it is that of a job at home, the next one has begun, unless it is forgotten there."""
        if not self._at_home or _key_of(self._at_home[0]) != (outcome.cell, outcome.attempt):
            return
        self._at_home.popleft()
        while outcome.error is not None and self._at_home and self._at_home[0].behind:
            self._at_home.popleft()
        self._interrupt_if_unwanted()

    def _stand_in(self, message: Message) -> None:
        """Home can't be forked: a fresh process runs the cell on what home has shipped for it."""
        key = (message["cell"], message["attempt"])
        child = self._children.get(key)
        if child is None:
            return
        child.wire.close()
        if child.dropped or "reason" in message:
            del self._children[key]
            if not child.dropped:
                why = message["reason"]
                self._report(Done(Outcome(*key, unshippable=why, refused=True, passing=True)))
            return
        child.parent, child.gone = self._template_wire, False
        child.wire = Wire(
            self._loop,
            self._ask_for_session(),
            partial(self._hear_child, key),
            partial(self._child_gone, key),
        )
        child.wire.send({"op": "open", "spec": to_message(self._spec)})
        child.wire.send({**message, "op": "work", "job": to_message(child.job)})

    def _move_home(self, key: tuple[int, int]) -> None:
        """A child takes over as home. The old home stays, as the parent of its children."""
        child = self._children.pop(key)
        self._homes.append(self._home)
        self._home = child.wire
        self._home.hand_over(self._hear_home, self._home_gone)
        self._home_pid = child.pid
        self._home_parent = child.parent

    def _child_gone(self, key: tuple[int, int]) -> None:
        child = self._children[key]
        if child.pid is not None:
            self._forget(child)
        child.gone = True

    def _forget(self, child: _Child) -> None:
        """The child is ending: let home collect it, and hear how it ended."""
        if child.pid is not None and child.pid not in self._reaping:
            self._reaping[child.pid] = (child.job.cell, child.job.attempt)
            child.parent.send({"op": "reap", "pid": child.pid})

    def _reaped(self, message: Message) -> None:
        if message["pid"] == self._home_pid:
            self._lose_home(_how_a_process_ended(message["code"]))
            return
        key = self._reaping.pop(message["pid"])
        child = self._children.pop(key)
        child.wire.close()
        if not child.dropped and (message["code"] != 0 or not child.told):
            self._report(Lost(*key, _how_a_process_ended(message["code"])))

    def _kill(self, child: _Child) -> None:
        if child.pid is not None and child.pid not in self._reaping:
            processes.kill_tree(child.pid)
            self._forget(child)

    def _interrupt_if_unwanted(self) -> None:
        if self._home_pid is None or not self._at_home:
            return
        job = self._at_home[0]
        if _key_of(job) not in self._unwanted:
            return
        self._unwanted.discard(_key_of(job))
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._home_pid, signal.SIGUSR1)

        def insist() -> None:
            if self._at_home and self._at_home[0] is job:
                self._why_killed = f"cell {job.cell} took no notice of its end: it was killed"
                self.kill()

        self._loop.call_later(_INTERRUPT_GRACE, insist)

    def _home_gone(self, reason: str = "") -> None:
        reason = reason or self._why_killed
        if reason or self._home_pid is None:
            self._lose_home(reason)
            return
        self._home_parent.send({"op": "reap", "pid": self._home_pid})
        self._loop.call_later(_REAP_SECONDS, self._lose_home)

    def _hear_template(self, message: Message) -> None:
        # a template may still answer what a runner before this one has asked
        if message["op"] == "reaped" and message["pid"] in {*self._reaping, self._home_pid}:
            self._reaped(message)

    def _lose_home(self, reason: str = "") -> None:
        if self._closing:
            return
        self._closing = True
        reason = reason or "its process ended unexpectedly"
        if not self._opened.done():
            self._opened.set_exception(SessionError(f"the session did not start: {reason}"))
        if not self._collected.done():
            self._collected.set_exception(SessionError(reason))
            self._collected.exception()  # nobody may be waiting
        self._tell(Gone(reason))

    def _template_gone(self) -> None:
        if not self._closing and not self._opened.done():
            words = self._template.last_words()
            self._closing = True
            self._opened.set_exception(
                SessionError(f"the session's process did not start: {words}")
            )

    def _report(self, report: Report) -> None:
        if not self._closing:
            self._tell(report)


def _key_of(job: Job) -> tuple[int, int]:
    return job.cell, job.attempt


def _how_a_process_ended(code: int | None) -> str:
    """In words, for the cell whose process it was; empty where it can't be told."""
    if code is None:
        return ""
    return f"its process ended {'by' if code < 0 else 'with'} {processes.how_it_ended(code)}"
