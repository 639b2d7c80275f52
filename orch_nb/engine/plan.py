"""What the core is told about a run before it begins: frozen, plain, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orch_nb.graph.model import FlowGraph, Node
from orch_nb.model import CellKind

LIGHT_SECONDS = 0.05  # below this a cell is cheaper to run in place than to fork for


@dataclass(frozen=True, slots=True)
class Policy:
    """How one cell may fail. ``delays`` has one entry for each retry, in seconds."""

    delays: tuple[float, ...] = ()
    timeout: float | None = None
    may_fail: bool = False  # its error is kept as output and the run goes on


@dataclass(frozen=True, slots=True)
class Plan:
    """The graph to run and the rules of the run.

    ``expected`` has seconds learned from earlier runs, ``at_home`` the cells that are known to
    need the home process, each with the reason in words.
    """

    graph: FlowGraph
    workers: int
    overlap: bool = True  # False: one cell after the other, in document order
    fail_fast: bool = False
    policies: Mapping[int, Policy] = field(default_factory=dict)
    expected: Mapping[int, float] = field(default_factory=dict)
    at_home: Mapping[int, str] = field(default_factory=dict)

    def policy(self, number: int) -> Policy:
        """The policy of a cell."""
        return self.policies.get(number, _DEFAULT_POLICY)

    def is_light(self, node: Node) -> bool:
        """Whether the cell is expected to take less time than a fork costs."""
        seconds = self.expected.get(node.cell.number)
        return node.light if seconds is None else seconds < LIGHT_SECONDS

    def runs(self, node: Node) -> bool:
        """Whether the cell runs at all in a flow run."""
        return node.cell.kind not in (CellKind.SKIP, CellKind.FLOW) and bool(
            node.cell.source.strip()
        )


_DEFAULT_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Facts:
    """What an attempt was seen to do, as far as other cells are concerned."""

    ok: bool = True
    shipped: bool = False  # its changes are in a blob, to be applied elsewhere
    unshippable: str = ""
    held: bool = False  # unshippable, and its process still holds what it changed
    writes: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    ambient: frozenset[str] = frozenset()
    files_read: frozenset[str] = frozenset()
    files_written: frozenset[str] = frozenset()
    acted: str = ""
    missing: str = ""  # the name of a NameError
    error: str = ""  # "KeyError: 'month'"
    exits: bool = False  # SystemExit(0): the notebook ends here, well
    crashed: bool = False
    timed_out: bool = False
