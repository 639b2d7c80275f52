"""The graph as plain records: what each cell touches, and why one cell waits for another."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from orch_nb.model import Cell


class EdgeKind(enum.StrEnum):
    """What makes one cell wait for another."""

    VALUE = "value"  # reads a variable that the other may have written
    AMBIENT = "ambient"  # process-wide state, such as numpy's global random state
    FILE = "file"  # both touch one path and one of them writes
    BARRIER = "barrier"  # one of them can't be understood, or must run alone
    ORDER = "order"  # plain cells keep document order among themselves
    NEEDS = "needs"  # the user said `--needs`
    LEARNED = "learned"  # an earlier run observed it


@dataclass(frozen=True, slots=True)
class Edge:
    """``target`` waits for ``source`` (cell numbers, source < target except for `--needs`)."""

    source: int
    target: int
    names: tuple[str, ...]  # sorted; variables, ambient names or paths
    reason: str  # in words, a full clause: "reads 'sales', set in cell 3"
    kind: EdgeKind


@dataclass(frozen=True, slots=True)
class Node:
    """One cell with what the analysis says of it. All name sets are sound over-estimates,
    except ``binds``, which is what is bound on every path.

    ``reads`` holds every name whose earlier value the cell may see, also through functions and
    classes that it calls; ``writes`` every name it may bind, delete or change in place, aliases
    included; ``changes`` the names whose objects it may change in place (these are
    fingerprinted at run time).
    """

    cell: Cell
    reads: frozenset[str] = frozenset()
    binds: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    ambient_reads: frozenset[str] = frozenset()
    ambient_writes: frozenset[str] = frozenset()
    files_read: frozenset[str] = frozenset()
    files_written: frozenset[str] = frozenset()
    barrier: str = ""  # why the cell is a barrier, in words; empty when it is none
    alone: bool = False  # nothing may run beside it (`%timeit`)
    imports_only: bool = False
    switches: bool = False  # it imports, and changes how the cells below are run or shown
    light: bool = False  # no call or loop that could take long
    task: bool = False  # runs as a task under the chosen cells mode
    why: tuple[tuple[str, str], ...] = ()  # (name, how it may be changed in place), sorted
    bound: frozenset[str] = frozenset()  # names it may bind or delete, on some path
    displays: bool = False  # its last line is an expression, whose value is shown


@dataclass(frozen=True, slots=True)
class FlowGraph:
    """A notebook's cells in document order, and the edges between them, sorted."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    predecessors: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def node(self, number: int) -> Node:
        """The node of a cell number; KeyError when there is none."""
        node = self.nodes[number - 1] if 0 < number <= len(self.nodes) else None
        if node is None or node.cell.number != number:
            for node in self.nodes:
                if node.cell.number == number:
                    return node
            raise KeyError(number)
        return node
