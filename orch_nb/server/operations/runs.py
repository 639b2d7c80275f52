"""Runs: lists, one run, and what can be done with it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orch_nb import app
from orch_nb.app.browsing import RunFilter, outputs_of, page_of_logs, page_of_runs
from orch_nb.app.browsing import grid as grid_of
from orch_nb.app.cleaning import keep as keep_run
from orch_nb.app.comparing import compare_runs
from orch_nb.app.redeploying import deployed_run
from orch_nb.app.resuming import PlannedCell
from orch_nb.app.started import resume_request
from orch_nb.app.starting import ContinueRequest, StartRequest, continue_run, start_run
from orch_nb.app.view_detail import read_detail
from orch_nb.app.view_records import RecordedRun
from orch_nb.app.viewing import snapshot
from orch_nb.app.why import why as why_of
from orch_nb.errors import NotFoundError
from orch_nb.model import CellKind, Json, TaskRun
from orch_nb.schedules.deployment import DeployedRun
from orch_nb.schedules.parsing import parse_moment
from orch_nb.server.call import Call
from orch_nb.server.operations.records import run_of
from orch_nb.states import StateName, StateType
from orch_nb.wire import change_record, format_time, log_record, task_record

_PATIENCE = 2.0  # seconds that cancelling waits for the run's end


def page(call: Call) -> Json:
    """A page of runs; ``cursor`` gives the next one."""
    found = page_of_runs(
        _filter(call), before=call.query.get("cursor"), limit=call.query.get("limit", 50)
    )
    return {"runs": [run_of(run, call.root) for run in found.runs], "cursor": found.before}


def grid(call: Call) -> Json:
    """Runs as columns, the newest first, and a row for each task, by its cell's id; by its name
    where a program wrote the notebook anew, with other ids."""
    runs, tasks = grid_of(_filter(call), limit=call.query.get("limit", 20))
    rows: dict[str, dict[str, Any]] = {}
    named: dict[str, str] = {}
    for run in runs:
        own = {task.cell_id for task in tasks[run.id]}
        for task in tasks[run.id]:
            key = task.cell_id
            other = named.setdefault(task.name, key)
            if key not in rows and other not in own and run.id not in rows[other]["runs"]:
                key = other
            first = {"cell_id": key, "name": task.name, "cell": task.cell_number, "runs": {}}
            rows.setdefault(key, first)["runs"][run.id] = _brief(task)
    ordered = sorted(rows.values(), key=lambda row: row["cell"])
    return {"runs": [run_of(run, call.root) for run in runs], "rows": ordered}


def _brief(task: TaskRun) -> Json:
    return {
        "state": task.state_name,
        "attempt": task.attempt,
        "of": task.max_attempts,
        "seconds": task.seconds,
        "error": task.error_name,
    }


def _filter(call: Call) -> RunFilter:
    query = call.query
    path = query.get("path")
    return RunFilter(
        states=tuple(StateName(word) for word in query.get("state", ())),
        types=tuple(StateType(word) for word in query.get("type", ())),
        flow=query.get("flow"),
        notebook=None if path is None else str(call.root.local(path)),
        tags=tuple(query.get("tag", ())),
        search=query.get("search", ""),
        since=_moment(query.get("since")),
        until=_moment(query.get("until")),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_moment(text.replace(" ", "+"), "UTC")


def show(call: Call) -> Json:
    """One run: its record, its view's snapshot, and what its tasks ask."""
    with RecordedRun(call.run, {"cancel": ""}) as recorded:
        view = recorded.read()
    found = app.show(view.run["id"]).run
    return {
        "run": run_of(found, call.root),
        "deployed": _deployed(deployed_run(found.id)),
        "snapshot": snapshot(view, 0, time.time()),
        "questions": [
            {
                "task": one.task.name,
                "cell": one.task.cell_number,
                "question": one.question,
                "inputs": list(one.inputs),
                "deadline": None if one.deadline is None else one.deadline.isoformat(),
            }
            for one in app.open_questions(found.id)
        ],
    }


def _deployed(given: DeployedRun | None) -> Json:
    if given is None:
        return None
    return {
        "deployment": given.deployment,
        "version": given.version,
        "origin": str(given.origin),
        "due": format_time(given.due),
    }


def tasks(call: Call) -> Json:
    """Its task runs."""
    return {"tasks": [task_record(task) for task in app.show(call.run).tasks]}


def history(call: Call) -> Json:
    """Every change of its state and its tasks'."""
    return {"changes": [change_record(change) for change in app.show(call.run).history]}


def logs(call: Call) -> Json:
    """Log records after a cursor."""
    query = call.query
    after = query.get("cursor", 0)
    run, found = page_of_logs(
        call.run,
        task=query.get("task"),
        level=query.get("level", 0),
        after=after,
        limit=query.get("limit", 1_000),
    )
    return {
        "logs": [{**log_record(record), "id": record.id} for record in found],
        "cursor": (found[-1].id or after) if found else after,
        "ended": run.state_type.is_terminal,
    }


def outputs(call: Call) -> Json:
    """What cells put out; the counts are those of Restart & Run All."""
    run, found = outputs_of(call.run)
    cells = []
    count = 0
    for one in found:
        if one.task.kind is not CellKind.SKIP:
            count += 1
        cells.append(
            {
                "cell": one.task.cell_number,
                "cell_id": one.task.cell_id,
                "state": one.task.state_name,
                "attempt": one.task.attempt,
                "execution_count": count if one.task.start_time is not None else None,
                "outputs": list(one.outputs),
            }
        )
    wanted = call.query.get("cell")
    if wanted is not None:
        cells = [cell for cell in cells if cell["cell"] == wanted]
        if not cells:
            raise NotFoundError(f"run {run.name} has no cell {wanted}")
    return {"cells": cells, "ended": run.state_type.is_terminal}


def detail(call: Call) -> Json:
    """What the pane of one cell shows; ``row`` is its row in the snapshot."""
    with RecordedRun(call.run) as recorded:
        view, graph = recorded.read(), recorded.graph
    called = call.place["cell"]
    number = int(called) if called.isascii() and called.isdigit() and len(called) < 8 else 0
    row = view.index.get((number, None))
    if row is None:
        raise NotFoundError(f"run {view.run['name']} has no cell {called[:20]}")
    return read_detail(view.run["id"], number, row, graph)


def plan(call: Call) -> Json:
    """What a resume would do, cell by cell."""
    asked = {
        "run": call.run,
        "tasks": call.query.get("task", ()),
        "onward": call.query.get("onward"),
        "parameters": {},
        "texts": {},
        "options": {},
        "output": None,
    }
    found = app.plan_resume(resume_request(asked))
    counted = [cell for cell in found.cells if cell.counted]
    runs = sum(cell.use is not app.Use.REUSE for cell in counted)
    return {
        "run": run_of(found.run, call.root),
        "cells": [_planned(cell) for cell in found.cells],
        "notices": list(found.notices),
        "runs": runs,
        "reused": len(counted) - runs,
    }


def _planned(cell: PlannedCell) -> Json:
    return {
        "cell": cell.number,
        "name": cell.name,
        "use": cell.use.value,
        "reason": cell.reason,
        "seconds": cell.seconds,
        "task": cell.counted,
    }


def why(call: Call) -> Json:
    """Why it has not started, or is as it is."""
    found = why_of(call.run)
    return {
        "headline": found.headline,
        "reasons": list(found.reasons),
        "outlook": found.outlook,
    }


def compare(call: Call) -> Json:
    """What differs between two runs."""
    found = compare_runs(call.run, call.place["other"])
    return {
        "differences": [
            {"aspect": one.aspect.value, "name": one.name, "one": one.one, "other": one.other}
            for one in found.differences
        ]
    }


def start(call: Call) -> Json:
    """Run a notebook: its file, or the content that came with the request."""
    place = call.root.local(call.path, must_exist=call.document is None)
    body = call.body
    request = StartRequest(
        notebook=str(place),
        document=call.document,
        output=call.local("output"),
        cwd=call.local("cwd"),
        kernel=body.get("kernel"),
        tags=tuple(body.get("tags", ())),
        name=body.get("name"),
        **_given(body),
    )
    return run_of(start_run(request), call.root)


def resume(call: Call) -> Json:
    """Go on with it."""
    body = call.body
    request = ContinueRequest(
        call.run,
        tasks=tuple(body.get("tasks", ())),
        onward=body.get("onward"),
        output=call.local("output"),
        **_given(body),
    )
    return run_of(continue_run(request), call.root)


retry = resume


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: body.get(key) or {} for key in ("parameters", "texts", "options")}


def cancel(call: Call) -> Json:
    """Ask for its end; it may still be Cancelling in the answer."""
    return run_of(app.cancel(call.run, by=call.user, patience=_PATIENCE), call.root)


def answer(call: Call) -> Json:
    """Answer a task's question; a suspended run goes on."""
    run = app.answer(call.run, call.body["task"], call.body.get("values") or {})
    if app.is_suspended(run):
        run = continue_run(ContinueRequest(run.id))
    return run_of(run, call.root)


def keep(call: Call) -> Json:
    """Keep it from being cleaned away, or not."""
    return run_of(keep_run(call.run, pinned=call.body.get("keep", True)), call.root)
