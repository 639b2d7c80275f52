"""When a cell that ran beside an earlier one has seen what that one changed."""

from __future__ import annotations

import pytest

from orch_nb.engine.plan import Facts
from orch_nb.engine.staleness import why_stale
from orch_nb.graph.model import Node
from orch_nb.model import Cell, CellKind
from orch_nb.options import TaskOptions


def node(number: int, reads: str = "") -> Node:
    cell = Cell(
        number, number - 1, str(number), f"cell-{number}", CellKind.PLAIN, "x", TaskOptions()
    )
    return Node(cell, reads=frozenset(reads))


NOTHING = Facts()
CHANGES = Facts(writes=frozenset({"_8"}), changed=frozenset({"_8"}))
SPEAKS = Facts(refs=frozenset({"_8"}))


@pytest.mark.parametrize(
    ("did", "seen", "stale"),
    [
        (CHANGES, NOTHING, False),
        (CHANGES, SPEAKS, True),  # its changes are told by an object's place in what there was
        (CHANGES, CHANGES, True),
        (SPEAKS, CHANGES, False),
        (Facts(writes=frozenset({"_8"})), SPEAKS, False),
    ],
)
def test_what_a_cell_came_upon_without_reading_its_name(
    did: Facts, seen: Facts, stale: bool
) -> None:
    found = why_stale(node(1), did, node(2), seen, frozenset())
    assert (found is not None) == stale
    if found is not None:
        assert found == (("_8",), "cell 1 changed _8, which it uses too")


def test_what_it_reads_is_named_first() -> None:
    seen = Facts(refs=frozenset({"a"}), changed=frozenset({"a"}))
    did = Facts(writes=frozenset({"a"}), changed=frozenset({"a"}))
    found = why_stale(node(1), did, node(2, "a"), seen, frozenset())
    assert found == (("a",), "cell 1 changed a, which it reads")
