"""Find a task of a run by what people call it."""

from __future__ import annotations

from collections.abc import Sequence

from orch_nb.errors import NotFoundError
from orch_nb.model import FlowRun, TaskRun

_MOST_NAMES = 20


def find_task(tasks: Sequence[TaskRun], run: FlowRun, called: str) -> TaskRun:
    """The task of that name, or of that cell's number. Raises NotFoundError."""
    for task in tasks:
        if called in (task.name, str(task.cell_number)):
            return task
    raise no_task(tasks, run, called)


def no_task(tasks: Sequence[TaskRun], run: FlowRun, called: str) -> NotFoundError:
    """The error that a run has no such task, with the names of those that it has."""
    names = ", ".join([task.name for task in tasks][:_MOST_NAMES])
    return NotFoundError(f"run {run.name} has no task '{called}'", hint=f"its tasks are {names}")
