"""Runs single cells in a started kernel through nbclient, and tells what they showed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from orch_nb.execution.job import Job, Outcome
from orch_nb.execution.outputs import ErrorInfo, Sink
from orch_nb.execution.recorder import OutputRecorder
from orch_nb.execution.streams import NoDescriptorCapture
from orch_nb.runners.kernel_process import KernelProcess, begin_peak, log, peak_of

_FLUSH_SECONDS = 0.2  # text without an end of line is told after this
_IDLE_SECONDS = 30  # for the outputs that are still under way when a cell's reply has come


class CellClient(NotebookClient):  # type: ignore[misc]
    """nbclient's conversation with a kernel; outputs are recorded as for cells at home."""

    def __init__(self, process: KernelProcess, sink: Sink, *, python: bool) -> None:
        super().__init__(
            new_notebook(cells=[new_code_cell()]),
            km=process.manager,
            log=log,
            timeout=None,  # the driver keeps the time
            iopub_timeout=_IDLE_SECONDS,
            allow_errors=True,  # else the kernel may refuse the next cell after a failed one
            on_cell_executed=self._take_reply,
        )
        self.kc = process.client
        self._process = process
        self._python = python
        self._recorder = OutputRecorder(NoDescriptorCapture(), sink)
        self._count = 0
        self._reply: dict[str, Any] = {}
        self._flushing: asyncio.TimerHandle | None = None

    async def run(self, job: Job) -> Outcome | None:
        """Run one cell to its end; None when the kernel died meanwhile."""
        pid = self._process.pid
        if pid is not None:
            begin_peak(pid)
        self._count, self._reply = job.count, {}
        self._recorder.begin("cell")
        started = time.perf_counter()
        died = False
        try:
            await self.async_execute_cell(new_code_cell(job.source), 0, execution_count=job.count)
        except DeadKernelError:
            died = True
        seconds = time.perf_counter() - started
        self._end_flush()
        outputs, display_ids, updates = self._recorder.end()
        if died:
            return None
        outcome = Outcome(
            cell=job.cell,
            attempt=job.attempt,
            outputs=tuple(outputs),
            error=_error(self._reply, python=self._python),
            display_ids=display_ids,
            display_updates=tuple(dict(update) for update in updates),
            widgets=self._recorder.widgets.touched(),
            seconds=seconds,
            peak_memory=0 if pid is None else peak_of(pid),
        )
        self._tell_output_widgets()
        return outcome

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> None:
        """Record one message of the running cell; one that makes no sense is passed over."""
        kind, content = msg["msg_type"], msg["content"]
        if kind == "status":
            super().process_message(msg, cell, cell_index)  # raises at the cell's end
            return
        if kind == "execute_result":
            # a retry must not show: the kernel counts every attempt, a serial run only one
            content = {**content, "execution_count": self._count}
        try:
            self._recorder.message(kind, content, None, msg.get("buffers") or ())
        except (AttributeError, KeyError, TypeError, ValueError):
            log.warning("a %s message of the kernel can't be read", kind, exc_info=True)
        if kind == "stream" and self._flushing is None:
            loop = asyncio.get_running_loop()
            self._flushing = loop.call_later(_FLUSH_SECONDS, self._flush)

    def _take_reply(self, *, execute_reply: dict[str, Any], **_rest: Any) -> None:
        self._reply = execute_reply["content"]

    def _flush(self) -> None:
        self._flushing = None
        self._recorder.flush("stdout")

    def _end_flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def _tell_output_widgets(self) -> None:
        """The kernel's Output widgets learn what was shown in them, as from a front-end."""
        for model, shown in self._recorder.widgets.take_synced().items():
            state = {"method": "update", "state": {"outputs": shown}, "buffer_paths": []}
            content = {"comm_id": model, "data": state}
            self.kc.shell_channel.send(self.kc.session.msg("comm_msg", content=content))


def _error(reply: dict[str, Any], *, python: bool) -> ErrorInfo | None:
    """Why the cell failed, from the kernel's reply; None if it did not."""
    status = reply.get("status", "ok")
    if status == "ok":
        return None
    if status != "error":  # "aborted"; some kernels say "abort"
        return ErrorInfo(KeyboardInterrupt.__name__, "the cell was interrupted", ())
    name, value = str(reply.get("ename") or "Error"), str(reply.get("evalue", ""))
    traceback = tuple(str(line) for line in reply.get("traceback") or ())
    code = _exit_code(value) if python and name == SystemExit.__name__ else None
    return ErrorInfo(name, value, traceback, exit_code=code)


def _exit_code(value: str) -> int | str:
    """What SystemExit carried, from its text."""
    if value in ("", "None"):
        return 0
    try:
        return int(value)
    except ValueError:
        return value
