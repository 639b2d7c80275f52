"""Run a flow from a kernel: with its values, its cells run by hand, and its namespace for results.

A `LiveFlow` is made, planned and attended in the kernel's main thread; the run itself goes on in
threads and processes of its own.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orch_nb.app.called_cells import find_calls
from orch_nb.app.destination import lasting_path
from orch_nb.app.driving import ClaimedRun, drive_run
from orch_nb.app.limits import check_limits
from orch_nb.app.live_calls import telling_calls
from orch_nb.app.live_cells import Asking, LiveCells, find_cells
from orch_nb.app.live_kernel import Bound, KernelShell, KernelSide
from orch_nb.app.live_modules import source_files
from orch_nb.app.live_parameters import with_kernel_values
from orch_nb.app.live_queue import MainQueue
from orch_nb.app.live_record import hand_runs_of, standings_after_resume
from orch_nb.app.live_resume import cells_to_resume
from orch_nb.app.live_session import LiveSession
from orch_nb.app.live_state import KernelState, Standing, judge
from orch_nb.app.past import read_past
from orch_nb.app.preparing import Prepared, prepare
from orch_nb.app.requests import Control, RunRequest, RunResult
from orch_nb.app.resuming import ResumeRequest, resume
from orch_nb.app.reusing import Decision, Made, Use
from orch_nb.app.running import make_flow_run, record_run
from orch_nb.engine.events import Event, Listener, Notice
from orch_nb.errors import InputError
from orch_nb.execution.by_hand import HandRun, fingerprints
from orch_nb.execution.job import Outcome
from orch_nb.graph.build import build_graph
from orch_nb.graph.model import Node
from orch_nb.model import CellsMode, FlowRunId
from orch_nb.notebook.binding import (
    BoundParameters,
    GivenParameter,
    ParameterSource,
    bind_parameters,
)
from orch_nb.notebook.flow_line import FlowLine
from orch_nb.notebook.injection import inject_parameters
from orch_nb.notebook.reader import notebook_from_dict
from orch_nb.notebook.syntax import check_syntax
from orch_nb.results.location import open_results
from orch_nb.runners.base import Collect
from orch_nb.runners.kernelspecs import find_kernel
from orch_nb.states import StateType
from orch_nb.store import Store, StoreWriter, new_flow_run_id, open_store

_UNFINISHED = frozenset({StateType.FAILED, StateType.CRASHED, StateType.CANCELLED})


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """What a %%flow cell asks for. ``resume`` names a run to go on with instead, and ``tasks`` the
    tasks of it to run again."""

    asking: Asking
    line: FlowLine
    resume: str | None = None
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveOutcome:
    """What came of a flow: its run, what was bound, the names that are missing, and the document
    with all outputs. ``recorded`` are the cells it ran, as runs that count from now on."""

    result: RunResult
    bound: Bound
    missing: tuple[str, ...] = ()
    recorded: tuple[HandRun, ...] = ()


@dataclass(slots=True)
class Planned:
    """A flow that is ready to run."""

    cells: LiveCells
    prepared: Prepared
    request: RunRequest
    run_id: FlowRunId
    bound: BoundParameters
    standings: dict[int, Standing]
    names: frozenset[str]  # that cells to be run read
    started_with: dict[str, str] = field(default_factory=dict)  # fingerprints of what may change


class LiveFlow:
    """One flow from a kernel."""

    def __init__(
        self, request: LiveRequest, shell: KernelShell, listener: Callable[[Event], None]
    ) -> None:
        self.request = request
        self.control = Control()
        self.main = MainQueue()
        self._shell = shell
        self._listener = listener
        self._location = open_results()
        self._kernel = KernelSide(shell, self._location.staging, self.cancel)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._result: RunResult | None = None
        self._planned: Planned | None = None
        self._made_before: dict[str, frozenset[str]] = {}  # by a run that is resumed, by cell id
        self._held: dict[str, Any] = {}  # objects that names had at the start

    # -- in the main thread

    def start(self) -> None:
        """Plan the flow, ship what it needs, and have it begin. Raises InputError."""
        line, asking = self.request.line, self.request.asking
        if self.request.resume is not None:
            self._begin(self._resume)
            return
        cells = find_cells(asking)
        check_syntax(cells.notebook, line.options.allow_errors)
        store = open_store()
        try:
            planned = self._plan(cells, store)
            self._planned = planned
            reads = set() if line.fresh else planned.names
            if self._is_idle(planned):
                session = None
            else:
                session = self._session(reads)
                self._held = dict(asking.namespace)
        except BaseException:
            store.close()
            raise
        self._begin(lambda: self._run(planned, store, session))

    def _begin(self, work: Callable[[], RunResult]) -> None:
        def run() -> None:
            try:
                self._result = work()
            except BaseException as error:
                self._failure = error
            finally:
                self.main.end()

        self._thread = threading.Thread(target=run, name="orch_nb flow", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether the run has ended and nothing of it is left to be done but ``finish``."""
        return self._thread is not None and not self._thread.is_alive()

    def cancel(self, *, kill: bool = False) -> None:
        """End the run; what ended well is still bound."""
        self.control.cancel(kill=kill)

    def finish(self) -> LiveOutcome:
        """Bind the results, when the run is over. Raises what ended it, if not its cells."""
        if self._thread is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure
        if self._result is None:
            raise InputError("the flow was not started")
        result, planned = self._result, self._planned
        before = min(
            (task.cell_number for task in result.tasks if task.state_type in _UNFINISHED),
            default=None,
        )
        keep = self._changed_meanwhile() if self.request.line.background else frozenset()
        bound = self._kernel.bind(before, keep, self._held)
        if result.values:
            bound = self._kernel.bind_values(result.values)
        space = self._shell.namespace
        if planned is None:
            cells = notebook_from_dict(result.document, path=result.run.notebook).cells
            graph = build_graph(cells, CellsMode(result.run.options.cells), ())
            standings = standings_after_resume(graph, self._kernel.applied, space)
            before_it = {c.number: self._made_before.get(c.id, frozenset()) for c in cells}
            made = {**before_it, **self._kernel.made}
            recorded = hand_runs_of(graph, standings, result, space, before, made)
            return LiveOutcome(result, bound, recorded=recorded)
        missing: set[str] = set()
        for node in planned.prepared.graph.nodes:
            standing = planned.standings.get(node.cell.number)
            if before is not None and node.cell.number >= before and standing and standing.why:
                missing |= node.binds
        recorded = hand_runs_of(
            planned.prepared.graph, planned.standings, result, space, before, self._kernel.made
        )
        names = {name for name in missing if name not in bound.names and not name.startswith("_")}
        return LiveOutcome(result, bound, tuple(sorted(names)), recorded)

    def _changed_meanwhile(self) -> frozenset[str]:
        """Names that the user has bound or changed since the flow began."""
        planned = self._planned
        if planned is None:
            return frozenset()
        before = planned.started_with
        names = set[str]().union(*(node.writes for node in planned.prepared.graph.nodes))
        now = fingerprints(self._shell.namespace, names)
        return frozenset(name for name in names if now.get(name) != before.get(name))

    # -- planning

    def _plan(self, cells: LiveCells, store: Store | None) -> Planned:
        line, namespace = self.request.line, self.request.asking.namespace
        notebook = cells.notebook
        given = tuple(GivenParameter(n, v, ParameterSource.TEXT) for n, v in line.parameters)
        bound = bind_parameters(notebook, given)
        if not line.fresh:
            bound = with_kernel_values(bound, notebook, namespace)
        injected = inject_parameters(notebook, bound)
        options = notebook.flow.options
        run_id = new_flow_run_id()
        prepared = prepare(
            injected,
            options,
            parameters=bound.record,
            workers=options.max_workers or os.cpu_count() or 1,
            hints={} if store is None else store.get_hints(lasting_path(notebook.path)),
            run_id=run_id,
        )
        if store is not None:
            check_limits(prepared.graph, options.limit, store, notebook.filename)
        nodes = [node for node in prepared.graph.nodes if prepared.plan.runs(node)]
        if line.fresh:
            standings = {n.cell.number: Standing(n.cell.number, why="--fresh") for n in nodes}
        else:
            texts = {cell.number: cell.source for cell in injected.cells}
            standings = self._judge(prepared, nodes, texts, given=bool(bound.given))
        running = [node for node in nodes if standings[node.cell.number].why]
        names = set[str]().union(*(node.reads | node.changes for node in running))
        if any(node.barrier for node in running):
            names |= namespace.keys()
        request = RunRequest(
            str(notebook.path),
            parameters=given,
            cwd=str(Path.cwd()),
            collect=Collect.VALUES if line.fresh else Collect.NOTHING,
            until=cells.until,
        )
        before = {}
        if line.background:
            writes = set[str]().union(*(node.writes for node in running))
            before = fingerprints(self._shell.namespace, writes)
        return Planned(
            cells,
            prepared,
            request,
            run_id,
            bound,
            standings,
            frozenset(names),
            started_with=before,
        )

    def _judge(
        self, prepared: Prepared, nodes: list[Node], texts: Mapping[int, str], *, given: bool
    ) -> dict[int, Standing]:
        line = self.request.line
        names = set[str]().union(*(node.reads | node.writes | node.changes for node in nodes))
        namespace, folder = self._shell.namespace, Path.cwd()
        modules = {n.cell.number: source_files(n, namespace, folder) for n in nodes if n.task}
        files = {path for node in nodes for path in node.files_read}
        state = KernelState(
            prints=fingerprints(namespace, names),
            runs=self.request.asking.runs,
            changed_files=_changed(files.union(*modules.values())),
            modules=modules,
            refresh=line.options.refresh,
            given=given,
            texts={number: texts[number] for number in prepared.calls},
        )
        return judge(prepared.graph, nodes, state)

    def _is_idle(self, planned: Planned) -> bool:
        return not any(standing.why for standing in planned.standings.values())

    def _session(self, names: Collection[str]) -> LiveSession:
        line = self.request.line
        session = LiveSession(
            find_kernel("python3", "python"),
            str(Path.cwd()),
            self._kernel,
            self.main,
            in_place=not (line.background or line.fresh),
        )
        session.start()
        if not line.fresh:
            session.ship(names)
        return session

    # -- in a thread of its own

    def _run(self, planned: Planned, store: Store, session: LiveSession | None) -> RunResult:
        prepared = planned.prepared
        with store, StoreWriter(store) as writer:
            made, decisions = _as_decisions(planned.standings)
            new = make_flow_run(prepared, planned.request, planned.bound, None, planned.run_id)
            record, tasks = record_run(prepared, new, None, writer)
            listener = _with_notices(self._listener, planned, store)
            claimed = ClaimedRun(
                self._sent_home(planned, session),
                planned.request,
                record,
                tasks,
                None,
                str(Path.cwd()),
                prepared.plan.workers,
                self._location,
                made=made,
                decisions=decisions,
                mark_errors=False,
            )
            try:
                use = session or LiveSession(
                    find_kernel("python3", "python"), ".", self._kernel, self.main, in_place=False
                )
                with self._telling(planned.run_id, bool(prepared.calls)):
                    return drive_run(claimed, store, writer, use, listener, self.control)
            finally:
                if session is not None:
                    session.close()

    def _telling(self, run: FlowRunId, calls: bool) -> contextlib.AbstractContextManager[None]:
        """Have the calls of a run's cells told, if some cells are called."""
        return telling_calls(run, self._listener) if calls else contextlib.nullcontext()

    def _sent_home(self, planned: Planned, session: LiveSession | None) -> Prepared:
        """The plan, with the cells that need what can't leave the kernel marked to run there."""
        if session is None:
            return planned.prepared
        plan = planned.prepared.plan
        here = {
            node.cell.number: why
            for node in plan.graph.nodes
            if (why := self._kernel.why_here(node.reads | node.changes))
        }
        return replace(planned.prepared, plan=replace(plan, at_home={**plan.at_home, **here}))

    def _resume(self) -> RunResult:
        request = self.request
        with open_store() as store:
            past = read_past(store, request.resume or "")
        self._made_before = {cell.task.cell_id: cell.makes for cell in past.cells}
        notebook, notices = cells_to_resume(request.asking, past)
        for notice in notices:
            self._listener(Notice(notice))
        calls = find_calls(notebook, CellsMode(past.run.options.cells)).calls
        with self._telling(past.run.id, bool(calls)):
            return resume(
                ResumeRequest(past.run.id, tasks=request.tasks, notebook=notebook),
                self._listener,
                self.control,
                sessions=lambda kernel, folder: LiveSession(
                    kernel, folder, self._kernel, self.main, in_place=False
                ),
            )


def _as_decisions(
    standings: Mapping[int, Standing],
) -> tuple[dict[int, Made], tuple[Decision, ...]]:
    """What the engine is told of cells that are up to date: their values are there already."""
    made, decisions = {}, []
    for number, standing in standings.items():
        if standing.why:
            made[number] = Made(why_run=standing.why)
            decisions.append(Decision(number, Use.RUN, standing.why))
            continue
        outcome = Outcome(number, 0, observed=True, cached=True)
        made[number] = Made(outcome, cached=True, present=True)
        decisions.append(Decision(number, Use.REUSE, standing.current))
    return made, tuple(decisions)


def _changed(files: Collection[str]) -> dict[str, datetime]:
    found = {}
    for path in files:
        try:
            found[path] = datetime.fromtimestamp(Path(path).stat().st_mtime, UTC)
        except (OSError, ValueError):
            continue
    return found


def _with_notices(listener: Listener, planned: Planned, store: Store) -> Listener:
    """The listener, which is told first where the cells come from."""
    texts = [planned.cells.origin, *planned.cells.notebook.notices, *store.notices]
    told = False

    def tell(event: Event) -> None:
        nonlocal told
        listener(event)
        if not told:
            told = True
            for text in texts:
                listener(Notice(text))

    return tell
