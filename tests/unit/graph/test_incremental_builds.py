"""A graph built again after edits is the graph built afresh."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.graph.build import GraphBuilder, build_graph
from orch_nb.model import Cell, CellKind
from tests.unit.analysis.hazards import cells_of

LINES = (
    "x = []",
    "x.append(1)",
    "y = x",
    "print(x, y)",
    "del x",
    "def f(): return x",
    "z = f()",
    "def f():\n    global y\n    y = 2",
    "_",
    "import numpy as np",
    "np.random.seed(0)",
    "r = np.random.rand()",
    "open('a', 'w').write('b')",
    "open('a').read()",
    "%run other.py",
    "if y:\n    x = 1",
    "1 + 1",
    "class A:\n    def m(self): x.append(f)",
    "a = A()",
    "a.m()",
    "df.query('x > @y')",
    "",
)
KINDS = (CellKind.PLAIN, CellKind.PLAIN, CellKind.SKIP, CellKind.TASK)


@st.composite
def edits(draw: st.DrawFn) -> list[list[Cell]]:
    """Versions of a notebook, each a few edits from the one before."""
    lines = draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=8))
    versions = [cells_of(*lines)]
    for _ in range(draw(st.integers(1, 4))):
        cells = list(versions[-1])
        for _ in range(draw(st.integers(1, 2))):
            at = draw(st.integers(0, len(cells) - 1))
            what = draw(st.sampled_from(("source", "source", "kind", "insert", "delete")))
            if what == "source":
                cells[at] = replace(cells[at], source=draw(st.sampled_from(LINES)))
            elif what == "kind":
                kind = draw(st.sampled_from(KINDS))
                cells[at] = replace(cells[at], kind=kind, name=cells[at].id)
            elif what == "insert":
                cells.insert(at, cells_of(draw(st.sampled_from(LINES)))[0])
            elif len(cells) > 1:
                del cells[at]
        cells = [replace(c, number=n, id=f"i{n}", name=f"n{n}") for n, c in enumerate(cells, 1)]
        versions.append(cells)
    return versions


@settings(max_examples=150, deadline=None)
@given(edits())
def test_an_edited_graph_equals_a_fresh_one(versions: list[list[Cell]]) -> None:
    builder = GraphBuilder()
    for cells in versions:
        assert builder.build(cells) == build_graph(cells)
