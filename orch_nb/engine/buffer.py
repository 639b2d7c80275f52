"""The reorder buffer: the cells in document order, their phases, and what follows from those.

The sets of running, started and ready cells are kept in step with every change of phase, so
that one event costs no more in a notebook of ten thousand cells than in one of ten.
"""

from __future__ import annotations

import enum
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from orch_nb.engine.plan import Facts, Plan
from orch_nb.graph.model import Node


class Phase(enum.Enum):
    """Where a cell stands in the run."""

    WAITING = enum.auto()
    DELAYED = enum.auto()  # before its next attempt
    PAUSED = enum.auto()  # before it runs, until somebody answers its question
    QUEUED = enum.auto()  # waits for a place in a limit
    RUNNING = enum.auto()
    ENDED = enum.auto()  # well, not yet retired
    SUSPECT = enum.auto()  # badly; final when its turn comes and its inputs prove true
    RETIRED = enum.auto()
    FAILED = enum.auto()  # final; dependents do not run
    PASSED = enum.auto()  # does not run: skipped, upstream failed, cancelled


FINAL = frozenset({Phase.RETIRED, Phase.FAILED, Phase.PASSED})
STARTED = frozenset({Phase.RUNNING, Phase.ENDED, Phase.SUSPECT})


@dataclass(slots=True, eq=False)
class Slot:
    """One cell in the buffer. ``phase`` is changed by ``Buffer.move`` only."""

    node: Node
    position: int
    needs: set[int]
    phase: Phase = Phase.WAITING
    attempt: int = 0
    failures: int = 0
    at_home: bool = False  # this attempt runs in the home process
    base: int = 0  # when it started, all cells before this position were final
    view: frozenset[int] = frozenset()  # unretired cells whose changes it sees
    hidden: frozenset[str] = frozenset()
    asks: str = ""  # the effect it waits to be permitted
    allowed: bool = False
    facts: Facts = field(default_factory=Facts)
    home_reason: str = ""
    known: bool = False  # its outcome was there before the run began

    @property
    def number(self) -> int:
        """The cell's number."""
        return self.node.cell.number

    @property
    def label(self) -> str:
        """How messages name the cell."""
        return self.node.cell.label

    @property
    def waits(self) -> bool:
        """Whether the attempt waits for permission to act."""
        return bool(self.asks) and not self.allowed

    @property
    def gives(self) -> bool:
        """Whether what the cell made can be handed to another."""
        if self.phase is Phase.ENDED:
            return not self.facts.held
        return self.phase in (Phase.RETIRED, Phase.PASSED)


class Buffer:
    """The slots of one run."""

    def __init__(self, plan: Plan) -> None:
        needs = plan.graph.predecessors
        self.slots = [
            Slot(
                node,
                position,
                set(needs.get(node.cell.number, ())),
                home_reason=plan.at_home.get(node.cell.number, ""),
                failures=plan.failures.get(node.cell.number, 0),
            )
            for position, node in enumerate(plan.graph.nodes)
        ]
        self.head = 0  # the position of the first slot that is not final
        self.failed_at: int | None = None  # the position of the first slot that has failed
        self._position = {slot.number: slot.position for slot in self.slots}
        self._phases: dict[Phase, set[int]] = {phase: set() for phase in Phase}
        self._phases[Phase.WAITING] = set(range(len(self.slots)))
        self._dependents: dict[int, list[int]] = {}
        for slot in self.slots:
            for number in slot.needs:
                self._dependents.setdefault(number, []).append(slot.position)
        self._gave = [False] * len(self.slots)
        self._missing = [len(slot.needs) for slot in self.slots]
        # sorted, since an event wants the first of perhaps all cells
        self._ready = [p for p, missing in enumerate(self._missing) if not missing]

    def slot(self, number: int) -> Slot:
        """The slot of a cell number."""
        return self.slots[self._position[number]]

    def move(self, slot: Slot, phase: Phase) -> None:
        """Change a slot's phase."""
        gave = self._gave[slot.position]
        self._phases[slot.phase].discard(slot.position)
        slot.phase = phase
        self._phases[phase].add(slot.position)
        if phase is Phase.FAILED and (self.failed_at is None or slot.position < self.failed_at):
            self.failed_at = slot.position
        if slot.gives is not gave:
            self._gave[slot.position] = not gave
            change = 1 if gave else -1
            for position in self._dependents.get(slot.number, ()):
                self._missing[position] += change
                self._settle(position)
        self._settle(slot.position)

    def add_need(self, slot: Slot, number: int) -> None:
        """The slot's cell depends on a further one."""
        if number in slot.needs:
            return
        slot.needs.add(number)
        self._dependents.setdefault(number, []).append(slot.position)
        if not self.slot(number).gives:
            self._missing[slot.position] += 1
        self._settle(slot.position)

    def _settle(self, position: int) -> None:
        waiting = self.slots[position].phase is Phase.WAITING
        ready = waiting and not self._missing[position]
        at = bisect_left(self._ready, position)
        if (at < len(self._ready) and self._ready[at] == position) is not ready:
            if ready:
                self._ready.insert(at, position)
            else:
                del self._ready[at]

    def ready(self) -> Iterator[Slot]:
        """Cells that may start, in document order; they may be moved meanwhile."""
        at = 0
        while at < len(self._ready):
            position = self._ready[at]
            yield self.slots[position]
            at = bisect_right(self._ready, position)

    @property
    def are_several_ready(self) -> bool:
        """Whether more than one cell may start."""
        return len(self._ready) > 1

    def is_ready(self, slot: Slot) -> bool:
        """Whether a cell may start."""
        return slot.phase is Phase.WAITING and not self._missing[slot.position]

    def running(self) -> list[Slot]:
        """Cells that run, in document order."""
        return [self.slots[position] for position in sorted(self._phases[Phase.RUNNING])]

    def started(self, after: int = -1) -> Iterator[Slot]:
        """Cells that run, or have ended and are not final, below a position, in document order."""
        found = [p for phase in STARTED for p in self._phases[phase] if p > after]
        return (self.slots[position] for position in sorted(found))

    def unretired(self, before: int) -> list[Slot]:
        """Ended cells whose changes home does not hold yet, above a position."""
        return [
            self.slots[position]
            for position in sorted(self._phases[Phase.ENDED])
            if position < before
        ]

    def after(self, slot: Slot) -> Iterator[Slot]:
        """All cells below a slot."""
        return (self.slots[p] for p in range(slot.position + 1, len(self.slots)))

    def between(self, earlier: Slot, later: Slot) -> list[Slot]:
        """The cells between two slots."""
        return self.slots[earlier.position + 1 : later.position]

    @property
    def is_busy(self) -> bool:
        """Whether anything runs, or waits for something outside of the run."""
        waits = self._phases[Phase.DELAYED] or self._phases[Phase.QUEUED]
        return bool(self._phases[Phase.RUNNING] or waits)

    @property
    def is_paused(self) -> bool:
        """Whether any cell waits for an answer."""
        return bool(self._phases[Phase.PAUSED])

    @property
    def is_done(self) -> bool:
        """Whether every cell is final."""
        return self.head == len(self.slots)
