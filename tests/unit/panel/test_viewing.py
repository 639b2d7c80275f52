"""From events to the picture, and from pictures to what is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orch_nb.app.view_calls import shown_counts, shown_name
from orch_nb.app.viewing import RunView, advance, delta, first_view, snapshot
from orch_nb.engine.events import Event, Logged, Notice, RunEnded, TaskChanged, TaskProgress
from orch_nb.model import CALL, LogRecord, TaskRunId
from orch_nb.states import StateName
from tests.sample_runs import tasks_of
from tests.unit.panel.samples import (
    BEGAN,
    HOSTILE,
    ended,
    later,
    run_ended,
    running,
    started,
)

MOST_BYTES = 200
LATE = 1_000_000.123  # seconds: numbers as long as they get


def view_after(*events: Event) -> RunView:
    first, *rest = events
    view = first_view(first)  # type: ignore[arg-type]
    for event in rest:
        view = advance(view, event)
    return view


def test_a_run_that_begins() -> None:
    event = started(2)
    view = first_view(event, {"cancel": ""})
    assert list(view.rows) == [
        {"cell": 1, "name": "task1", "state": "Pending", "expected": 2.0},
        {
            "cell": 2,
            "name": "task2",
            "state": "Pending",
            "expected": 2.0,
            "waits": [("v1", 1)],
        },
    ]
    assert view.run == {
        "id": event.run.id,
        "name": "brave-otter",
        "flow": "sales",
        "notebook": "sales.ipynb",
        "state": "Running",
        "message": "",
        "parameters": [],
        "runner": "local",
        "workers": 4,
        "cells": 4,
        "tasks": 2,
        "began": BEGAN.timestamp(),
        "seconds": None,
        "expected": 4.0,
        "output": "",
        "files": [],
        "notices": [],
        "actions": {"cancel": ""},
    }


def test_attempts_leave_their_bars_behind() -> None:
    event = started(1)
    task = replace(event.tasks[0], max_attempts=2)
    event = replace(event, tasks=(task,))
    error = {"error_name": "KeyError", "error_value": "'month'", "error_line": 2}
    view = view_after(
        event,
        running(task, 1),
        ended(task, 1, 3, state_name=StateName.AWAITING_RETRY, **error),
        running(task, 4, attempt=2),
        ended(task, 4, 6, attempt=2, state_name=StateName.FAILED, **error),
    )
    assert view.rows[0] == {
        "cell": 1,
        "name": "task1",
        "state": "Failed",
        "expected": 2.0,
        "of": 2,
        "attempt": 2,
        "start": 4.0,
        "end": 6.0,
        "tries": [(1.0, 3.0)],
        "where": "fork",
        "memory": 38_000_000,
        "error": {"name": "KeyError", "value": "'month'", "line": 2},
    }


def test_progress_is_read_and_goes_with_the_attempt() -> None:
    event = started(1)
    task = event.tasks[0]
    bar = " 62%|██████▏   | 5200/8400 [00:03<00:02, 1.7krows/s]"
    view = view_after(event, running(task, 1), TaskProgress(1, bar, 1_200_000_000))
    row = view.rows[0]
    assert (row["percent"], row["progress"], row["memory"]) == (
        62.0,
        "5200/8400 rows",
        1_200_000_000,
    )
    assert "progress" not in advance(view, running(task, 5, attempt=2)).rows[0]


def test_the_end_says_how_long_it_took_and_which_files() -> None:
    event = started(1)
    done = ended(event.tasks[0], 0, 2).task
    view = view_after(event, run_ended(event, (done,), 2.5))
    assert (view.ended, view.run["seconds"], view.run["files"]) == (True, 2.5, ["fig.png"])
    assert view.rows[0]["state"] == "Completed"


def test_what_says_nothing_new_leaves_the_view_as_it_is() -> None:
    event = started(2)
    view = view_after(event, running(event.tasks[0], 1))
    assert advance(view, running(event.tasks[0], 1)) is view
    assert delta(view, view, 1, 0.0) is None


def call(number: int, state: StateName, at: float, item: int | None = None) -> TaskChanged:
    """A call of cell 9, as the process that runs it records it."""
    (task,) = tasks_of(started().run, 1)
    over = state in (StateName.COMPLETED, StateName.FAILED)
    return TaskChanged(
        replace(
            task,
            id=TaskRunId(f"call-{number}"),
            name="score",
            cell_number=9,
            cell_id=f"{CALL}1",
            map_index=item,
            state_name=state,
            start_time=later(at),
            end_time=later(at + 1) if over else None,
            seconds=1.0 if over else None,
        )
    )


def test_calls_are_counted_in_one_row() -> None:
    view = view_after(started(1), call(1, StateName.RUNNING, 1, 7), call(2, StateName.FAILED, 2))
    group = {"cell": 9, "name": "score", "group": True}
    assert view.rows[1] == {**group, "state": "Running", "start": 1.0, "calls": [0, 1, 0, 1, 0]}
    assert [(row["item"], row["task"], row["state"]) for row in view.rows[2:]] == [
        (7, False, "Running"),
        (1, False, "Failed"),
    ]
    assert (shown_name(view.rows[1]), shown_name(view.rows[2])) == ("score ×2", "score #7")
    assert shown_counts(view.rows[1]) == "1 running, 1 failed"
    view = advance(view, call(1, StateName.COMPLETED, 1, 7))
    ended = {"state": "Failed", "start": 1.0, "end": 2.0, "calls": [1, 0, 0, 1, 0]}
    assert view.rows[1] == {**group, **ended}
    assert view.row_of(9) is view.rows[1]


def test_the_pace_of_many_calls_is_told() -> None:
    calls = [call(number, StateName.COMPLETED, 1, number) for number in range(1, 100)]
    slow = call(100, StateName.FAILED, 1, 100)
    slow = TaskChanged(replace(slow.task, seconds=9.8))
    view = view_after(started(1), *calls, slow)
    assert view.rows[1]["pace"] == "median 1.0s · slowest #95 1.0s"  # it is not told anew for each
    ended = advance(view, RunEnded(started().run, (), 12.0, ()))
    assert ended.rows[1]["pace"] == "median 1.0s · slowest #100 9.8s"


def test_rows_that_did_not_change_stay_the_same_object() -> None:
    event = started(3)
    view = first_view(event)
    after = advance(view, running(event.tasks[1], 1))
    assert [a is b for a, b in zip(view.rows, after.rows, strict=True)] == [True, False, True]


def apply(state: dict[str, Any], message: Any) -> dict[str, Any]:
    """What a browser makes of a delta; the TypeScript model does the same."""
    rows = [dict(row) for row in state["rows"]]
    for position, fields in message.get("rows", []):
        if position == len(rows):
            rows.append({})
        rows[position].update(fields)
        rows[position] = {name: v for name, v in rows[position].items() if v is not None}
    logs = [*state["logs"], *message.get("logs", [])][-500:]
    return {"rows": rows, "run": {**state["run"], **message.get("run", {})}, "logs": logs}


def flat(view: RunView) -> dict[str, Any]:
    message = snapshot(view, 0, 0.0)
    rows = [{k: v for k, v in row.items() if v is not None} for row in message["rows"]]
    return json.loads(
        json.dumps({"rows": rows, "run": message["run"], "logs": message["logs"][-500:]})
    )


texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=300))
cells = st.integers(1, 4)
STATES = tuple(StateName)


@st.composite
def events(draw: st.DrawFn, start: float | None = None) -> Event:
    """Any event; of tasks that began at ``start`` in their first attempt, when that is given."""
    kind = draw(st.integers(0, 3))
    task = started(4).tasks[draw(cells) - 1]
    if kind == 0:
        at = draw(st.floats(0, 1e6)) if start is None else start
        name = draw(st.one_of(st.none(), texts))
        return ended(
            task,
            at,
            at + draw(st.floats(0, 1e6)),
            state_name=draw(st.sampled_from(STATES)),
            state_message=draw(texts),
            attempt=draw(st.integers(1, 99)) if start is None else 1,
            error_name=name,
            error_value=draw(texts),
            error_line=draw(st.one_of(st.none(), st.integers(1, 10**6))),
            where=draw(texts) if start is None else "fork",
            peak_memory=draw(st.integers(0, 10**13)),
        )
    if kind == 1:
        return TaskProgress(task.cell_number, draw(texts), draw(st.integers(0, 10**13)))
    if kind == 2:
        record = LogRecord(task.flow_run_id, draw(texts), later(1), 30, "l", draw(texts))
        return Logged(record)
    return Notice(draw(texts))


# a busy machine is slow to draw them
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(events(), max_size=4), max_size=8))
def test_deltas_lead_a_browser_to_the_same_picture(batches: list[list[Event]]) -> None:
    view = first_view(started(4))
    shown = flat(view)
    for seq, batch in enumerate(batches, 1):
        before = view
        for event in batch:
            view = advance(view, event)
        message = delta(before, view, seq, 0.0)
        if message is not None:
            shown = apply(shown, json.loads(json.dumps(message)))
    assert shown == flat(view)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(events(LATE), max_size=12))
def test_a_change_of_state_stays_small_on_the_wire(after_starts: list[Event]) -> None:
    event = started(4)
    view = first_view(event)
    for task in event.tasks:
        view = advance(view, running(task, LATE))
    for one in after_starts:
        before = view
        view = advance(view, one)
        message = delta(before, view, 1, 0.0) or {}
        for change in message.get("rows", []):
            wire = json.dumps(change, ensure_ascii=False, separators=(",", ":"))
            assert len(wire.encode()) <= MOST_BYTES, wire


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_short_and_without_control_characters(text: str) -> None:
    event = started(1)
    event = replace(event, run=replace(event.run, name=text, flow=text, parameters={text: text}))
    event = replace(event, tasks=(replace(event.tasks[0], name=text),))
    wire = json.dumps(snapshot(first_view(event), 0, 0.0), ensure_ascii=False)
    assert len(wire) < 2000
    assert not any(char in wire for char in "\x00\x1b\u202e\u2066\u2028\r\n")
    wire.encode()  # no lone surrogates
