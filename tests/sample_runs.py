"""Runs and task runs for tests that need some, whatever is in them."""

from __future__ import annotations

from typing import Any

from orch_nb.model import CellKind, FlowRun, TaskRun
from orch_nb.states import StateName
from orch_nb.store import new_flow_run_id, new_task_run_id


def a_run(**fields: Any) -> FlowRun:
    """A pending run of the flow "sales"."""
    plain: dict[str, Any] = {
        "id": new_flow_run_id(),
        "name": "",
        "flow": "sales",
        "notebook": "sales.ipynb",
        "state_name": StateName.PENDING,
    }
    return FlowRun(**(plain | fields))


def tasks_of(run: FlowRun, count: int) -> list[TaskRun]:
    """Pending task runs in cells 1 to ``count``."""
    return [
        TaskRun(
            id=new_task_run_id(),
            flow_run_id=run.id,
            name=f"task{number}",
            cell_number=number,
            cell_id=f"cell-{number}",
            kind=CellKind.TASK,
            state_name=StateName.PENDING,
        )
        for number in range(1, count + 1)
    ]
