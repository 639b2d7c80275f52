"""The shape of the hazard tables: cells in, edges out.

A case is (what it says, cells, what must hold). Cells are parted by ``;;``. ``2>3`` says that
cell 3 must wait for cell 2, ``2|3`` that it must not; words after ``:`` must be in the reason.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from orch_nb.graph.build import build_graph
from orch_nb.graph.model import FlowGraph
from orch_nb.model import Cell, CellKind

Case = tuple[str, str, str]


def cells_of(*sources: str, kind: CellKind = CellKind.PLAIN) -> list[Cell]:
    return [
        Cell(number, number - 1, f"id-{number}", f"cell-{number}", kind, source)
        for number, source in enumerate(sources, 1)
    ]


def graph_of(*sources: str) -> FlowGraph:
    return build_graph(cells_of(*sources))


def hazards(cases: list[Case]) -> Any:
    """A parametrisation with one named test for each case."""
    return pytest.mark.parametrize(
        ("cells", "expected"), [pytest.param(c, e, id=name) for name, c, e in cases]
    )


def check(cells: str, expected: str) -> None:
    """Fail unless the graph of the cells has and lacks the edges expected."""
    graph = graph_of(*(cell.strip() for cell in cells.split(";;")))
    found: dict[tuple[int, int], str] = {}
    for edge in graph.edges:
        pair = edge.source, edge.target
        found[pair] = f"{found.get(pair, '')} {edge.reason}"
    for clause in re.split(r",\s*(?=\d+[>|])", expected):
        wanted, _, words = clause.strip().partition(":")
        if ">" in wanted:
            source, target = map(int, wanted.split(">"))
            assert (source, target) in found, f"cell {target} must wait for {source}"
            assert words.strip() in found[source, target]
        else:
            source, target = map(int, wanted.split("|"))
            reason = found.get((source, target))
            assert reason is None, f"cell {target} need not wait: {reason}"
