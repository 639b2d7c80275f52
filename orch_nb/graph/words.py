"""A graph in sentences: why one cell waits for another, and what one cell does."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from orch_nb.graph.model import FlowGraph, Node
from orch_nb.graph.topology import path
from orch_nb.model import CellKind


def title(node: Node) -> str:
    """What a cell is called in a view: its task's name, or its kind, or its first line."""
    cell = node.cell
    if cell.named:
        return cell.name
    if cell.kind in (CellKind.PARAMETERS, CellKind.SETUP, CellKind.FLOW, CellKind.SKIP):
        return str(cell.kind)
    if cell.kind is CellKind.INJECTED:
        return "parameters"
    if node.imports_only and node.bound:
        return "imports"
    return cell.name


def why(graph: FlowGraph, source: int, target: int) -> str:
    """Why ``target`` waits for ``source``, edge by edge; or that it need not.

    Raises KeyError where a number is no cell's.
    """
    first, last = sorted((graph.node(source), graph.node(target)), key=lambda n: n.cell.number)
    chain = path(graph, first.cell.number, last.cell.number)
    if not chain:
        return (
            f"{last.cell.label} does not wait for {first.cell.label}: "
            "they share no name, file or state that one of them writes"
        )
    lines = [f"{last.cell.label} waits for {first.cell.label}:"]
    for one, other in pairwise(chain):
        for edge in graph.edges:
            if (edge.source, edge.target) == (one, other):
                lines.append(f"  cell {other} {edge.reason}  [cell {one}]")
    return "\n".join(lines)


def explain(node: Node, graph: FlowGraph | None = None) -> str:
    """What the analysis says of one cell, a line for each thing it does."""
    cell = node.cell
    lines = [f"{cell.label}, {_role(node)}"]
    changed = dict(node.why)
    for word, names in (
        ("reads", node.reads),
        ("sets", node.binds),
        ("may set", node.bound - node.binds),
    ):
        if names:
            lines.append(f"  {word:<9}{listed(names)}")
    for name, how in changed.items():
        lines.append(f"  changes  {name}: {how}")
    for word, names in (
        ("uses", node.ambient_reads | node.ambient_writes),
        ("reads file", node.files_read),
        ("writes file", node.files_written),
    ):
        if names:
            lines.append(f"  {word:<9}{' ' if len(word) > 8 else ''}{listed(names)}")
    if node.barrier:
        lines.append(f"  barrier  {node.barrier}")
    if node.alone:
        lines.append("  alone    it is timed: nothing may run beside it")
    if graph is not None:
        for edge in graph.edges:
            if edge.target == cell.number:
                lines.append(f"  after    cell {edge.source}: {edge.reason}")
    return "\n".join(lines)


def _role(node: Node) -> str:
    if node.task:
        return "a task"
    if node.imports_only:
        return "imports, run in place"
    return f"{node.cell.kind} cell, run in place"


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names with commas, the rest as a count."""
    ordered = sorted(names)
    text = ", ".join(ordered[:most])
    return text + (f" +{len(ordered) - most}" if len(ordered) > most else "")
