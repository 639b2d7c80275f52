"""The notebook that a resume in a kernel goes on with: the run's own, with what was edited here."""

from __future__ import annotations

import contextlib
import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orch_nb.app.destination import lasting_path
from orch_nb.app.live_cells import Asking, notebook_file, saved_at
from orch_nb.app.live_edits import clock, task_name
from orch_nb.app.live_state import body_of
from orch_nb.app.past import CellResult, PastRun
from orch_nb.errors import NotebookError
from orch_nb.execution.by_hand import HandRun
from orch_nb.model import CellKind
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.last_cell import LastCell, last_cell_of
from orch_nb.notebook.reader import notebook_from_dict, read_notebook
from orch_nb.option_text import is_derived_name

_TAGS = {
    CellKind.PARAMETERS: "parameters",
    CellKind.INJECTED: "injected-parameters",
    CellKind.SETUP: "setup",
    CellKind.SKIP: "skip",
    CellKind.TASK: "task",
}


def cells_to_resume(asking: Asking, past: PastRun) -> tuple[Notebook, list[str]]:
    """The run's notebook, and notices of the tasks that count as they were run by hand since.

    It is the page's, where that tells it, else read from its file; a run of cells that were never
    saved is put together from its record. Raises NotebookError for a file that can't be read.
    """
    path = past.run.notebook
    document, saved = _as_it_is_now(asking, past)
    ended = past.run.end_time or datetime.min.replace(tzinfo=UTC)
    edits: dict[str, HandRun] = {}
    for run in asking.runs:
        name = task_name(run.source)
        if name is not None and run.started > ended and not run.flow:
            edits[name] = run
    ran = {cell.task.name: cell.source.strip() for cell in past.cells}
    notices = []
    for cell in document["cells"]:
        name = _name_of(cell)
        edit = edits.get(name) if cell["cell_type"] == "code" else None
        if edit is None or body_of(edit.source) == body_of(cell["source"]):
            continue
        if body_of(cell["source"]) != ran.get(name) and saved > edit.started:
            continue  # it was mended in its own place since
        notices.append(f"{name} counts as it was run by hand at {clock(edit.started)}")
        cell["source"] = edit.source
    return notebook_from_dict(document, path=path), notices


def _as_it_is_now(asking: Asking, past: PastRun) -> tuple[dict[str, Any], datetime]:
    """The cells that the run is of, and when they were like that."""
    until = last_cell_of(past.run.request.get("until"))
    path, here = Path(past.run.notebook), notebook_file(asking)
    if here is not None and lasting_path(str(here)) == str(path):
        return _of_kernel(here, asking, until)
    if path.exists():
        return _copied(read_notebook(path, until=until)), saved_at(path)
    if here is not None and until is not None:
        with contextlib.suppress(NotebookError):  # another notebook, and not the run's, renamed
            return _of_kernel(here, asking, until)
    return _from_record(asking, past), datetime.min.replace(tzinfo=UTC)


def _of_kernel(
    path: Path, asking: Asking, until: LastCell | None
) -> tuple[dict[str, Any], datetime]:
    """The kernel's own notebook, as it stands in the page, else as it is saved."""
    if asking.page is not None:
        return _copied(notebook_from_dict(asking.page, path=path, until=until)), datetime.now(UTC)
    return _copied(read_notebook(path, until=until)), saved_at(path)


def _copied(notebook: Notebook) -> dict[str, Any]:
    return copy.deepcopy(dict(notebook.raw))


def _name_of(cell: dict[str, Any]) -> str:
    said = task_name(cell["source"])
    return said or str(cell["metadata"].get("orch_nb", {}).get("name", ""))


def _from_record(asking: Asking, past: PastRun) -> dict[str, Any]:
    written = {body_of(run.source): run.source for run in asking.runs}
    return {
        "cells": [_cell(cell, written.get(cell.source.strip())) for cell in past.cells],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 4,
    }


def _cell(cell: CellResult, written: str | None) -> dict[str, Any]:
    """The cell as it was written here, if it was; else as the record has it."""
    task = cell.task
    metadata: dict[str, Any] = {}
    tag = _TAGS.get(task.kind)
    if written is None and tag is not None:
        metadata["tags"] = [tag]
        if task.kind is CellKind.TASK and not is_derived_name(task.name):
            metadata["orch_nb"] = {"name": task.name}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [],
        "source": cell.source if written is None else written,
    }
