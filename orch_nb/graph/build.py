"""From cells to the graph: which earlier cell each read binds to, and why one waits for another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orch_nb.analysis.cell import CellEffects
from orch_nb.analysis.notebook import Notebook
from orch_nb.errors import GraphError
from orch_nb.graph.edges import Tracker
from orch_nb.graph.model import Edge, EdgeKind, FlowGraph, Node
from orch_nb.model import Cell, CellKind, CellsMode

_BARE = frozenset({CellKind.SKIP})


def build_graph(
    cells: Sequence[Cell], mode: CellsMode = CellsMode.AUTO, learned: Sequence[Edge] = ()
) -> FlowGraph:
    """The graph of a notebook's code cells, in document order.

    ``learned`` are edges observed by an earlier run: they are added, none is dropped.
    Raises GraphError for two tasks of one name, for ``--needs`` of a task that is not there,
    and for a cycle made by ``--needs``; the error names cells, its caller the notebook.
    """
    return GraphBuilder(mode).build(cells, learned)


class GraphBuilder:
    """Builds graphs of one notebook as it is edited: what an edit can't reach is kept."""

    def __init__(self, mode: CellsMode = CellsMode.AUTO) -> None:
        self.mode = mode
        self._notebook = Notebook()

    def build(self, cells: Sequence[Cell], learned: Sequence[Edge] = ()) -> FlowGraph:
        """The graph of the cells as they are now; raises as ``build_graph``."""
        analysed = [(c.number, c.source, _may_fail(c)) for c in cells if not is_bare(c)]
        effects = self._notebook.analyse(analysed)
        tagged = any(cell.kind is CellKind.TASK for cell in cells)
        nodes = tuple(_node(cell, effects.get(cell.number), self.mode, tagged) for cell in cells)
        tracker = Tracker()
        for node in nodes:
            if not is_bare(node.cell):
                tracker.add(node, effects[node.cell.number])
        edges = tracker.edges
        edges += _order_edges(nodes)
        edges += needs_edges(nodes)
        edges += _learned_edges(nodes, learned)
        return assemble(nodes, edges)


def assemble(nodes: tuple[Node, ...], edges: Sequence[Edge]) -> FlowGraph:
    """A graph with its edges sorted and its predecessors filled in."""
    ordered = sorted(edges, key=lambda e: (e.target, e.source, e.kind))
    predecessors: dict[int, set[int]] = {node.cell.number: set() for node in nodes}
    for edge in ordered:
        predecessors[edge.target].add(edge.source)
    return FlowGraph(
        nodes, tuple(ordered), {number: frozenset(found) for number, found in predecessors.items()}
    )


def is_bare(cell: Cell) -> bool:
    """Whether a cell takes no part in the dataflow: skipped, or a flow's declaration."""
    return cell.kind in _BARE or (cell.kind is CellKind.FLOW and _is_empty(cell.source))


def _is_empty(source: str) -> bool:
    return all(not line.strip() or line.strip().startswith("#") for line in source.splitlines())


def _may_fail(cell: Cell) -> bool:
    return "raises-exception" in cell.tags


def _node(cell: Cell, effects: CellEffects | None, mode: CellsMode, tagged: bool) -> Node:
    if effects is None:
        return Node(cell)
    return Node(
        cell=cell,
        reads=effects.reads | (effects.soft - {"*"}),
        binds=effects.binds,
        writes=effects.writes,
        changes=frozenset(effects.changes),
        ambient_reads=effects.ambient_reads,
        ambient_writes=effects.ambient_writes,
        files_read=effects.files_read,
        files_written=effects.files_written,
        barrier=effects.barrier,
        alone=effects.alone,
        imports_only=effects.imports_only,
        light=effects.light,
        task=_is_task(cell, effects, mode, tagged),
        why=tuple(sorted(effects.changes.items())),
        bound=effects.bound,
        displays=effects.displays,
    )


def _is_task(cell: Cell, effects: CellEffects, mode: CellsMode, tagged: bool) -> bool:
    if cell.kind is CellKind.TASK:
        return True
    plain = cell.kind is CellKind.PLAIN and not effects.imports_only
    if mode is CellsMode.AUTO:
        return plain and not tagged
    return plain and mode is CellsMode.ALL


def _order_edges(nodes: Sequence[Node]) -> list[Edge]:
    """Plain cells that are no tasks keep document order among themselves."""
    if not any(_in_order(node) for node in nodes):
        return []
    edges, last = [], 0
    for node in nodes:
        if _in_order(node):
            number = node.cell.number
            if last:
                reason = f"plain cells keep their order: comes after cell {last}"
                edges.append(Edge(last, number, (), reason, EdgeKind.ORDER))
            last = number
    return edges


def _in_order(node: Node) -> bool:
    return node.cell.kind is CellKind.PLAIN and not node.task and not node.imports_only


def needs_edges(nodes: Sequence[Node]) -> list[Edge]:
    """The edges of ``--needs``; raises GraphError where they can't be kept."""
    tasks: dict[str, Cell] = {}
    for node in nodes:
        cell = node.cell
        if cell.kind is not CellKind.TASK:
            continue
        other = tasks.setdefault(cell.name, cell)
        if other is not cell:
            raise GraphError(
                f"two tasks are named '{cell.name}': cells {other.number} and {cell.number}",
                where=cell.label,
                hint="give one of them another name",
            )
    edges = []
    for node in nodes:
        for name in node.cell.options.needs:
            edges.append(_need(node.cell, name, tasks))
    return edges


def _need(cell: Cell, name: str, tasks: dict[str, Cell]) -> Edge:
    source = tasks.get(name)
    if source is None:
        known = ", ".join(sorted(tasks)) or "none"
        raise GraphError(
            f"--needs {name}: there is no task of that name",
            where=cell.label,
            hint=f"tasks of this notebook: {known}",
        )
    if source.number >= cell.number:
        what = "itself" if source is cell else f"'{name}', which comes later (cell {source.number})"
        raise GraphError(
            f"--needs makes a cycle: {cell.label} needs {what}",
            where=cell.label,
            hint=f"move cell {source.number} above cell {cell.number}, or drop --needs {name}",
        )
    reason = f"needs '{name}' (--needs)"
    return Edge(source.number, cell.number, (), reason, EdgeKind.NEEDS)


def _learned_edges(nodes: Sequence[Node], learned: Sequence[Edge]) -> list[Edge]:
    """Hints of earlier runs, for the cells that are still there."""
    present = {node.cell.number for node in nodes if not is_bare(node.cell)}
    return [
        replace(edge, kind=EdgeKind.LEARNED)
        for edge in learned
        if edge.source in present and edge.target in present and edge.source < edge.target
    ]
