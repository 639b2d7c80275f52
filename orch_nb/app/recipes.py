"""Recipes: a digest of each cell and of everything that it is made from.

Two cells of equal recipes do the same work on the same inputs, as far as sources can tell; so
the result of one serves for the other.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping

from orch_nb.graph.model import Edge, EdgeKind, FlowGraph
from orch_nb.model import Cell, CellKind, Json

_GIVING = (CellKind.PARAMETERS, CellKind.INJECTED)


def source_hash(cell: Cell) -> str:
    """What a cell's hints and its source are kept under."""
    return hashlib.sha256(cell.source.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def recipes(graph: FlowGraph, parameters: Mapping[str, Json]) -> dict[int, str]:
    """The recipe of each cell, by cell number; ``parameters`` are the run's values.

    What was learned by running has no part in it: it would change from one attempt to the next.
    """
    into: defaultdict[int, list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        if edge.kind is not EdgeKind.LEARNED:
            into[edge.target].append(edge)
    kinds = {node.cell.number: node.cell.kind for node in graph.nodes}
    made: dict[int, str] = {}
    for node in graph.nodes:
        parts = [
            [list(edge.names), _supply(edge, kinds, made, parameters)]
            for edge in into[node.cell.number]
        ]
        made[node.cell.number] = _digest([source_hash(node.cell), sorted(parts)])
    return made


def _supply(
    edge: Edge,
    kinds: Mapping[int, CellKind],
    made: Mapping[int, str],
    parameters: Mapping[str, Json],
) -> str:
    """What the edge's source hands over: a parameter's value, else all that its cell does."""
    if kinds[edge.source] in _GIVING and all(name in parameters for name in edge.names):
        return _digest([[name, parameters[name]] for name in edge.names])
    return made.get(edge.source, "")  # `--needs` may name a cell below


def _digest(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
