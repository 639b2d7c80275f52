"""Run cells in the notebook's own kernel, one after the other: any language, any environment."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from orch_nb.errors import SessionError
from orch_nb.execution import processes
from orch_nb.execution.job import Job, Message, Outcome, SessionSpec
from orch_nb.execution.outputs import ErrorInfo, OutputEvent
from orch_nb.runners.base import (
    Applied,
    Collect,
    Done,
    FinalValues,
    Gone,
    Listener,
    MissedBlob,
    Report,
    Showed,
)
from orch_nb.runners.kernel_cells import CellClient
from orch_nb.runners.kernel_process import KernelProcess, log
from orch_nb.runners.kernelspecs import KernelChoice

_START_SECONDS = 60.0  # for the kernel's first answer
_STOP_SECONDS = 3.0  # for an interrupted cell to end, before the kernel is killed
_INTERRUPT_EVERY = 1.0  # an interrupt is lost when it comes just before the cell begins
_LOOK_SECONDS = 1.0  # between looks at an idle kernel
_NO_HISTORY = ("--HistoryManager.hist_file=:memory:",)  # a run is not the user's own typing


class KernelRunner:
    """See orch_nb.runners.base.Runner. The kernel holds the values; nothing can be shipped."""

    home_queue = 1

    def __init__(self, kernel: KernelChoice, *, patience: float = _START_SECONDS) -> None:
        self.language_info: Mapping[str, Any] = {}
        self._kernel = kernel
        self._patience = patience
        self._process: KernelProcess | None = None
        self._jobs: collections.deque[Job] = collections.deque()
        self._dropped: set[tuple[int, int]] = set()
        self._running: Job | None = None
        self._working: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._why_killed = ""
        self._closing = False

    async def open(self, spec: SessionSpec, listener: Listener) -> None:
        self._tell: Listener = listener
        self._news = asyncio.Event()
        process = KernelProcess(self._kernel.name, _NO_HISTORY if self._kernel.python else ())
        self._process = process  # known before it has started, so that it can be killed
        await process.start(spec.folder, spec.environment, self._patience)
        python = self._kernel.language.lower() == "python"
        self.language_info = process.language_info
        self._cells = CellClient(process, self._show, python=python)
        self._working = asyncio.create_task(self._work(process))
        self._working.add_done_callback(self._worked)

    def run_at_home(self, job: Job) -> None:
        self._jobs.append(job)
        self._news.set()

    def fork(self, job: Job) -> None:
        self.run_at_home(job)

    def retire(self, cell: int, count: int, manifest: Message) -> None:
        asyncio.get_running_loop().call_soon(self._report, Applied(cell, ""))

    def promote(self, cell: int, attempt: int, blobs: Sequence[MissedBlob]) -> None:
        """Never asked for: everything runs where the values are."""

    def answer(self, cell: int, attempt: int, *, ok: bool) -> None:
        if not ok:
            self.drop(cell, attempt)

    def drop(self, cell: int, attempt: int) -> None:
        job = self._running
        if job is None or (job.cell, job.attempt) != (cell, attempt):
            self._dropped.add((cell, attempt))
        elif self._stopping is None and self._process is not None:
            self._stopping = asyncio.create_task(self._stop(self._process, job))

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def collect(self, what: Collect) -> FinalValues:
        raise SessionError(
            f"the notebook's values stay in its kernel '{self._kernel.name}' and can't be fetched",
            hint="let the notebook write them to a file",
        )

    async def close(self) -> None:
        self._closing = True
        process, self._process = self._process, None
        if process is None:
            return
        idle = self._running is None
        if not idle:
            process.kill()
        if self._working is not None:
            if idle:
                self._working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._working
        if self._stopping is not None:
            self._stopping.cancel()
        await process.close(politely=idle)

    def memory(self) -> Mapping[int, int]:
        if self._running is None or self._process is None or self._process.pid is None:
            return {}
        size = processes.memory_of(self._process.pid)
        return {} if size is None else {self._running.cell: size}

    # -- the kernel's one thread of work

    async def _work(self, process: KernelProcess) -> None:
        while True:
            while not self._jobs:
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), _LOOK_SECONDS)
                if not await process.is_alive():
                    break
            job = self._jobs.popleft() if self._jobs else None
            if job is not None and (job.cell, job.attempt) in self._dropped:
                self._report(Done(_interrupted(job)))
                continue
            if not await process.is_alive():
                before = f"before {_label(job)} could run" if job else "between two cells"
                await self._lose(process, f"the kernel died {before}")
                return
            if job is not None and not await self._run(process, job):
                return

    def _worked(self, working: asyncio.Task[None]) -> None:
        """A mistake in the work itself must end the run, not leave it waiting."""
        if not working.cancelled() and (error := working.exception()) is not None:
            log.error("the kernel's work broke off", exc_info=error)
            self._report(Gone(f"the kernel can't be used any more: {error}"))

    async def _run(self, process: KernelProcess, job: Job) -> bool:
        """Run one job; tell whether the kernel still lives."""
        self._running = job
        try:
            outcome = await self._cells.run(job)
        except Exception as error:  # the loop's edge: a kernel may answer with anything
            log.exception("%s could not be run", _label(job))
            words = f"the kernel's answer can't be read: {type(error).__name__}: {error}"
            outcome = Outcome(job.cell, job.attempt, error=ErrorInfo("KernelError", words, ()))
        self._running = None
        if self._stopping is not None:
            self._stopping.cancel()
            self._stopping = None
        if outcome is None:
            await self._lose(process, f"the kernel died while running {_label(job)}")
            return False
        self._report(Done(outcome))
        return True

    async def _stop(self, process: KernelProcess, job: Job) -> None:
        """Interrupt the running job; kill the kernel if that does not end it."""
        for _ in range(round(_STOP_SECONDS / _INTERRUPT_EVERY)):
            await process.interrupt()
            await asyncio.sleep(_INTERRUPT_EVERY)
        self._why_killed = f"the kernel was killed: {_label(job)} did not stop when interrupted"
        process.kill()

    async def _lose(self, process: KernelProcess, reason: str) -> None:
        how = await process.how_it_ended()
        if self._why_killed:
            reason = self._why_killed
        elif how:
            reason += f" ({how})"
        self._report(Gone(reason))

    # -- what is told

    def _show(self, event: OutputEvent) -> None:
        job = self._running
        if job is not None:
            self._report(Showed(job.cell, job.attempt, dict(event)))

    def _report(self, report: Report) -> None:
        if not self._closing:
            self._tell(report)


def _interrupted(job: Job) -> Outcome:
    """The outcome of a job that was dropped before its turn."""
    error = ErrorInfo(KeyboardInterrupt.__name__, "dropped before it began", ())
    return Outcome(job.cell, job.attempt, error=error)


def _label(job: Job) -> str:
    return f"cell {job.cell} '{job.task}'" if job.task else f"cell {job.cell}"
