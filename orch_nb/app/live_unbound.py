"""Names that a cell of a flow reads and nobody has bound: which cell would."""

from __future__ import annotations

import re

from orch_nb.app.live_cells import Asking, find_cells
from orch_nb.errors import OrchError
from orch_nb.graph.build import build_graph
from orch_nb.model import CellsMode, TaskRun

_UNBOUND = re.compile(r"name '(\w+)' is not defined")


def who_binds(failed: TaskRun, asking: Asking) -> str:
    """What to do about a task that failed for want of a name: the cell that binds it, though not
    above the task, in words. "" where there is none, or the task failed for another reason."""
    found = _UNBOUND.match(failed.error_value or "") if failed.error_name == "NameError" else None
    if found is None:
        return ""
    try:
        notebook = find_cells(asking, whole=True).notebook
        graph = build_graph(notebook.cells, CellsMode(notebook.flow.options.cells))
    except OrchError:  # what is wrong below the flow does not concern it
        return ""
    for node in graph.nodes:
        if found[1] in node.binds:
            return f"'{found[1]}' is set in {node.cell.label} only: run it, or move it above"
    return ""
