"""The header and the rows of a view, made from the records of a run and its tasks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from orch_nb.app.plain import fit_bytes, plain_line
from orch_nb.app.view_schema import ErrorWords, ParameterWords, Row, RunHeader
from orch_nb.model import CellKind, FlowRun, TaskRun
from orch_nb.states import StateName, StateType

# Bytes of a row's texts, so that a change of state has at most 200; the detail has the whole.
_ERROR_NAME, _ERROR_VALUE, _MESSAGE = 24, 46, 80
_MOST_TRIES = 4  # earlier attempts that a row shows

Actions = Mapping[str, str]


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
    if expected is not None:
        row["expected"] = round(expected, 3)
    if waits:
        row["waits"] = [(plain_line(name, 40), cell) for name, cell in waits[:12]]
    if tries:
        last = tries[-_MOST_TRIES:]
        row["tries"] = [(round(start, 3), round(end, 3)) for start, end in last]
    began = None if run.start_time is None else run.start_time.timestamp()
    return cast("Row", {**row, **_changing(task, began)})


def new_row(task: TaskRun, began: float | None) -> Row:
    """The row of a task that nobody announced; ``began`` is the run's, in seconds since 1970."""
    return cast("Row", {**_static(task), **_changing(task, began)})


def changed_row(old: Row, task: TaskRun, began: float | None) -> Row:
    """The row with its task as it is now."""
    row = cast("Row", _merged(old, _changing(task, began)))
    if task.state_type is StateType.RUNNING and old["state"] != row["state"]:
        for gone in ("percent", "progress"):
            cast("dict[str, Any]", row).pop(gone, None)
        if old["state"] == StateName.AWAITING_RETRY and "start" in old:
            end = old.get("end") or old["start"]
            row["tries"] = [*old.get("tries", []), (old["start"], end)][-_MOST_TRIES:]
    return row


def names_of(rows: tuple[Row, ...]) -> dict[int, str]:
    """What the rows call their cells, by cell number."""
    return {row["cell"]: row["name"] for row in rows}


def _static(task: TaskRun) -> Row:
    row: Row = {
        "cell": task.cell_number,
        "name": plain_line(task.name, 120),
        "state": str(task.state_name),
    }
    if task.map_index is not None:
        row["item"] = task.map_index
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
        "of": task.max_attempts if task.max_attempts > 1 else None,
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
