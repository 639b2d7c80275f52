"""Cells that run when a run has ended, and not in it: `--on-failure cell:tell`.

Such a cell runs in a new process of the notebook's Python, behind the notebook's imports, setup
cells and parameters. It does not have what the run made: environment variables tell it which run
that was and how it ended, as they tell commands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orch_nb.errors import OptionError
from orch_nb.graph.build import build_graph
from orch_nb.graph.model import Node
from orch_nb.model import Cell, CellKind, CellsMode
from orch_nb.notebook.document import Notebook
from orch_nb.options import FlowOptions

PREFIX = "cell:"
_ALWAYS = frozenset({CellKind.PARAMETERS, CellKind.INJECTED, CellKind.SETUP})
_OPTIONS = {"on_success": "--on-success", "on_failure": "--on-failure"}
_WHEN = {"on_success": "when the run has completed", "on_failure": "when the run has failed"}


@dataclass(frozen=True, slots=True)
class HookCells:
    """A notebook whose hooks take no part in its runs; ``aside`` says why, by cell number."""

    notebook: Notebook
    aside: dict[int, str]


def set_aside(notebook: Notebook, options: FlowOptions) -> HookCells:
    """The notebook without the cells that are hooks of its runs.

    Raises OptionError for a cell that is not there.
    """
    aside: dict[int, str] = {}
    for attribute, when in _WHEN.items():
        name = cell_named(getattr(options, attribute))
        if name is not None:
            aside[_find(notebook, name, _OPTIONS[attribute]).number] = f"it runs {when}"
    if not aside:
        return HookCells(notebook, aside)
    cells = tuple(
        replace(cell, kind=CellKind.SKIP) if cell.number in aside else cell
        for cell in notebook.cells
    )
    return HookCells(replace(notebook, cells=cells), aside)


def cell_named(hook: str | None) -> str | None:
    """The name in ``cell:NAME``; None for a command, or nothing."""
    text = (hook or "").strip()
    return text.removeprefix(PREFIX).strip() if text.startswith(PREFIX) else None


def _find(notebook: Notebook, name: str, option: str) -> Cell:
    found = next((cell for cell in notebook.cells if cell.named and cell.name == name), None)
    if found is None:
        named = ", ".join(cell.name for cell in notebook.cells if cell.named)
        raise OptionError(
            f"{option} names the cell {name!r}, and there is none",
            where=notebook.filename,
            hint=f"its named cells: {named}" if named else f"name it: %%task {name}",
        )
    return found


def write_hook(notebook: Notebook, name: str, folder: Path) -> Path:
    """Write what a hook runs to a notebook in ``folder``: the imports, setup and parameters
    above the cell called ``name``, and that cell."""
    hook = _find(notebook, name, "a hook")
    nodes = build_graph(notebook.cells, CellsMode.ALL).nodes
    above = [node.cell.source for node in nodes if _is_prelude(node, hook)]
    path = folder / "hook.ipynb"
    path.write_text(json.dumps(_document([*above, hook.source])), encoding="utf-8")
    return path


def _is_prelude(node: Node, hook: Cell) -> bool:
    cell = node.cell
    return cell.number < hook.number and (cell.kind in _ALWAYS or node.imports_only)


def _document(sources: Sequence[str]) -> dict[str, object]:
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "id": str(number),
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def arguments(python: str, path: Path) -> list[str]:
    """The command that runs such a notebook; exits with 1 when a cell raises."""
    flags = ["--no-banner", "--colors=NoColor", "--HistoryManager.enabled=False", "--quick"]
    return [python, "-m", "IPython", *flags, str(path)]
