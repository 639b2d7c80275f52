"""A runner whose values come from a kernel: cells beside others run in forks of a home process that
was given them, cells that run in place, or need what can't be sent, run in the kernel itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Protocol

from orch_nb.app.live_kernel import KernelSide, Shipment
from orch_nb.app.live_queue import WorkInterrupted
from orch_nb.errors import SessionError
from orch_nb.execution.job import Job, Message, Outcome, SessionSpec
from orch_nb.execution.outputs import ErrorInfo
from orch_nb.runners.base import Done, Listener, Report
from orch_nb.runners.local import LocalRunner, Template

_NO_CELL = -1  # stands for a cell in messages that bring the kernel's values


class MainThread(Protocol):
    """The kernel's main thread, where its values may be touched."""

    def submit(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Future[Any]:
        """Have ``work`` awaited there."""

    def interrupt(self) -> None:
        """Interrupt the cell that runs there."""


class LiveRunner(LocalRunner):
    """See orch_nb.runners.base.Runner.

    The values of ``names`` go to the home process before the first cell, as they were
    ``shipped``, if they were; None for no values at all. With ``in_place``, cells that run at
    home run in the kernel; else only results are brought there.
    """

    home_queue = 1

    def __init__(
        self,
        template: Template,
        kernel: KernelSide,
        main: MainThread,
        *,
        names: Collection[str] | None,
        shipped: tuple[Shipment, ...],
        in_place: bool,
    ) -> None:
        super().__init__(template)
        self._kernel = kernel
        self._main = main
        self._names = names
        self._shipped = shipped
        self._in_place = in_place
        self._answers: dict[int, asyncio.Future[str]] = {}
        self._running: Job | None = None  # in the kernel
        self._dropped: set[tuple[int, int]] = set()  # of those that run, or shall run, there
        self._only_there: set[str] = set()  # names whose values can't be brought to the kernel
        self._works: set[asyncio.Task[None]] = set()

    async def open(self, spec: SessionSpec, listener: Listener) -> None:
        await super().open(spec, listener)
        names = self._names
        if names is None:
            return

        async def ship() -> tuple[Shipment, ...]:
            return self._kernel.ship_state(), self._kernel.ship(names)

        shipments = self._shipped or await asyncio.wrap_future(self._main.submit(ship))
        for shipment in shipments:
            if await self._send(shipment):
                await self._send_singly(shipment)

    async def _send_singly(self, values: Shipment) -> None:
        """What could be pickled can't be loaded there: find out which, and leave it here."""
        for name in sorted(values.names):

            async def ship(name: str = name) -> Shipment:
                return self._kernel.ship((name,))

            shipment = await asyncio.wrap_future(self._main.submit(ship))
            why = await self._send(shipment)
            if why:
                self._kernel.keep_here(name, why)

    async def _send(self, shipment: Shipment, count: int = 0) -> str:
        """Bring values to the home process; the reason why it could not take them, or ""."""
        if shipment.manifest is None:
            return ""
        answer: asyncio.Future[str] = self._loop.create_future()
        self._answers[_NO_CELL] = answer
        super().retire(_NO_CELL, count, shipment.manifest)
        return await answer

    # -- what is done

    def run_at_home(self, job: Job) -> None:
        called = {cell["name"] for cell in job.calls.get("cells", ())}
        why = self._kernel.why_here(set(job.reads) - called)
        if self._in_place and not job.calls and self._only_there.isdisjoint(job.reads):
            self._running = job
            self._start(self._run_here(job))
        elif why and job.calls:
            self._refuse(job, f"{why}; the cells that it calls run in processes of their own")
        elif why:
            self._refuse(job, f"{why}; run the flow without --background or --fresh")
        else:
            super().run_at_home(_in_full(job))

    def fork(self, job: Job) -> None:
        why = self._kernel.why_here(job.reads)
        if why:
            self._tell_later(Outcome(job.cell, job.attempt, unshippable=why, refused=True))
        else:
            super().fork(_in_full(job))

    def retire(self, cell: int, count: int, manifest: Message) -> None:
        self._kernel.note_retired(cell, count, manifest)
        super().retire(cell, count, manifest)

    def drop(self, cell: int, attempt: int) -> None:
        running = self._running
        if running is not None and (running.cell, running.attempt) == (cell, attempt):
            self._dropped.add((cell, attempt))
            self._main.interrupt()
        else:
            super().drop(cell, attempt)

    async def close(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.cancel()
        await super().close()
        if self._works:
            await asyncio.wait(self._works)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _run_here(self, job: Job) -> None:
        async def run() -> tuple[Outcome, Shipment]:
            if (job.cell, job.attempt) in self._dropped:  # before its turn had come
                raise WorkInterrupted
            return await self._kernel.run(job)

        try:
            outcome, shipment = await asyncio.wrap_future(self._main.submit(run))
        except WorkInterrupted:
            error = ErrorInfo(KeyboardInterrupt.__name__, "", ())
            outcome = Outcome(job.cell, job.attempt, error=error, observed=True)
            shipment = Shipment(None)
        self._running = None
        if not self._closing:
            reason = await self._send(shipment, job.count)
            if reason:
                for name in shipment.names:
                    self._kernel.keep_here(name, reason)
                outcome = replace(outcome, blob=None)
        self._report(Done(outcome))

    def _refuse(self, job: Job, why: str) -> None:
        error = ErrorInfo(SessionError.__name__, why, (f"{SessionError.__name__}: {why}",))
        self._tell_later(Outcome(job.cell, job.attempt, error=error, observed=True))

    def _tell_later(self, outcome: Outcome) -> None:
        self._loop.call_soon(self._report, Done(outcome))

    # -- what is heard

    def _hear_cell(self, message: Message) -> None:
        if message["op"] == "retired" and message["cell"] == _NO_CELL:
            self._answers.pop(_NO_CELL).set_result(message["reason"])
            return
        if message["op"] == "outcome":
            told = message["outcome"]
            job = self._at_home[0] if self._at_home else None
            if job is not None and job.cell == told["cell"] and told.get("blob") is not None:
                self._kernel.note_retired(job.cell, job.count, told["blob"])
            elif told.get("unshippable") and not told.get("refused"):
                # Its values can be had in the kernel only if it runs there. What has acted on
                # the outside is not done twice: its process takes over as home.
                calls = job is not None and job.cell == told["cell"] and bool(job.calls)
                again = self._in_place and not told.get("acted") and not calls
                message = {**message, "outcome": {**told, "refused": again}}
                if not again:
                    self._only_there |= {*told.get("bound", ()), *told.get("changed", ())}
                    self._kernel.not_brought(told.get("bound", ()), told["unshippable"])
        super()._hear_cell(message)

    def _report(self, report: Report) -> None:
        if isinstance(report, Done) and not report.outcome.refused:
            self._kernel.note_made(report.outcome)
        super()._report(report)

    def _home_gone(self, reason: str = "") -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(reason or "its process ended unexpectedly")
        self._answers.clear()
        super()._home_gone(reason)


def _in_full(job: Job) -> Job:
    """The job, whose results are brought to the kernel however quickly they are made."""
    return replace(job, observe=True, ship=True, thrifty=False)
