"""Which cells a flow in a kernel consists of: the page's, where it tells them, else the saved
notebook's, else those run so far."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orch_nb.app.live_edits import as_run, clock, edits_since, refuse_edits, task_name, words_for
from orch_nb.errors import NotebookError
from orch_nb.execution.by_hand import HandRun
from orch_nb.first_line import find_first_line
from orch_nb.model import CellKind
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.last_cell import LastCell
from orch_nb.notebook.reader import notebook_from_dict, read_notebook

# Cells that speak to the kernel, and are no part of what the notebook computes.
_NO_CELL = re.compile(
    r"\s*(%(load_ext|reload_ext|unload_ext|config|flow|autoreload)\b[^\n]*|[^\n]*\?+\s*)", re.ASCII
)
_MOST_LOOKED_AT = 50  # notebooks of a folder, where this one was renamed
_KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


@dataclass(frozen=True, slots=True)
class Asking:
    """The cell that asks for the flow, and the kernel it is in: the front-end's id of the cell,
    its text as written, the cells run by hand, oldest first, and the notebook's variables.
    ``page`` is the notebook as it stands in the page, saved or not, where that tells it."""

    cell_id: str | None
    source: str
    runs: Sequence[HandRun]
    namespace: Mapping[str, Any]
    page: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LiveCells:
    """The notebook as far as the flow goes, which is to ``until``, where it is known; ``origin``
    says in words where it was taken from."""

    notebook: Notebook
    origin: str
    until: LastCell | None = None


def find_cells(asking: Asking, *, whole: bool = False) -> LiveCells:
    """The cells above the one that asks; with ``whole`` those below it too, where known.

    Where a cell was run with another text than the file holds, that text counts, and a notice says
    so. Raises NotebookError when the file does not hold the cell that asks.
    """
    path = notebook_file(asking)
    until = None if whole else LastCell(asking.cell_id, asking.source)
    if asking.page is not None:
        return _from_page(asking.page, path, until)
    if path is not None:
        return _from_file(path, asking, until)
    return _from_runs(asking, path)


def saved_file(asking: Asking) -> Path:
    """The notebook's file, which holds the cells as they were run. Raises NotebookError."""
    path = notebook_file(asking)
    if path is None:
        raise NotebookError("the notebook's file is not known here", hint="save it, and reopen it")
    saved = saved_at(path)
    edits = edits_since(read_notebook(path).raw["cells"], asking.runs, saved)
    refuse_edits(edits, path.name, saved)
    return path


def saved_at(path: Path) -> datetime:
    """When a notebook's file was last written."""
    return datetime.fromtimestamp(_modified(path), UTC)


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


def _from_page(page: Mapping[str, Any], path: Path | None, until: LastCell | None) -> LiveCells:
    """The page's cells: what it shows is what the user means, however old the file is."""
    notebook = notebook_from_dict(page, path=_named(path), until=until)
    origin = f"cells of {notebook.filename}, as they are in the page"
    return LiveCells(_only_last_flow(notebook), origin, until)


def _from_file(path: Path, asking: Asking, until: LastCell | None) -> LiveCells:
    notebook = read_notebook(path, until=until)
    cells, saved = notebook.raw["cells"], saved_at(path)
    edits = edits_since(cells, asking.runs, saved)
    texts = as_run(cells, edits)
    if until is not None:
        texts[-1]["source"] = asking.source
    if texts != cells:
        notebook = notebook_from_dict({**notebook.raw, "cells": texts}, path=path)
    notebook = _only_last_flow(notebook)
    notebook = replace(notebook, notices=(*notebook.notices, *words_for(edits, path.name)))
    origin = f"cells of {path.name}, as saved at {clock(saved)}"
    return LiveCells(notebook, origin, until)


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
    notebook = _only_last_flow(notebook_from_dict(document, path=_named(path)))
    return LiveCells(notebook, "taken from this kernel: the cells that ran in it, in that order")


def _named(path: Path | None) -> str:
    return str(path or Path.cwd() / "kernel.ipynb")


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
