"""The cells that point to the error in a failed run's notebook, as papermill's users know them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

from orch_nb.model import FlowRun, TaskRun
from orch_nb.option_text import is_derived_name
from orch_nb.states import StateType

TAG = "papermill-error-cell-tag"
ANCHOR = "papermill-error-cell"
BROKEN = frozenset({StateType.FAILED, StateType.CRASHED})

_STYLE = "color:#a81808;font-size:1.4em;font-weight:bold"
_LONGEST = 300


def is_marker(cell: Mapping[str, Any]) -> bool:
    """Whether an earlier run put the cell there."""
    return cell["cell_type"] == "markdown" and TAG in cell["metadata"].get("tags", ())


def first_error(tasks: Iterable[TaskRun]) -> TaskRun | None:
    """The run's error: the first failed task in document order, of those that ran."""
    broken = (task for task in tasks if task.state_type in BROKEN and _ran(task))
    return min(broken, key=lambda task: task.cell_number, default=None)


def headline(run: FlowRun, error: TaskRun | None) -> dict[str, Any]:
    """The markdown cell at the top: what failed, with a link to where."""
    if error is None:
        words = _escaped(f"The run {run.state_name.lower()}: {run.state_message}".rstrip(": "))
    else:
        link = f'<a href="#{ANCHOR}">{_escaped(_label(error))}</a>'
        cause = _escaped(_cause(error))
        words = f"The run failed in {link}" + (f": {cause}" if cause else "")
    return _marker(f'<div style="{_STYLE}">{words}</div>', "papermill-error-headline")


def anchor(error: TaskRun) -> dict[str, Any]:
    """The markdown cell that stands before the failing cell, and that the link leads to."""
    words = _escaped(f"{_label(error).capitalize()} failed; what depends on it did not run.")
    return _marker(f'<div id="{ANCHOR}" style="{_STYLE}">{words}</div>', ANCHOR)


def _ran(task: TaskRun) -> bool:
    return task.start_time is not None or task.error_name is not None


def _marker(source: str, id: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": id, "metadata": {"tags": [TAG]}, "source": source}


def _label(task: TaskRun) -> str:
    named = not is_derived_name(task.name)
    return f"cell {task.cell_number}" + (f" '{task.name}'" if named else "")


def _cause(task: TaskRun) -> str:
    if task.error_name is None:
        return task.state_message
    return f"{task.error_name}: {task.error_value}" if task.error_value else task.error_name


def _escaped(text: str) -> str:
    """Text on one line that is neither HTML nor markdown nor mathematics."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return html.escape(line).replace("$", "&#36;").replace("\\", "&#92;").replace("`", "&#96;")
