"""A process that is no fork of home stands in for it until a cell changes what can't be shipped."""

from __future__ import annotations

import pytest

from orch_nb.engine.stand_ins import StandIns
from orch_nb.graph.model import Node
from orch_nb.model import Cell, CellKind


def node(number: int, source: str = "x = 1", **fields) -> Node:
    cell = Cell(number, number, f"id-{number}", f"cell-{number}", CellKind.PLAIN, source)
    return Node(cell, **fields)


@pytest.mark.parametrize(
    ("spoiler", "reason"),
    [
        (node(2, barrier="exec"), "cell 2 may change anything (exec)"),
        (
            node(2, ambient_writes=frozenset({"random", "module math"})),
            "cell 2 changes module math",
        ),
        (node(2, "%config InlineBackend.x = 1"), "cell 2 may set up IPython"),
        (node(2, "get_ipython().x = 1"), "cell 2 may set up IPython"),
    ],
)
def test_cells_below_one_that_changes_the_process_need_home(spoiler: Node, reason: str) -> None:
    stand_ins = StandIns([node(1), spoiler, node(3)], {"random"})
    assert [stand_ins.why_not(number) for number in (1, 2, 3)] == ["", "", reason]


@pytest.mark.parametrize("source", ["%%time\nx = 1", "%timeit x", "!ls", "x = 7 % 3"])
def test_what_leaves_the_process_as_it_was_needs_none(source: str) -> None:
    seeded = node(2, source, ambient_writes=frozenset({"random"}))
    assert StandIns([node(1), seeded, node(3)], {"random"}).why_not(3) == ""
