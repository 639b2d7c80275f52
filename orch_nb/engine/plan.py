"""What the core is told about a run before it begins: frozen, plain, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orch_nb.graph.model import FlowGraph, Node
from orch_nb.model import CellKind

LIGHT_SECONDS = 0.05  # below this a cell is cheaper to run in place than to fork for


@dataclass(frozen=True, slots=True)
class Facts:
    """What an attempt was seen to do, as far as other cells are concerned."""

    ok: bool = True
    shipped: bool = False  # its changes are in a blob, to be applied elsewhere
    unshippable: str = ""
    held: bool = False  # unshippable, and its process still holds what it changed
    writes: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    refs: frozenset[str] = frozenset()  # names of whose objects its changes speak
    ambient: frozenset[str] = frozenset()
    files_read: frozenset[str] = frozenset()
    files_written: frozenset[str] = frozenset()
    acted: str = ""
    missing: str = ""  # the name of a NameError
    error: str = ""  # "KeyError: 'month'"
    error_types: tuple[str, ...] = ()  # its class and bases, as `execution.outputs` names them
    exits: bool = False  # SystemExit(0): the notebook ends here, well
    crashed: bool = False
    timed_out: bool = False
    cached: bool = False  # not run: an earlier outcome of equal work was taken
    present: bool = False  # not run: home has held what it makes from the start
    why: str = ""  # why it need not run, in words


@dataclass(frozen=True, slots=True)
class Policy:
    """How one cell may fail, and what it takes to start. ``delays`` has one entry for each retry,
    in seconds; ``retry_on`` the errors that are worth one (see `engine.retry`)."""

    delays: tuple[float, ...] = ()
    timeout: float | None = None
    may_fail: bool = False  # its error is kept as output and the run goes on
    retry_on: tuple[str, ...] = ()
    uses: tuple[tuple[str, int], ...] = ()  # places in limits that all runs share
    resources: tuple[tuple[str, float], ...] = ()  # of the plan's
    question: str | None = None  # to be answered before the cell runs


@dataclass(frozen=True, slots=True)
class Plan:
    """The graph to run and the rules of the run.

    ``expected`` has seconds learned from earlier runs, ``at_home`` the cells that are known to
    need the home process, each with the reason in words. ``known`` are cells whose outcome is
    there already, each with what it was seen to do; their changes are applied to home where the
    facts say ``shipped``, and home is never asked for the others'. The known outcomes stand for
    what all of the ``trusted`` cells do in this run, too. ``foreseen`` are facts of trusted cells
    that run once more, for their values: what was seen the last time. ``cacheable`` are cells
    whose changes are wanted as a blob wherever they run, ``watched`` those to be observed.
    ``aside`` says of skipped cells why they are, where it is not for their tag. ``failures`` are
    attempts that have failed before this plan was made, in the same attempt of the run.
    """

    graph: FlowGraph
    workers: int
    overlap: bool = True  # False: one cell after the other, in document order
    fail_fast: bool = False
    keep_all: bool = False  # what plain cells make at home, too, is kept at any price
    policies: Mapping[int, Policy] = field(default_factory=dict)
    expected: Mapping[int, float] = field(default_factory=dict)
    at_home: Mapping[int, str] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)  # that this machine has
    known: Mapping[int, Facts] = field(default_factory=dict)
    trusted: frozenset[int] = frozenset()
    foreseen: Mapping[int, Facts] = field(default_factory=dict)
    cacheable: frozenset[int] = frozenset()
    watched: frozenset[int] = frozenset()
    aside: Mapping[int, str] = field(default_factory=dict)
    failures: Mapping[int, int] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to run, and nothing to apply."""
        return all(
            (facts := self.known.get(node.cell.number)) is not None and not facts.shipped
            for node in self.graph.nodes
            if self.runs(node)
        )

    @property
    def tries(self) -> dict[int, int]:
        """How many attempts each cell may take, by its number."""
        return {
            node.cell.number: len(self.policy(node.cell.number).delays) + 1
            for node in self.graph.nodes
        }

    def policy(self, number: int) -> Policy:
        """The policy of a cell."""
        return self.policies.get(number, _DEFAULT_POLICY)

    def is_light(self, node: Node) -> bool:
        """Whether the cell is expected to take less time than a fork costs."""
        seconds = self.expected.get(node.cell.number)
        return node.light if seconds is None else seconds < LIGHT_SECONDS

    def is_worth_keeping(self, node: Node) -> bool:
        """Whether what a plain cell makes at home may be worth keeping for a resume."""
        seconds = self.expected.get(node.cell.number)
        short = node.light if seconds is None else seconds < LIGHT_SECONDS
        return self.keep_all or not (short or node.imports_only)

    def runs(self, node: Node) -> bool:
        """Whether the cell runs at all in a flow run."""
        return node.cell.kind not in (CellKind.SKIP, CellKind.FLOW) and bool(
            node.cell.source.strip()
        )


_DEFAULT_POLICY = Policy()
