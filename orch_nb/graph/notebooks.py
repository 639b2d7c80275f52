"""Which notebooks a notebook runs, the literal paths that its cells give to `run_notebook`; and
their graphs, to be drawn within its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from orch_nb.graph.model import FlowGraph
from orch_nb.model import Cell

_MAGIC = re.compile(r"^\s*[%!].*$", re.M)


@dataclass(frozen=True, slots=True)
class CalledNotebook:
    """A cell that runs another notebook, and the notebook's path as it is written."""

    cell: int
    path: str


@dataclass(frozen=True, slots=True)
class InnerGraph:
    """The graph of a notebook that a cell runs, and of those that this one runs in turn. Without
    a ``graph``, ``missing`` says why it can't be drawn."""

    cell: int
    path: str
    graph: FlowGraph | None = None
    inner: tuple[InnerGraph, ...] = ()
    missing: str = ""


def without_graphs(graph: FlowGraph) -> tuple[InnerGraph, ...]:
    """The notebooks that a graph's cells run, by their paths alone."""
    called = called_notebooks([node.cell for node in graph.nodes])
    return tuple(InnerGraph(each.cell, each.path) for each in called)


def called_notebooks(cells: Sequence[Cell]) -> tuple[CalledNotebook, ...]:
    """The notebooks that cells run, in document order, each once for a cell."""
    found: dict[CalledNotebook, None] = {}
    for cell in cells:
        try:
            tree = ast.parse(_MAGIC.sub("pass", cell.source))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) == "run_notebook" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found[CalledNotebook(cell.number, first.value)] = None
    return tuple(found)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
