"""Questions about a graph's shape: what lies above and below a cell, how much runs at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orch_nb.graph.model import FlowGraph


def successors(graph: FlowGraph) -> dict[int, set[int]]:
    """For each cell number, the cells that wait for it."""
    found: dict[int, set[int]] = {node.cell.number: set() for node in graph.nodes}
    for target, sources in graph.predecessors.items():
        for source in sources:
            found[source].add(target)
    return found


def ancestors(graph: FlowGraph, number: int) -> frozenset[int]:
    """All cells that must have run before this one."""
    return _reached(graph.predecessors, number)


def descendants(graph: FlowGraph, number: int) -> frozenset[int]:
    """All cells that wait for this one, directly or not."""
    return _reached(successors(graph), number)


def _reached(steps: Mapping[int, Iterable[int]], start: int) -> frozenset[int]:
    found: set[int] = set()
    todo = list(steps.get(start, ()))
    while todo:
        number = todo.pop()
        if number not in found:
            found.add(number)
            todo.extend(steps.get(number, ()))
    return frozenset(found)


def path(graph: FlowGraph, source: int, target: int) -> tuple[int, ...]:
    """A shortest chain by which ``target`` waits for ``source``; empty if there is none."""
    came: dict[int, int] = {target: target}
    todo = [target]
    for number in todo:  # grows while it is walked
        if number == source:
            break
        for earlier in sorted(graph.predecessors.get(number, ()), reverse=True):
            if earlier not in came:
                came[earlier] = number
                todo.append(earlier)
    if source not in came or source == target:
        return ()
    chain = [source]
    while chain[-1] != target:
        chain.append(came[chain[-1]])
    return tuple(chain)


def levels(graph: FlowGraph, weights: Mapping[int, float] | None = None) -> dict[int, float]:
    """When each cell could start at the earliest, with as many workers as it takes.

    ``weights`` are the cells' seconds (default 1 each, and 0 for those that are no tasks).
    """
    starts: dict[int, float] = {}
    for node in graph.nodes:
        number = node.cell.number
        starts[number] = max(
            (starts[s] + _weight(graph, s, weights) for s in graph.predecessors[number]),
            default=0.0,
        )
    return starts


def _weight(graph: FlowGraph, number: int, weights: Mapping[int, float] | None) -> float:
    if weights is not None:
        return weights.get(number, 0.0)
    return 1.0 if graph.node(number).task else 0.0


def width(graph: FlowGraph) -> int:
    """How many tasks there may be at once, when each takes as long as any other."""
    starts = levels(graph)
    counts: dict[float, int] = {}
    for node in graph.nodes:
        if node.task:
            start = starts[node.cell.number]
            counts[start] = counts.get(start, 0) + 1
    return max(counts.values(), default=0)


def critical_path(graph: FlowGraph, seconds: Mapping[int, float]) -> tuple[int, ...]:
    """The chain of cells that takes longest, in order; ``seconds`` by cell number."""
    if not graph.nodes:
        return ()
    starts = levels(graph, seconds)

    def end(number: int) -> float:
        return starts[number] + seconds.get(number, 0.0)

    last = max((node.cell.number for node in graph.nodes), key=lambda n: (end(n), -n))
    chain = [last]
    while graph.predecessors[chain[-1]]:
        before = max(graph.predecessors[chain[-1]], key=lambda n: (end(n), -n))
        if end(before) <= 0:
            break
        chain.append(before)
    return tuple(reversed(chain))
