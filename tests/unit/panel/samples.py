"""Events of a small run, for tests of what is made of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orch_nb.engine.events import RunChanged, RunEnded, RunStarted, TaskChanged
from orch_nb.model import FlowRun, TaskRun
from orch_nb.states import StateName
from tests.sample_runs import a_run, tasks_of

BEGAN = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "x" * 10_000,
    "\u202egnirts\u2066",
    "one\ntwo\r\nthree\u2028four",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "&amp; \"quoted\" 'single' </td></table>",
    "ש" * 300,
    "a" + "\u0301" * 500,
    "\ud800 \x00 \ufeff",
    "",
)


def later(seconds: float) -> datetime:
    """A moment of the run."""
    return BEGAN + timedelta(seconds=seconds)


def started(count: int = 3, **fields: Any) -> RunStarted:
    """The first event of a run of ``count`` tasks, each waiting for the one before."""
    run = replace(a_run(name="brave-otter"), state_name=StateName.RUNNING, start_time=BEGAN)
    tasks = tuple(tasks_of(run, count))
    waits = {number: ((f"v{number - 1}", number - 1),) for number in range(2, count + 1)}
    plain: dict[str, Any] = {
        "run": run,
        "tasks": tasks,
        "cells_total": count + 2,
        "tasks_total": count,
        "workers": 4,
        "waits": waits,
        "expected": dict.fromkeys(range(1, count + 1), 2.0),
    }
    return RunStarted(**(plain | fields))


def running(task: TaskRun, at: float, attempt: int = 1) -> TaskChanged:
    """The task begins."""
    return TaskChanged(
        replace(
            task,
            state_name=StateName.RUNNING if attempt == 1 else StateName.RETRYING,
            start_time=later(at),
            attempt=attempt,
            where="fork",
        )
    )


def ended(task: TaskRun, at: float, to: float, **fields: Any) -> TaskChanged:
    """The task ends, well unless ``fields`` say otherwise."""
    plain: dict[str, Any] = {
        "state_name": StateName.COMPLETED,
        "start_time": later(at),
        "end_time": later(to),
        "seconds": to - at,
        "where": "fork",
        "peak_memory": 38_000_000,
    }
    return TaskChanged(replace(task, **(plain | fields)))


def run_ended(event: RunStarted, tasks: tuple[TaskRun, ...], seconds: float) -> RunEnded:
    """The last event."""
    return RunEnded(ended_run(event, seconds), tasks, seconds, ("fig.png",))


def ended_run(event: RunStarted, seconds: float) -> FlowRun:
    """The run, completed."""
    return replace(event.run, state_name=StateName.COMPLETED, end_time=later(seconds))


def run_changed(event: RunStarted, state: StateName) -> RunChanged:
    """The run gets another state."""
    return RunChanged(replace(event.run, state_name=state))
