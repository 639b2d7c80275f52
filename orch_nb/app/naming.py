"""What each cell is called in a run's record: given, its kind, or the first name it is read by."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from orch_nb.graph.model import EdgeKind, FlowGraph, Node
from orch_nb.graph.words import title


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
            name = wanted if wanted not in taken else cell.name
            taken.add(name)
        names[cell.number] = name
    return names


def _candidates(node: Node, readers: list[tuple[int, tuple[str, ...]]]) -> Iterator[str]:
    """The names that this cell sets and later cells read: the nearest reader's first, and of one
    reader's the one that stands first in the source."""
    for _, names in readers:
        found = [name for name in names if name in node.bound and not name.startswith("_")]
        yield from sorted(found, key=lambda name: _position(node.cell.source, name))


def _position(source: str, name: str) -> int:
    found = re.search(rf"\b{re.escape(name)}\b", source)
    return found.start() if found else len(source)
