"""Which cells a flow in a kernel consists of: the saved notebook's, else those run so far."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orch_nb.errors import NotebookError
from orch_nb.execution.by_hand import HandRun
from orch_nb.first_line import find_first_line
from orch_nb.model import CellKind
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.reader import notebook_from_dict, read_notebook

_SAVE = "save the notebook, then run this cell again"
# Cells that speak to the kernel, and are no part of what the notebook computes.
_NO_CELL = re.compile(
    r"\s*(%(load_ext|reload_ext|unload_ext|config|flow|autoreload)\b[^\n]*|[^\n]*\?+\s*)", re.ASCII
)
_MOST_LOOKED_AT = 50  # notebooks of a folder, where this one was renamed
_KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


@dataclass(frozen=True, slots=True)
class Asking:
    """The cell that asks for the flow, and the kernel it is in: the front-end's id of the cell,
    its text as written, the cells run by hand, oldest first, and the notebook's variables."""

    cell_id: str | None
    source: str
    runs: Sequence[HandRun]
    namespace: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LiveCells:
    """The notebook as far as the flow goes; ``origin`` says in words where it was taken from."""

    notebook: Notebook
    origin: str
    saved: bool


def find_cells(asking: Asking, *, whole: bool = False) -> LiveCells:
    """The cells above the one that asks; with ``whole`` those below it too, where known.

    Raises NotebookError when the saved file is older than what was run.
    """
    path = notebook_file(asking)
    if path is not None:
        found = _from_file(path, asking, whole=whole)
        if found is not None:
            return found
    return _from_runs(asking, path)


def saved_file(asking: Asking) -> Path:
    """The notebook's file, which holds the cells as they were run. Raises NotebookError."""
    path = notebook_file(asking)
    if path is None:
        raise NotebookError("the notebook's file is not known here", hint="save it, and reopen it")
    saved = datetime.fromtimestamp(_modified(path), UTC)
    _check_fresh(read_notebook(path).raw["cells"], asking, saved, path.name)
    return path


def notebook_file(asking: Asking) -> Path | None:
    """The file that the kernel's notebook was opened from, also where it was renamed since."""
    said = asking.namespace.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if not isinstance(said, str) or not said.endswith(".ipynb"):
        return None
    path = Path(said).absolute()
    if path.is_file():
        return path
    return _renamed(path.parent, asking)


def _renamed(folder: Path, asking: Asking) -> Path | None:
    """The notebook of the folder that holds the asking cell."""
    if asking.cell_id is None or not folder.is_dir():
        return None
    files = sorted(folder.glob("*.ipynb"), key=_modified, reverse=True)
    for file in files[:_MOST_LOOKED_AT]:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if f'"id": "{asking.cell_id}"' in text or f'"id":"{asking.cell_id}"' in text:
            return file
    return None


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _from_file(path: Path, asking: Asking, *, whole: bool) -> LiveCells | None:
    notebook = read_notebook(path)
    cells: list[dict[str, Any]] = notebook.raw["cells"]
    saved = datetime.fromtimestamp(_modified(path), UTC)
    position = _position(cells, asking)
    if position is None and not whole:
        raise NotebookError(
            f"{path.name}, saved at {_clock(saved)}, does not hold this cell as it is now",
            where=path.name,
            hint=_SAVE,
        )
    if not whole:
        _check_fresh(cells, asking, saved, path.name)
    if position is not None and not whole:
        document = {**notebook.raw, "cells": cells[: position + 1]}
        notebook = notebook_from_dict(document, path=path)
    origin = f"cells of {path.name}, as saved at {_clock(saved)}"
    return LiveCells(_only_last_flow(notebook), origin, saved=True)


def _position(cells: list[dict[str, Any]], asking: Asking) -> int | None:
    """The index of the asking cell: by its id, else by its text, the last one that has it."""
    source = asking.source.strip()
    same = [
        i
        for i, cell in enumerate(cells)
        if cell["cell_type"] == "code" and cell["source"].strip() == source
    ]
    for index in same:
        if asking.cell_id is not None and cells[index].get("id") == asking.cell_id:
            return index
    if any(cell.get("id") == asking.cell_id for cell in cells if asking.cell_id):
        return None  # the cell is there, with another text
    return same[-1] if same else None


def _check_fresh(
    cells: list[dict[str, Any]], asking: Asking, saved: datetime, filename: str
) -> None:
    """Raise NotebookError when a cell was run, after the file was saved, with another text."""
    numbered = [cell for cell in cells if cell["cell_type"] == "code"]
    by_id = {cell.get("id"): (i, cell) for i, cell in enumerate(numbered, 1) if cell.get("id")}
    by_name = {
        name: (i, cell)
        for i, cell in enumerate(numbered, 1)
        if (name := task_name(cell["source"])) is not None
    }
    latest: dict[str, HandRun] = {}
    for run in asking.runs:
        name = task_name(run.source)
        if run.cell_id in by_id:
            latest[f"id {run.cell_id}"] = run
        elif run.cell_id is None and name in by_name:
            latest[f"name {name}"] = run
    for run in latest.values():
        name = task_name(run.source)
        number, cell = by_id.get(run.cell_id) or by_name[name or ""]
        if run.started > saved and run.source.strip() != cell["source"].strip():
            label = f"cell {number}" + (f" '{name}'" if name else "")
            raise NotebookError(
                f"{label} was run at {_clock(run.started)} with another text than {filename}, "
                f"saved at {_clock(saved)}, holds",
                where=f"{filename}, {label}",
                hint=_SAVE,
            )


def task_name(source: str) -> str | None:
    """The name on a cell's `%%task` or `#| task` line."""
    said = find_first_line(source.split("\n"))
    if said is None or said.word != "task":
        return None
    words = said.text.split()
    return words[0] if words and not words[0].startswith("-") else None


def _from_runs(asking: Asking, path: Path | None) -> LiveCells:
    """The cells run so far, each as it was run last, in that order."""
    last: dict[str, HandRun] = {}
    for run in asking.runs:
        if run.flow or _NO_CELL.fullmatch(run.source) or not run.source.strip():
            continue  # what a flow ran was run, or put off, by hand before
        said = find_first_line(run.source.split("\n"))
        if said is not None and said.word == "flow":
            continue
        key = run.cell_id or task_name(run.source) or run.source.strip()
        if run.ok or run.task or run.deferred:
            last.pop(key, None)
            last[key] = run
    if not last:
        raise NotebookError(
            "no cell has been run in this kernel yet, and its notebook's file is not known",
            hint="run the cells first, or save the notebook and reopen it",
        )
    cells = [_cell(run.source) for run in last.values()]
    document = {
        "cells": [*cells, _cell(asking.source)],
        "metadata": {"kernelspec": dict(_KERNEL)},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    name = str(path or Path.cwd() / "kernel.ipynb")
    notebook = _only_last_flow(notebook_from_dict(document, path=name))
    return LiveCells(notebook, "the cells run in this kernel, in that order", saved=False)


def _cell(source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
    }


def _only_last_flow(notebook: Notebook) -> Notebook:
    """Several flows in one notebook are usual here: the one that is run counts, and the bodies of
    the others are none of it."""
    kept = tuple(text for text in notebook.notices if "cells declare a flow" not in text)
    flows = [cell.number for cell in notebook.cells if cell.kind is CellKind.FLOW]
    cells = tuple(
        replace(cell, source="") if cell.number in flows[:-1] else cell for cell in notebook.cells
    )
    return replace(notebook, notices=kept, cells=cells)


def _clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S")
