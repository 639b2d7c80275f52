"""Finds syntax errors in a notebook's cells before anything runs."""

from __future__ import annotations

import ast
import warnings

from orch_nb.automagic import automagic
from orch_nb.errors import NotebookError
from orch_nb.model import Cell, CellKind
from orch_nb.notebook.document import Notebook


def check_syntax(notebook: Notebook, allow_errors: bool = False) -> None:
    """Raise NotebookError for the first cell that Python can't compile.

    Magics and shell lines are what IPython makes of them; a top-level ``await`` is allowed. Skipped
    cells, and those that may fail (tagged ``raises-exception``, or all with ``allow_errors``), are
    left alone. Other languages are not checked.
    """
    if not notebook.is_python or allow_errors:
        return
    for cell in notebook.cells:
        if cell.kind is CellKind.SKIP or "raises-exception" in cell.tags:
            continue
        check_cell(notebook, cell)


def check_cell(notebook: Notebook, cell: Cell) -> None:
    """Raise NotebookError when Python can't compile this cell."""
    problem = _problem(cell.source)
    if problem is None or automagic(cell.source) is not None:
        return
    try:
        transformed = python_source(cell.source)
    except SyntaxError as error:
        raise _error(notebook, cell, error, 0) from None
    if transformed != cell.source:
        problem = _problem(transformed)
        if problem is None:
            return
    if isinstance(problem, SyntaxError):
        dropped = len(cell.source) - len(cell.source.lstrip("\n"))  # by IPython
        raise _error(notebook, cell, problem, dropped)
    words, hint = _words(problem)
    raise NotebookError(f"syntax error: {words}", where=notebook.where(cell), hint=hint)


def python_source(source: str) -> str:
    """The cell as plain Python, its magics and shell lines made into calls, as IPython does.

    Raises SyntaxError where IPython's own rules are broken.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    return str(TransformerManager().transform_cell(source))


def _problem(source: str) -> Exception | None:
    """Why the source does not compile, if so."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning belongs to the run
            compile(
                source,
                "<cell>",
                "exec",
                flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
                dont_inherit=True,
            )
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        return error
    return None


def _words(problem: Exception) -> tuple[str, str]:
    match problem:
        case UnicodeError():
            return "the cell holds half of a surrogate pair", "remove the broken character"
        case ValueError():
            return str(problem), "remove what is not Python from the cell"
        case _:
            return "the cell is nested too deeply for Python", "split its longest expression"


def _error(notebook: Notebook, cell: Cell, error: SyntaxError, dropped: int) -> NotebookError:
    """``dropped`` lines stood above what was compiled."""
    lines = cell.source.split("\n")
    line = error.lineno + dropped if error.lineno else None
    if line is not None and line > len(lines):
        line = None
    text = lines[line - 1].strip() if line else ""
    shown = text if len(text) <= 60 else text[:59] + "…"
    return NotebookError(
        f"syntax error: {error.msg}",
        where=notebook.where(cell, line),
        hint=f"correct `{shown}`" if shown else "correct the cell",
    )
