"""From a cell and its effects to its node, and whether the cell is a task."""

from __future__ import annotations

from orch_nb.analysis.cell import CellEffects
from orch_nb.graph.model import Node
from orch_nb.model import Cell, CellKind, CellsMode


def is_bare(cell: Cell) -> bool:
    """Whether a cell takes no part in the dataflow: skipped, or a flow's declaration."""
    return cell.kind is CellKind.SKIP or (cell.kind is CellKind.FLOW and _is_empty(cell.source))


def _is_empty(source: str) -> bool:
    return all(not line.strip() or line.strip().startswith("#") for line in source.splitlines())


def make_node(cell: Cell, effects: CellEffects | None, mode: CellsMode, tagged: bool) -> Node:
    """The node of a cell. ``tagged`` says whether any cell of the notebook is tagged as a task;
    ``effects`` is None for a cell that takes no part."""
    if effects is None:
        return Node(cell)
    changes = dict.fromkeys(effects.known, "a barrier may change anything")
    changes.update(effects.changes)
    # The answer to the cell's question is bound before its source runs.
    given = frozenset(part.partition(":")[0].strip() for part in cell.options.input)
    return Node(
        cell=cell,
        reads=(effects.reads | effects.known | (effects.soft - {"*"})) - given,
        binds=effects.binds | given,
        writes=effects.writes | effects.known | given,
        changes=frozenset(changes),
        ambient_reads=effects.ambient_reads,
        ambient_writes=effects.ambient_writes,
        files_read=effects.files_read,
        files_written=effects.files_written,
        barrier=effects.barrier,
        alone=effects.alone,
        imports_only=effects.imports_only,
        switches=effects.switches,
        light=effects.light,
        task=_is_task(cell, effects, mode, tagged),
        why=tuple(sorted(changes.items())),
        bound=effects.bound | given,
        displays=effects.displays,
    )


def _is_task(cell: Cell, effects: CellEffects, mode: CellsMode, tagged: bool) -> bool:
    if cell.kind is CellKind.TASK:
        return True
    plain = cell.kind is CellKind.PLAIN and not effects.imports_only
    if mode is CellsMode.AUTO:
        return plain and not tagged
    return plain and mode is CellsMode.ALL
