"""A run as its views see it: a frozen picture, advanced by each event, and what to send of it.

Pure: no clock, no I/O. ``snapshot`` tells all of a view, ``delta`` what has changed between two;
rows that did not change stay the same object, which is what makes that cheap.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from orch_nb.app.drawing import NO_PICTURE, draw
from orch_nb.app.plain import fit_bytes, plain_line, plain_text
from orch_nb.app.progress import read_progress
from orch_nb.app.view_schema import (
    Delta,
    ErrorWords,
    GraphPicture,
    LogLine,
    ParameterWords,
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
from orch_nb.model import CellKind, FlowRun, LogRecord, TaskRun
from orch_nb.states import StateName, StateType

MOST_LOGS = 500  # lines that a view holds; `orch-nb logs` has all
MOST_NOTICES = 20
MOST_FILES = 50
# Bytes of a row's texts, so that a change of state has at most 200; the detail has the whole.
_ERROR_NAME, _ERROR_VALUE, _MESSAGE = 24, 46, 80
_MOST_TRIES = 4  # earlier attempts that a row shows

Actions = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunView:
    """All that a view shows of one run. ``rows`` stand in document order; ``index`` finds a
    row by its key (cell number, item or None). Rows and header are never changed in place."""

    run: RunHeader
    rows: tuple[Row, ...] = ()
    index: Mapping[tuple[int, int | None], int] = field(default_factory=dict)
    graph: GraphPicture = field(default_factory=lambda: NO_PICTURE)
    logs: tuple[LogLine, ...] = ()
    first_log: int = 0

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.run["seconds"] is not None

    def row_of(self, cell: int, item: int | None = None) -> Row | None:
        """The row of a cell, or of one item of a mapped task."""
        position = self.index.get((cell, item))
        return None if position is None else self.rows[position]


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
    index = row_index(rows)
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
            view = _with_run(view, event.run)
            files = [plain_line(path, 300) for path in event.files[:MOST_FILES]]
            return _with_header(view, {"files": files, "seconds": round(event.seconds, 3)})
        case _:
            return view


# -- the parts of a view


def make_header(run: FlowRun, actions: Actions | None = None) -> RunHeader:
    """The header of a run as recorded; what only its start tells is filled in by the caller."""
    return {
        "id": run.id,
        "name": plain_line(run.name, 80),
        "flow": plain_line(run.flow, 120),
        "notebook": plain_line(run.notebook, 500),
        "state": str(run.state_name),
        "message": plain_line(run.state_message, 300),
        "parameters": _parameters(run),
        "runner": run.options.runner,
        "workers": run.options.max_workers or 0,
        "cells": 0,
        "tasks": 0,
        "began": None if run.start_time is None else run.start_time.timestamp(),
        "seconds": _run_seconds(run),
        "expected": None,
        "output": plain_line(run.output or "", 500),
        "files": [],
        "notices": [],
        "actions": dict(actions or {}),
    }


def make_row(
    task: TaskRun,
    run: FlowRun,
    *,
    counted: bool = True,
    waits: tuple[tuple[str, int], ...] = (),
    expected: float | None = None,
    tries: tuple[tuple[float, float], ...] = (),
) -> Row:
    """The row of a task run as recorded."""
    row: Row = {
        "cell": task.cell_number,
        "name": plain_line(task.name, 120),
        "state": str(task.state_name),
    }
    if task.kind is not CellKind.TASK:
        row["kind"] = str(task.kind)
    if not counted:
        row["task"] = False
    if task.map_index is not None:
        row["item"] = task.map_index
    if task.max_attempts > 1:
        row["of"] = task.max_attempts
    if expected is not None:
        row["expected"] = round(expected, 3)
    if waits:
        row["waits"] = [(plain_line(name, 40), cell) for name, cell in waits[:12]]
    if tries:
        last = tries[-_MOST_TRIES:]
        row["tries"] = [(round(start, 3), round(end, 3)) for start, end in last]
    began = None if run.start_time is None else run.start_time.timestamp()
    return cast("Row", {**row, **_changing(task, began)})


def row_index(rows: tuple[Row, ...]) -> dict[tuple[int, int | None], int]:
    """Where each row stands, by its cell number and item."""
    return {(row["cell"], row.get("item")): position for position, row in enumerate(rows)}


def names_of(rows: tuple[Row, ...]) -> dict[int, str]:
    """What the rows call their cells, by cell number."""
    return {row["cell"]: row["name"] for row in rows}


def with_task(view: RunView, task: TaskRun) -> RunView:
    """The view with a task run as it is now; one that has no row yet gets the last."""
    key = (task.cell_number, task.map_index)
    began = view.run["began"]
    position = view.index.get(key)
    if position is None:
        new = cast("Row", {**_static(task), **_changing(task, began)})
        rows = (*view.rows, new)
        return replace(view, rows=rows, index={**view.index, key: len(rows) - 1})
    old = view.rows[position]
    row = cast("Row", _merged(old, _changing(task, began)))
    if task.state_type is StateType.RUNNING and old["state"] != row["state"]:
        for gone in ("percent", "progress"):
            cast("dict[str, Any]", row).pop(gone, None)
        if old["state"] == StateName.AWAITING_RETRY and "start" in old:
            end = old.get("end") or old["start"]
            row["tries"] = [*old.get("tries", []), (old["start"], end)][-_MOST_TRIES:]
    return _with_row(view, position, row)


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


def _static(task: TaskRun) -> Row:
    row: Row = {
        "cell": task.cell_number,
        "name": plain_line(task.name, 120),
        "state": str(task.state_name),
    }
    if task.map_index is not None:
        row["item"] = task.map_index
    if task.max_attempts > 1:
        row["of"] = task.max_attempts
    return row


def _changing(task: TaskRun, began: float | None) -> dict[str, Any]:
    """The fields of a row that a run changes; None where one must go."""
    start = end = None
    if task.start_time is not None and began is not None:
        start = round(max(0.0, task.start_time.timestamp() - began), 3)
    over = task.state_type.is_terminal or task.state_name is StateName.AWAITING_RETRY
    if over and start is not None:  # one that never started has no end either
        if task.seconds is not None:
            end = round(start + task.seconds, 3)
        elif task.end_time is not None and began is not None:
            end = round(max(start, task.end_time.timestamp() - began), 3)
    error: ErrorWords | None = None
    if task.error_name:
        error = {
            "name": _text(task.error_name, _ERROR_NAME),
            "value": _text(task.error_value or "", _ERROR_VALUE),
            "line": task.error_line,
        }
    shown = task.state_message if error is None else ""
    fields: dict[str, Any] = {
        "state": str(task.state_name),
        "message": _text(shown, _MESSAGE) or None,
        "attempt": task.attempt if task.attempt > 1 else None,
        "start": start,
        "end": end,
        "memory": task.peak_memory or None,
        "where": _text(task.where.partition(":")[0], 8) or None,
        "error": error,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _merged(old: Row, changing: dict[str, Any]) -> dict[str, Any]:
    """The row with its changing fields replaced; memory stays known until it is told anew."""
    gone = ("message", "attempt", "start", "end", "where", "error")
    kept = {name: value for name, value in old.items() if name not in gone}
    return {**kept, **changing}


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


def _text(text: str, most: int) -> str:
    return fit_bytes(plain_line(text, most), most)


def _parameters(run: FlowRun) -> list[ParameterWords]:
    return [
        {
            "name": plain_line(name, 80),
            "value": plain_line(repr(value), 80),
            "source": plain_line(run.parameter_sources.get(name, "cell"), 40),
        }
        for name, value in run.parameters.items()
    ]


def _run_seconds(run: FlowRun) -> float | None:
    if not run.state_type.is_terminal:
        return None
    if run.start_time is None or run.end_time is None:
        return 0.0
    return round((run.end_time - run.start_time).total_seconds(), 3)


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
