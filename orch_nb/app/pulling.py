"""Bring what a task of a past run made into a namespace."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from orch_nb.app.past import Loaded, Namespace, load_names, read_past
from orch_nb.errors import InputError, ResultError
from orch_nb.model import FlowRun, TaskRun
from orch_nb.store import open_store


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was brought; ``loaded.missing`` says what was not to be had, and why."""

    run: FlowRun
    task: TaskRun
    loaded: Loaded


def pull(called: str, space: Namespace) -> Pulled:
    """The outputs of ``RUN.TASK``, as they were when the task had ended.

    ``space`` is the namespace that functions are brought into; nothing is bound in it. Raises
    NotFoundError, InputError, and ResultError when nothing of the task was kept.
    """
    name, dot, task_name = called.partition(".")
    with open_store() as store:
        past = read_past(store, name)
    run = past.run
    if not dot or not task_name:
        names = ", ".join([cell.task.name for cell in past.cells][:12])
        raise InputError(
            f"which task of {run.name} ?", hint=f"write {run.name}.TASK; its tasks are {names}"
        )
    cell = past.cell(task_name)
    again = f"%flow retry {run.name} {shlex.quote(cell.task.name)}  makes it again"
    if cell.kept is None:
        raise ResultError(
            f"what {cell.task.name} made in {run.name} was not kept: {cell.why_not}", hint=again
        )
    loaded = load_names(past, cell.makes, cell.task.cell_number + 1, space)
    if not loaded.values and loaded.missing:
        why = next(iter(loaded.missing.values()))
        raise ResultError(f"what {cell.task.name} made can't be had: {why}", hint=again)
    return Pulled(run, cell.task, loaded)
