"""Which cells may start now, by this machine's resources and by limits that runs share: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orch_nb.amounts import format_amount
from orch_nb.engine.buffer import Buffer, Phase, Slot
from orch_nb.engine.messages import Acquire, Admitted, Command, NotAdmitted, Note, Release
from orch_nb.engine.placing import acts_in_order
from orch_nb.engine.plan import Plan
from orch_nb.states import StateName

Pairs = Iterable[tuple[str, float]]

_SLACK = 1e-9  # sums of decimal fractions are not exact


def find_shortage(
    budget: Mapping[str, float], taken: Iterable[Pairs], wanted: Pairs
) -> tuple[str, float] | None:
    """The first resource of which less is left than ``wanted``, and how much of it is taken."""
    sums: dict[str, float] = {}
    for pairs in taken:
        for name, amount in pairs:
            sums[name] = sums.get(name, 0.0) + amount
    for name, amount in wanted:
        used = sums.get(name, 0.0)
        if used + amount > budget.get(name, 0.0) * (1 + _SLACK):
            return name, used
    return None


class Admission:
    """What the cells of one run hold, and wait for.

    Resources are counted here. Places in limits are asked for (`Acquire`) when nothing else keeps
    the cell from starting, all that it uses at once, and given back (`Release`) when its attempt
    ends; a cell that waits for one is in phase QUEUED.
    """

    def __init__(self, plan: Plan, buffer: Buffer) -> None:
        self._plan = plan
        self._buffer = buffer
        self._asked: set[int] = set()
        self._granted: set[int] = set()  # and not started yet
        self._held: dict[int, int] = {}  # the attempt that holds the places, by cell
        self._told: dict[int, str] = {}

    def ask(self, slot: Slot) -> tuple[bool, list[Command]]:
        """Whether the cell may start at once, which it then must, and what is to be done."""
        policy = self._plan.policy(slot.number)
        if not policy.uses and not policy.resources:
            return True, []
        if slot.position != self._buffer.head and acts_in_order(slot):
            # It would wait for its turn to act, holding what an earlier cell may need.
            return False, self._wait(slot, "waits for its turn: it holds limits or resources")
        running = self._buffer.running()
        taken = [self._plan.policy(other.number).resources for other in running]
        short = find_shortage(self._plan.resources, taken, policy.resources)
        if short is not None:
            name, used = short
            has = format_amount(self._plan.resources.get(name, 0.0))
            words = f"waits for {name}: {format_amount(used)} of {has} taken"
            return False, self._wait(slot, words)
        if policy.uses and slot.number not in self._granted:
            self._buffer.move(slot, Phase.QUEUED)
            self._asked.add(slot.number)
            return False, [Acquire(slot.number, policy.uses)]
        if policy.uses:
            self._granted.discard(slot.number)
            self._held[slot.number] = slot.attempt + 1
        self._told.pop(slot.number, None)
        return True, []

    def hear(self, event: Admitted | NotAdmitted) -> list[Command]:
        """Take in the answer to Acquire."""
        slot = self._buffer.slot(event.cell)
        if slot.number not in self._asked:
            return [Release(slot.number)] if isinstance(event, Admitted) else []
        if isinstance(event, NotAdmitted):
            return self._wait(slot, event.reason)
        self._asked.discard(slot.number)
        self._granted.add(slot.number)
        self._buffer.move(slot, Phase.WAITING)
        return []

    def sweep(self) -> list[Command]:
        """Give back what cells hold, or have asked for, that do not run and will not now."""
        over = [n for n in self._asked if self._buffer.slot(n).phase is not Phase.QUEUED]
        over += [n for n in self._granted if not self._buffer.is_ready(self._buffer.slot(n))]
        for number, attempt in self._held.items():
            slot = self._buffer.slot(number)
            if slot.phase is not Phase.RUNNING or slot.attempt != attempt:
                over.append(number)
        for number in over:
            self._asked.discard(number)
            self._granted.discard(number)
            self._held.pop(number, None)
        return [Release(number) for number in sorted(over)]

    def _wait(self, slot: Slot, reason: str) -> list[Command]:
        if self._told.get(slot.number) == reason:
            return []
        self._told[slot.number] = reason
        return [Note(slot.number, StateName.SCHEDULED, reason, slot.failures + 1)]
