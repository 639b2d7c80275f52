"""A flow in a browser: its cells run in the kernel itself, one after the other, and nothing is
recorded, since there are no processes, no threads and no store."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orch_nb.app.driving import run_started
from orch_nb.app.live import LiveFlow, LiveOutcome, Planned
from orch_nb.app.live_cells import find_cells
from orch_nb.app.live_kernel import Bound, CellEnd, KernelShell
from orch_nb.app.requests import RunResult
from orch_nb.app.running import make_flow_run, task_runs
from orch_nb.browser import refuse_in_browser
from orch_nb.engine.events import Event, Notice, RunChanged, RunEnded, TaskChanged
from orch_nb.errors import InputError
from orch_nb.execution.by_hand import HandRun, HandRunRecorder
from orch_nb.graph.model import EdgeKind, Node
from orch_nb.model import FlowRun, TaskRun
from orch_nb.notebook.syntax import check_syntax
from orch_nb.options import TaskOptions
from orch_nb.states import StateName, StateType
from orch_nb.store.names import candidates

HERE = "the cells run in this browser, one after the other; nothing is recorded"
_UNHEEDED = ("retries", "timeout", "cache", "runner", "uses", "resources")
_NO_PROCESSES = "it has no processes"
_NO_RECORD = "nothing is recorded there"


class InlineFlow(LiveFlow):
    """See LiveFlow. The main thread does all of the work, between the front-end's messages."""

    _over = False
    is_cancelled = False
    recorded: tuple[HandRun, ...] = ()  # what the cells that ended well have done

    @property
    def shell(self) -> KernelShell:
        """Where the cells run."""
        return self._shell

    def tell(self, event: Event) -> None:
        """Let those who watch know."""
        self._listener(event)

    def start(self) -> None:
        """Plan the flow. Raises InputError, also for what a browser can't do."""
        line = self.request.line
        refuse = [
            (self.request.resume is not None, "resuming a run", _NO_RECORD),
            (line.fresh, "%%flow --fresh", _NO_PROCESSES),
            (line.background, "%%flow --background", _NO_PROCESSES),
            (line.options.runner.startswith("dask"), "--runner dask", _NO_PROCESSES),
        ]
        for is_asked, what, why in refuse:
            if is_asked:
                refuse_in_browser(what, why)
        cells = find_cells(self.request.asking)
        check_syntax(cells.notebook, line.options.allow_errors)
        planned = self._plan(cells, None)
        if planned.prepared.calls:
            refuse_in_browser("a flow that calls its cells (a %%flow body, --each)", _NO_PROCESSES)
        self._planned = planned
        self.main.submit(self._run_cells)

    @property
    def is_over(self) -> bool:
        """Whether nothing of the run is left to be done but ``finish``."""
        return self._over

    def cancel(self, *, kill: bool = False) -> None:
        """Begin no further cell."""
        self.is_cancelled = True

    def finish(self) -> LiveOutcome:
        """What came of it; the results are bound already. Raises what ended it, if not its
        cells."""
        if self._failure is not None:
            raise self._failure
        if self._result is None:
            raise InputError("the flow was not started")
        names = {name for run in self.recorded for name in run.bound}
        missing = {
            name
            for task in self._result.tasks
            if task.state_type in (StateType.FAILED, StateType.CANCELLED) and self._planned
            for name in self._planned.prepared.graph.node(task.cell_number).binds
        }
        bound = Bound(tuple(sorted(names)))
        return LiveOutcome(self._result, bound, tuple(sorted(missing - names)), self.recorded)

    async def _run_cells(self) -> None:
        try:
            if self._planned is not None:
                self._result = await _Attempt(self, self._planned).go()
        except BaseException as error:
            self._failure = error
        finally:
            self._over = True
            self.main.end()


class _Attempt:
    """The run itself: goes through the cells in document order, and tells what happens."""

    def __init__(self, flow: InlineFlow, planned: Planned) -> None:
        self._flow = flow
        self._planned = planned
        self._document = copy.deepcopy(dict(planned.prepared.notebook.raw))
        self._tasks = task_runs(planned.prepared, planned.run_id)
        self._failed: set[int] = set()
        self._error: TaskRun | None = None
        self._interrupted = False

    async def go(self) -> RunResult:
        planned, prepared = self._planned, self._planned.prepared
        began = datetime.now(UTC)
        record = make_flow_run(prepared, planned.request, planned.bound, None, planned.run_id)
        record = replace(record, options=replace(record.options, runner="inline"))
        record = replace(
            record, name=next(candidates()), state_name=StateName.RUNNING, start_time=began
        )
        self._tell(run_started(prepared, record, self._tasks))
        for text in (HERE, planned.cells.origin, *prepared.notebook.notices, *self._unheeded()):
            self._tell(Notice(text))
        for node in prepared.graph.nodes:
            if node.cell.number in self._tasks:
                await self._step(node)
                await self._breathe()
        record = self._ended(record)
        seconds = (datetime.now(UTC) - began).total_seconds()
        tasks = tuple(self._tasks.values())
        self._tell(RunChanged(record))
        self._tell(RunEnded(record, tasks, seconds))
        return RunResult(record, tasks, seconds, (), None, self._document)

    async def _step(self, node: Node) -> None:
        number = node.cell.number
        standing = self._planned.standings.get(number)
        if standing is None:
            self._set(number, StateName.SKIPPED)
        elif not standing.why:
            self._set(number, StateName.CACHED, standing.current)
        elif self._flow.is_cancelled or self._interrupted:
            self._failed.add(number)
            self._set(number, StateName.CANCELLED)
        elif needed := self._broken_inputs(number):
            self._failed.add(number)
            self._set(number, StateName.UPSTREAM_FAILED, f"needs {', '.join(needed)}")
        else:
            await self._run(node)

    async def _run(self, node: Node) -> None:
        number = node.cell.number
        cell = self._code_cell(number)
        source = "".join(cell["source"])
        began = datetime.now(UTC)
        self._set(number, StateName.RUNNING, start_time=began)
        await self._breathe()
        recorder = HandRunRecorder(
            self._flow.shell.namespace, source, number=0, cell_id=cell.get("id"), task=node.task
        )
        end = await self._flow.shell.run_cell(node.cell.source)
        run = replace(recorder.record(error=None), ok=end.error is None, flow="this flow")
        cell["outputs"] = list(end.outputs)
        self._interrupted = end.interrupted
        if end.error is None:
            self._flow.recorded += (run,)
        else:
            self._failed.add(number)
        self._set(number, *_how_it_ended(end), began=began, end=end)

    def _set(
        self,
        number: int,
        state: StateName,
        message: str = "",
        *,
        start_time: datetime | None = None,
        began: datetime | None = None,
        end: CellEnd | None = None,
    ) -> None:
        task = replace(self._tasks[number], state_name=state, state_message=message)
        if start_time or began:
            task = replace(task, start_time=start_time or began)
        if end is not None:
            task = replace(task, end_time=datetime.now(UTC), seconds=end.seconds)
        if end is not None and end.error is not None:
            error = end.error
            names = {"error_name": error.name, "error_value": error.value, "error_line": error.line}
            task = replace(task, **names)  # type: ignore[arg-type]  # as their types are there
            self._error = self._error or task
        self._tasks[number] = task
        self._tell(TaskChanged(task))

    def _ended(self, record: FlowRun) -> FlowRun:
        state, message = StateName.COMPLETED, ""
        if self._error is not None:
            state = StateName.FAILED
            message = f"{self._error.name}: {self._error.error_name}: {self._error.error_value}"
        if self._flow.is_cancelled or self._interrupted:
            state, message = StateName.CANCELLED, "cancelled by the user"
        return replace(record, state_name=state, state_message=message, end_time=datetime.now(UTC))

    def _broken_inputs(self, number: int) -> list[str]:
        graph = self._planned.prepared.graph
        sources = {
            edge.source
            for edge in graph.edges
            if edge.target == number and edge.kind is not EdgeKind.ORDER
        }
        return [graph.node(source).cell.label for source in sorted(sources & self._failed)]

    def _code_cell(self, number: int) -> dict[str, Any]:
        code = [cell for cell in self._document["cells"] if cell["cell_type"] == "code"]
        found: dict[str, Any] = code[number - 1]
        return found

    def _unheeded(self) -> Iterator[str]:
        """Which of the tasks' options do nothing here."""
        usual = TaskOptions()
        named = [
            f"--{option}"
            for option in _UNHEEDED
            if any(
                getattr(node.cell.options, option, None) != getattr(usual, option, None)
                for node in self._planned.prepared.graph.nodes
            )
        ]
        if named:
            yield f"no effect in a browser: {', '.join(named)}"

    def _tell(self, event: Event) -> None:
        self._flow.tell(event)

    async def _breathe(self) -> None:
        """Show what is new, and let the front-end's messages through, where they can come."""
        self._flow.main.before()
        if self._flow.main.is_awaited:
            await asyncio.sleep(0.01)


def _how_it_ended(end: CellEnd) -> tuple[StateName, str]:
    if end.interrupted:
        return StateName.CANCELLED, "interrupted"
    return (StateName.COMPLETED, "") if end.error is None else (StateName.FAILED, "")
