"""What each cell is called in a run's record: given, its kind, or the first name it is read by."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from orch_nb.graph.model import EdgeKind, FlowGraph, Node
from orch_nb.graph.words import title
from orch_nb.model import CellKind

_IMPORT = re.compile(r"\s*(import|from)\s")


def name_tasks(graph: FlowGraph) -> dict[int, str]:
    """A name for each cell, by cell number, and no name twice.

    A given name always stays. A plain cell is called after the name it sets that the nearest
    later cell reads. A cell that nothing reads from, or whose name is taken, stays ``cell-7``.
    """
    read_by: defaultdict[int, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
    for edge in graph.edges:
        if edge.kind is EdgeKind.VALUE and edge.target > edge.source:
            read_by[edge.source].append((edge.target, edge.names))
    taken = {node.cell.name for node in graph.nodes if node.cell.named}
    names: dict[int, str] = {}
    for node in graph.nodes:
        cell = node.cell
        name = cell.name
        if not cell.named:
            wanted = title(node)
            if wanted == cell.name:
                wanted = next(_candidates(node, sorted(read_by[cell.number])), cell.name)
            if wanted in taken and cell.kind is CellKind.INJECTED:
                wanted = "injected"  # the cell of parameters stands above it
            name = wanted if wanted not in taken else cell.name
            taken.add(name)
        names[cell.number] = name
    return names


def _candidates(node: Node, readers: list[tuple[int, tuple[str, ...]]]) -> Iterator[str]:
    """The names that this cell sets and later cells read: the nearest reader's first, and of one
    reader's the one that stands first in the source."""
    for _, names in readers:
        found = [name for name in names if name in node.bound and not name.startswith("_")]
        places = {name: _position(node.cell.source, name) for name in found}
        yield from sorted((name for name in found if places[name] >= 0), key=places.__getitem__)


def _position(source: str, name: str) -> int:
    """Where a name first stands in the source; -1 when an import brings it: the cell's work is
    called after what it makes."""
    found = re.search(rf"\b{re.escape(name)}\b", source)
    if found is None:
        return len(source)
    line = source[source.rfind("\n", 0, found.start()) + 1 : found.start()]
    return -1 if _IMPORT.match(line) else found.start()
