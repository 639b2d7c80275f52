"""The view of a run that the store holds, whoever runs it: read, and read again while it lives."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from orch_nb.app.abandoned import settle_run
from orch_nb.app.drawing import NO_PICTURE, draw
from orch_nb.app.view_calls import Rows, row_key
from orch_nb.app.view_rows import Actions, make_header, make_row, names_of
from orch_nb.app.view_schema import GraphPicture
from orch_nb.app.viewing import MOST_LOGS, RunView, estimate_seconds, with_logs
from orch_nb.errors import OrchError
from orch_nb.graph.build import build_graph
from orch_nb.graph.model import FlowGraph
from orch_nb.model import CellKind, CellsMode, FlowRun, FlowRunId, StateChange, TaskRun
from orch_nb.notebook.last_cell import last_cell_of
from orch_nb.notebook.reader import read_notebook
from orch_nb.states import StateName
from orch_nb.store import LogQuery, Store, open_store


class RecordedRun:
    """One run in the store. Used as a context manager, or closed; from one thread at a time."""

    def __init__(self, called: str, actions: Actions | None = None) -> None:
        """Find the run by its name or id. Raises NotFoundError."""
        self._store: Store = open_store()
        self.actions = actions  # that the views tell of
        self._graph: FlowGraph | None = None
        self._looked = False
        self._last_log = 0
        self._expected: dict[str, float] = {}  # seconds, by the hash of a cell's text
        try:
            run = self._store.get_run(called)
        except BaseException:
            self._store.close()
            raise
        self.id: FlowRunId = run.id
        self.notebook = run.notebook

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    @property
    def graph(self) -> FlowGraph | None:
        """The graph of the notebook as it was run, when that is still to be had."""
        return self._graph

    def read(self, before: RunView | None = None) -> RunView:
        """The view as it is recorded now; ``before`` is the one of the last look, whose logs are
        kept."""
        run = settle_run(self._store, self._store.get_run(self.id))
        tasks = self._store.task_runs(run.id)
        if not self._looked:
            self._looked = True
            self._graph = find_graph(run, tasks)
            hints = {} if run.state_type.is_terminal else self._store.get_hints(run.notebook)
            self._expected = {
                key: hint["seconds"] for key, hint in hints.items() if "seconds" in hint
            }
        retried = any(task.attempt > 1 for task in tasks)
        history = self._store.history(run.id) if retried else ()
        view = view_of(
            run, tasks, history, self._graph, expected=self._expected, actions=self.actions
        )
        if before is not None:
            view = _same_objects(before, view)
        return self._with_new_logs(view)

    def _with_new_logs(self, view: RunView) -> RunView:
        records = self._store.logs(self.id, LogQuery(after=self._last_log))
        if records:
            self._last_log = records[-1].id or self._last_log
        dropped = max(0, len(records) - MOST_LOGS)
        return with_logs(view, list(records[dropped:]))


def view_of(
    run: FlowRun,
    tasks: Sequence[TaskRun],
    history: Iterable[StateChange] = (),
    graph: FlowGraph | None = None,
    *,
    expected: Mapping[str, float] | None = None,
    actions: Actions | None = None,
) -> RunView:
    """The view of records. Without a graph the cells that were tagged count as tasks, or all.

    ``expected`` are seconds learned from earlier runs, by the hash of a cell's text.
    """
    seconds = {
        task.cell_number: expected[task.source_hash]
        for task in tasks
        if expected is not None and task.source_hash in expected
    }
    tries = _earlier_tries(run, history)
    counted = _counted(tasks, graph)
    waits = _waits(graph)
    own = [task for task in tasks if row_key(task)[1] is None]
    rows = tuple(
        make_row(
            task,
            run,
            counted=task.cell_number in counted,
            waits=waits.get(task.cell_number, ()),
            expected=seconds.get(task.cell_number),
            tries=tries.get(task.id, ()),
        )
        for task in own
    )
    header = make_header(run, actions)
    header["tasks"] = len(counted)
    header["cells"] = len(own) if graph is None else len(graph.nodes)
    cells = [task.cell_number for task in tasks]
    header["expected"] = estimate_seconds(cells, seconds, waits, header["workers"])
    shown = Rows(rows, {row_key(task): position for position, task in enumerate(own)})
    for task in sorted(tasks, key=lambda task: task.id):  # the order in which they were called
        if row_key(task)[1] is not None:
            shown.put(task, header["began"])
    shown.tell_paces()
    picture: GraphPicture = NO_PICTURE
    if graph is not None:
        picture = draw(graph, names_of(rows), shown.index)
    return RunView(header, tuple(shown.rows), shown.index, picture)


def find_graph(run: FlowRun, tasks: Sequence[TaskRun]) -> FlowGraph | None:
    """The graph that the run had: of its output notebook, else of the notebook itself, if its
    cells are still those that ran."""
    for place in (run.output, run.notebook):
        if not place or not (place.startswith("memory:") or Path(place).exists()):
            continue
        try:
            notebook = read_notebook(place, until=last_cell_of(run.request.get("until")))
            graph = build_graph(notebook.cells, CellsMode(run.options.cells), ())
        except (OrchError, OSError, ValueError):
            continue
        ids = {node.cell.number: node.cell.id for node in graph.nodes}
        if all(ids.get(task.cell_number) == task.cell_id for task in tasks):
            return graph
    return None


def _same_objects(before: RunView, view: RunView) -> RunView:
    """The view with rows, header and picture that are equal replaced by those of ``before``."""
    rows = tuple(
        old if old == new else new
        for old, new in itertools.zip_longest(before.rows, view.rows)
        if new is not None
    )
    header = before.run if before.run == view.run else view.run
    graph = before.graph if before.graph == view.graph else view.graph
    return RunView(header, rows, view.index, graph, before.logs, before.first_log)


def _counted(tasks: Sequence[TaskRun], graph: FlowGraph | None) -> frozenset[int]:
    numbers = frozenset(task.cell_number for task in tasks)
    if graph is not None:
        return frozenset(n.cell.number for n in graph.nodes if n.task) & numbers
    tagged = frozenset(task.cell_number for task in tasks if task.kind is CellKind.TASK)
    return tagged or numbers


def _waits(graph: FlowGraph | None) -> dict[int, tuple[tuple[str, int], ...]]:
    """What each cell waits for, but for what imports bring: name and cell number."""
    found: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    if graph is not None:
        imports = {node.cell.number for node in graph.nodes if node.imports_only}
        for edge in graph.edges:
            if edge.source not in imports:
                found[edge.target].extend((name, edge.source) for name in edge.names)
    return {cell: tuple(pairs) for cell, pairs in found.items()}


def _earlier_tries(
    run: FlowRun, history: Iterable[StateChange]
) -> dict[str, tuple[tuple[float, float], ...]]:
    """When each task's attempts before its last began and ended, in seconds of the run."""
    if run.start_time is None:
        return {}
    began = run.start_time
    started: dict[str, float] = {}
    tries: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for change in history:
        moment = (change.time - began).total_seconds()
        state = StateName(change.new)
        if moment < 0:
            continue  # of an attempt of the run before this
        if state in (StateName.RUNNING, StateName.RETRYING):
            started[change.run_id] = moment
        elif state is StateName.AWAITING_RETRY and change.run_id in started:
            tries[change.run_id].append((max(0.0, started.pop(change.run_id)), moment))
    return {task: tuple(found) for task, found in tries.items()}
