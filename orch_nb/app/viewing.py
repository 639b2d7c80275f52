"""A run as its views see it: a frozen picture, advanced by each event, and what to send of it.

Pure: no clock, no I/O. ``snapshot`` tells all of a view, ``delta`` what has changed between two;
rows that did not change stay the same object, which is what makes that cheap.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from orch_nb.app.drawing import NO_PICTURE, draw, with_rows
from orch_nb.app.plain import plain_line, plain_text
from orch_nb.app.progress import read_progress
from orch_nb.app.view_calls import Index, Rows, row_key
from orch_nb.app.view_rows import (
    Actions,
    make_header,
    make_row,
    names_of,
)
from orch_nb.app.view_schema import (
    Delta,
    GraphPicture,
    LogLine,
    Row,
    RowChange,
    RunHeader,
    Snapshot,
)
from orch_nb.engine.events import (
    Event,
    Logged,
    Notice,
    RunChanged,
    RunEnded,
    RunStarted,
    TaskChanged,
    TaskProgress,
)
from orch_nb.graph.model import FlowGraph
from orch_nb.model import FlowRun, LogRecord, TaskRun

MOST_LOGS = 500  # lines that a view holds; `orch-nb logs` has all
MOST_NOTICES = 20
MOST_FILES = 50


@dataclass(frozen=True, slots=True)
class RunView:
    """All that a view shows of one run. ``rows`` stand in document order, calls of cells below
    them; ``index`` finds a row by its key. Rows and header are never changed in place."""

    run: RunHeader
    rows: tuple[Row, ...] = ()
    index: Index = field(default_factory=dict)
    graph: GraphPicture = field(default_factory=lambda: NO_PICTURE)
    logs: tuple[LogLine, ...] = ()
    first_log: int = 0

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.run["seconds"] is not None

    def row_of(self, cell: int) -> Row | None:
        """The row of a cell."""
        position = self.index.get((cell, None))
        return None if position is None else self.rows[position]


def call_at(view: RunView, position: int) -> str | None:
    """The id of the task run, where the row at this place is one of a cell's calls."""
    keys = (key for key, place in view.index.items() if place == position)
    return next(keys, (0, None))[1]


def first_view(event: RunStarted, actions: Actions | None = None) -> RunView:
    """The view of a run that begins."""
    header = make_header(event.run, actions)
    header["workers"] = event.workers
    header["cells"] = event.cells_total
    header["tasks"] = event.tasks_total
    cells = [task.cell_number for task in event.tasks]
    header["expected"] = estimate_seconds(cells, event.expected, event.waits, event.workers)
    rows = tuple(
        make_row(
            task,
            event.run,
            counted=event.counted is None or task.cell_number in event.counted,
            waits=_worth_saying(event.waits.get(task.cell_number, ()), event.graph),
            expected=event.expected.get(task.cell_number),
        )
        for task in event.tasks
    )
    index = {row_key(task): position for position, task in enumerate(event.tasks)}
    picture = NO_PICTURE if event.graph is None else draw(event.graph, names_of(rows), index)
    return RunView(header, rows, index, picture)


def advance(view: RunView, event: Event) -> RunView:
    """The view after ``event``; one that says nothing new leaves it as it is."""
    match event:
        case RunStarted():
            return first_view(event, view.run["actions"])
        case RunChanged(run=run):
            return _with_run(view, run)
        case TaskChanged(task=task):
            return with_task(view, task)
        case TaskProgress():
            return _with_progress(view, event)
        case Logged(record=record):
            return with_logs(view, [record])
        case Notice(text=text):
            notices = [*view.run["notices"], plain_line(text, 300)][-MOST_NOTICES:]
            return _with_header(view, {"notices": notices})
        case RunEnded():
            for task in event.tasks:
                view = with_task(view, task)
            view = _with_paces(_with_run(view, event.run))
            files = [plain_line(path, 300) for path in event.files[:MOST_FILES]]
            return _with_header(view, {"files": files, "seconds": round(event.seconds, 3)})
        case _:
            return view


def with_task(view: RunView, task: TaskRun) -> RunView:
    """The view with a task run as it is now; one that has no row yet gets the last."""
    found = Rows(view.rows, view.index)
    found.put(task, view.run["began"])
    rows = view.rows if found.rows == list(view.rows) else tuple(found.rows)
    if len(rows) == len(view.rows):
        return view if rows is view.rows else replace(view, rows=rows)
    cells = any(call is None for _, call in found.index.keys() - view.index.keys())
    graph = with_rows(view.graph, found.index) if cells else view.graph
    return replace(view, rows=rows, index=found.index, graph=graph)


def _with_paces(view: RunView) -> RunView:
    found = Rows(view.rows, view.index)
    found.tell_paces()
    return view if found.rows == list(view.rows) else replace(view, rows=tuple(found.rows))


def with_logs(view: RunView, records: list[LogRecord]) -> RunView:
    """The view with log records appended; the oldest go where there are too many."""
    if not records:
        return view
    lines = [*view.logs, *(_log_line(record) for record in records)]
    dropped = max(0, len(lines) - MOST_LOGS)
    return replace(view, logs=tuple(lines[dropped:]), first_log=view.first_log + dropped)


def estimate_seconds(
    cells: Sequence[int],
    expected: Mapping[int, float],
    waits: Mapping[int, tuple[tuple[str, int], ...]],
    workers: int,
) -> float | None:
    """The longer of the longest chain and an even share per worker (0: as many as it takes);
    None when a cell is new."""
    if not cells or any(cell not in expected for cell in cells):
        return None
    ends: dict[int, float] = {}
    for cell in sorted(cells):
        ready = max((ends.get(source, 0.0) for _, source in waits.get(cell, ())), default=0.0)
        ends[cell] = ready + expected[cell]
    share = sum(expected[cell] for cell in cells) / workers if workers else 0.0
    return round(max(max(ends.values()), share), 3)


# -- what is sent


def snapshot(view: RunView, seq: int, now: float) -> Snapshot:
    """All of a view; ``now`` in seconds since 1970."""
    return {
        "type": "snapshot",
        "seq": seq,
        "now": _run_clock(view, now),
        "run": view.run,
        "rows": list(view.rows),
        "graph": view.graph,
        "logs": list(view.logs),
        "first_log": view.first_log,
    }


def delta(old: RunView, new: RunView, seq: int, now: float) -> Delta | None:
    """What leads from one view to a later one; None when nothing does.

    Rows must have stayed in place: where they did not, a snapshot is to be sent.
    """
    rows: list[RowChange] = []
    for position, row in enumerate(new.rows):
        before = old.rows[position] if position < len(old.rows) else None
        if row is not before and row != before:
            rows.append((position, _changed(before or {}, row)))
    run = {} if new.run is old.run else _changed(old.run, new.run)
    seen = old.first_log + len(old.logs)
    logs = list(new.logs[max(0, seen - new.first_log) :])
    if not (rows or run or logs):
        return None
    message: Delta = {"type": "delta", "seq": seq, "now": _run_clock(new, now)}
    if rows:
        message["rows"] = rows
    if run:
        message["run"] = run
    if logs:
        message["logs"] = logs
    return message


# -- how it is done


def _with_run(view: RunView, run: FlowRun) -> RunView:
    fresh = make_header(run)
    kept = ("workers", "cells", "tasks", "expected", "files", "notices", "actions")
    changes = {name: value for name, value in fresh.items() if name not in kept}
    if fresh["began"] is not None and view.run["began"] is not None:
        changes["began"] = view.run["began"]
    return _with_header(view, changes)


def _with_header(view: RunView, changes: Mapping[str, Any]) -> RunView:
    header = cast("RunHeader", {**view.run, **changes})
    return view if header == view.run else replace(view, run=header)


def _with_row(view: RunView, position: int, row: Row) -> RunView:
    if row == view.rows[position]:
        return view
    return replace(view, rows=(*view.rows[:position], row, *view.rows[position + 1 :]))


def _with_progress(view: RunView, event: TaskProgress) -> RunView:
    position = view.index.get((event.cell_number, None))
    if position is None:
        return view
    row = dict(view.rows[position])
    if event.text:
        progress = read_progress(event.text)
        row["progress"] = progress.text
        row["percent"] = progress.percent
    if event.memory is not None:
        row["memory"] = event.memory
    return _with_row(view, position, cast("Row", row))


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, object]:
    """The fields of ``new`` that differ, and None for those that have gone."""
    changes = {name: value for name, value in new.items() if name not in old or old[name] != value}
    return {**changes, **{name: None for name in old if name not in new}}


def _worth_saying(
    waits: tuple[tuple[str, int], ...], graph: FlowGraph | None
) -> tuple[tuple[str, int], ...]:
    """Without what only imports bring: everybody waits for that, and never for long."""
    if graph is None:
        return waits
    imports = {node.cell.number for node in graph.nodes if node.imports_only}
    return tuple((name, cell) for name, cell in waits if cell not in imports)


def _run_clock(view: RunView, now: float) -> float | None:
    if view.run["seconds"] is not None:
        return view.run["seconds"]
    began = view.run["began"]
    return None if began is None else round(max(0.0, now - began), 3)


def _log_line(record: LogRecord) -> LogLine:
    return {
        "time": round(record.time.timestamp(), 3),
        "level": logging.getLevelName(record.level),
        "task": plain_line(record.task or "", 120),
        "text": plain_text(record.message, 2000),
    }
