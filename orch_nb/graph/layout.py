"""Coordinates for a graph: ranks by longest path, order by barycentres, ties by the document."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orch_nb.graph.model import FlowGraph

_SWEEPS = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where one cell stands: ``rank`` counts from the top, ``slot`` from the left of its rank.

    ``x`` is in units of one node's width, centred so that ranks stand below each other.
    """

    number: int
    rank: int
    slot: int
    x: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of the cells shown, by number, and the lines between them."""

    places: Mapping[int, Place]
    lines: tuple[tuple[int, int], ...]
    ranks: int
    widest: int  # cells in the fullest rank


def lay_out(graph: FlowGraph, shown: Collection[int] | None = None) -> Layout:
    """Place the cells (default: all that have an edge or are tasks).

    Lines that a chain of other lines implies are left out.
    """
    keep = set(shown if shown is not None else _worth_showing(graph))
    above = reduced(graph, keep)
    ranks = _ranks(graph, keep, above)
    order = _ordered(ranks, above)
    widest = max((len(row) for row in order), default=0)
    places = {}
    for rank, row in enumerate(order):
        indent = (widest - len(row)) / 2
        for slot, number in enumerate(row):
            places[number] = Place(number, rank, slot, indent + slot)
    lines = tuple((s, t) for t in sorted(above) for s in sorted(above[t]))
    return Layout(places, lines, len(order), widest)


def _worth_showing(graph: FlowGraph) -> list[int]:
    linked = {e.source for e in graph.edges} | {e.target for e in graph.edges}
    return [
        node.cell.number
        for node in graph.nodes
        if not node.imports_only and (node.task or node.cell.number in linked)
    ]


def reduced(graph: FlowGraph, keep: set[int]) -> dict[int, set[int]]:
    """For each kept cell, the kept cells right above it, through those that are left out.

    A line is dropped where a longer chain says the same.
    """
    above: dict[int, set[int]] = {}
    reach: dict[int, set[int]] = {}
    through: dict[int, set[int]] = {}
    for node in graph.nodes:
        number = node.cell.number
        sources: set[int] = set()
        for source in graph.predecessors[number]:
            sources |= {source} if source in keep else through.get(source, set())
        # a source below another in the document may reach it, never the other way round
        direct: set[int] = set()
        covered: set[int] = set()
        for source in sorted(sources, reverse=True):
            if source not in covered:
                direct.add(source)
                covered |= reach.get(source, set())
        if number in keep:
            above[number] = direct
            reach[number] = covered | direct
        else:
            through[number] = direct
    return above


def _ranks(graph: FlowGraph, keep: set[int], above: Mapping[int, set[int]]) -> list[list[int]]:
    rank: dict[int, int] = {}
    rows: list[list[int]] = []
    for node in graph.nodes:
        number = node.cell.number
        if number in keep:
            rank[number] = max((rank[s] + 1 for s in above[number]), default=0)
            while len(rows) <= rank[number]:
                rows.append([])
            rows[rank[number]].append(number)
    return rows


def _ordered(rows: list[list[int]], above: Mapping[int, set[int]]) -> list[list[int]]:
    below: dict[int, list[int]] = {}
    for target, sources in above.items():
        for source in sources:
            below.setdefault(source, []).append(target)
    position: dict[int, float] = {}

    def place(row: list[int]) -> None:
        middle = (len(row) - 1) / 2
        position.update((number, slot - middle) for slot, number in enumerate(row))

    for row in rows:
        place(row)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            neighbours = above if down else below

            def key(number: int, around: Mapping[int, Collection[int]] = neighbours) -> float:
                near = around.get(number, ())
                return sum(position[n] for n in near) / len(near) if near else position[number]

            # sorting is stable from document order, so ties never move
            weights = {number: key(number) for number in row}
            row.sort(key=lambda number: (weights[number], number))
            place(row)
    return rows
