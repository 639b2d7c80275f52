"""From cells to the graph: which earlier cell each read binds to, and why one waits for another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orch_nb.analysis.cell import CellEffects
from orch_nb.analysis.notebook import Notebook, without_collection
from orch_nb.errors import GraphError
from orch_nb.graph.edges import Tracker
from orch_nb.graph.model import Edge, EdgeKind, FlowGraph, Node
from orch_nb.graph.nodes import is_bare, make_node
from orch_nb.model import Cell, CellKind, CellsMode


def build_graph(
    cells: Sequence[Cell], mode: CellsMode = CellsMode.AUTO, learned: Sequence[Edge] = ()
) -> FlowGraph:
    """The graph of a notebook's code cells, in document order.

    ``learned`` are edges observed by an earlier run: they are added, none is dropped.
    Raises GraphError for two tasks of one name, for ``--needs`` of a task that is not there,
    and for a cycle made by ``--needs``; the error names cells, its caller the notebook.
    """
    return GraphBuilder(mode).build(cells, learned)


@dataclass(frozen=True, slots=True)
class _Row:
    """One cell of the last graph, with what it was made of."""

    cell: Cell
    effects: CellEffects | None  # None where it takes no part in the dataflow
    node: Node
    edges: tuple[Edge, ...]
    sources: frozenset[int]


class GraphBuilder:
    """Builds graphs of one notebook as it is edited: what an edit can't reach is kept."""

    def __init__(self, mode: CellsMode = CellsMode.AUTO) -> None:
        self.mode = mode
        self._notebook = Notebook()
        self._rows: list[_Row] = []
        self._tagged = False
        # the state before the first cell that changed last time: typing goes on in one cell
        self._before: tuple[int, Tracker] | None = None

    def build(self, cells: Sequence[Cell], learned: Sequence[Edge] = ()) -> FlowGraph:
        """The graph of the cells as they are now; raises as ``build_graph``."""
        with without_collection():
            return self._build(cells, learned)

    def _build(self, cells: Sequence[Cell], learned: Sequence[Edge]) -> FlowGraph:
        live = [cell for cell in cells if not is_bare(cell)]
        found = self._notebook.analyse([(c.number, c.source, _may_fail(c)) for c in live])
        effects = {cell.number: item for cell, item in zip(live, found, strict=True)}
        tagged = any(cell.kind is CellKind.TASK for cell in cells)
        old = self._rows if tagged == self._tagged else []
        if not old:
            self._before = None
        self._tagged = tagged
        self._rows = rows = self._renewed(cells, effects, old)
        nodes = tuple(row.node for row in rows)
        extra = [*_order_edges(nodes), *needs_edges(nodes), *_learned_edges(nodes, learned)]
        return _assembled(nodes, rows, extra)

    def _renewed(
        self, cells: Sequence[Cell], effects: dict[int, CellEffects], old: list[_Row]
    ) -> list[_Row]:
        """The rows of a new graph: old ones where the cell is the same, and all it reads too."""
        fresh = [i for i, cell in enumerate(cells) if not _stands(old, i, cell, effects)]
        if not fresh and len(old) == len(cells):
            return old
        nodes = [row.node for row in old[: len(cells)]]
        dirty: set[str] | None = set()
        for index in fresh:
            node = make_node(
                cells[index], effects.get(cells[index].number), self.mode, self._tagged
            )
            if index >= len(nodes):
                nodes.append(node)
                dirty = None
            else:
                dirty = _dirtied(dirty, nodes[index], node)
                nodes[index] = node
        again = set(range(len(cells)))
        if dirty is not None and not any(_looks_around(row) for row in old):
            again = {i for i, node in enumerate(nodes) if not dirty.isdisjoint(node.reads)}
        return self._tracked(cells, nodes, effects, old, sorted({*fresh, *again}))

    def _tracked(
        self,
        cells: Sequence[Cell],
        nodes: list[Node],
        effects: dict[int, CellEffects],
        old: list[_Row],
        again: Sequence[int],
    ) -> list[_Row]:
        """Rows in which the cells ``again`` have their edges found anew."""
        rows = list(old[: len(cells)])
        counted, tracker = 0, Tracker()
        if again and self._before is not None and self._before[0] == again[0]:
            counted, tracker = again[0], self._before[1].copy()
        for index in again:
            for earlier in range(counted, index):
                if not is_bare(nodes[earlier].cell):
                    tracker.count(nodes[earlier], effects[cells[earlier].number])
            counted = index
            if index == again[0]:
                self._before = (index, tracker.copy())
            row = _row(cells[index], effects.get(cells[index].number), nodes[index], tracker)
            if index < len(rows):
                rows[index] = row
            else:
                rows.append(row)
        return rows


def _dirtied(dirty: set[str] | None, old: Node, new: Node) -> set[str] | None:
    """The names whose readers must look again; None where all must."""
    if dirty is None or not _same_outside(old, new):
        return None
    changed = old.writes ^ new.writes
    if old.why != new.why or old.cell.kind is not new.cell.kind:
        changed |= old.writes | new.writes
    elif old.bound != new.bound:
        changed |= old.bound ^ new.bound
    return dirty | changed


def _same_outside(old: Node, new: Node) -> bool:
    """Whether two versions of a cell do the same to all that is no variable."""
    return (
        old.ambient_writes == new.ambient_writes
        and old.files_read == new.files_read
        and old.files_written == new.files_written
        and old.barrier == new.barrier
        and is_bare(old.cell) == is_bare(new.cell)
    )


def _stands(old: list[_Row], index: int, cell: Cell, effects: dict[int, CellEffects]) -> bool:
    """Whether a row is that of the same cell, with the same effects."""
    if index >= len(old):
        return False
    row = old[index]
    return row.effects is effects.get(cell.number) and (row.cell is cell or row.cell == cell)


def _looks_around(row: _Row) -> bool:
    """Whether a cell's edges depend on more than the names it reads."""
    return row.effects is not None and bool(row.effects.history or row.effects.soft)


def _row(cell: Cell, effects: CellEffects | None, node: Node, tracker: Tracker) -> _Row:
    edges = tracker.edges_of(node, effects) if effects is not None else ()
    return _Row(cell, effects, node, edges, frozenset(edge.source for edge in edges))


def _assembled(nodes: tuple[Node, ...], rows: list[_Row], extra: list[Edge]) -> FlowGraph:
    edges = [edge for row in rows for edge in row.edges]
    predecessors = {row.cell.number: row.sources for row in rows}
    if extra:
        edges = sorted([*edges, *extra], key=lambda e: (e.target, e.source, e.kind))
        for edge in extra:
            predecessors[edge.target] |= {edge.source}
    return FlowGraph(nodes, tuple(edges), predecessors)


def _may_fail(cell: Cell) -> bool:
    return "raises-exception" in cell.tags


def _order_edges(nodes: Sequence[Node]) -> list[Edge]:
    """Plain cells that are no tasks keep document order among themselves."""
    edges, last = [], 0
    for node in nodes:
        if node.cell.kind is CellKind.PLAIN and not node.task and not node.imports_only:
            number = node.cell.number
            if last:
                reason = f"plain cells keep their order: comes after cell {last}"
                edges.append(Edge(last, number, (), reason, EdgeKind.ORDER))
            last = number
    return edges


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
    return [
        _need(node.cell, name, tasks)
        for node in nodes
        for name in dict.fromkeys(node.cell.options.needs)
    ]


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
        what = "itself" if source is cell else f"'{name}', which comes later ({source.label})"
        hint = f"move cell {source.number} above cell {cell.number}, or drop --needs {name}"
        raise GraphError(
            f"--needs makes a cycle: {cell.label} needs {what}",
            where=cell.label,
            hint=f"drop --needs {name}" if source is cell else hint,
        )
    return Edge(source.number, cell.number, (), f"needs '{name}' (--needs)", EdgeKind.NEEDS)


def _learned_edges(nodes: Sequence[Node], learned: Sequence[Edge]) -> list[Edge]:
    """Hints of earlier runs, for the cells that are still there."""
    if not learned:
        return []
    present = {node.cell.number for node in nodes if not is_bare(node.cell)}
    return [
        replace(edge, kind=EdgeKind.LEARNED)
        for edge in learned
        if edge.source in present and edge.target in present and edge.source < edge.target
    ]
