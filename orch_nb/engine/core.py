"""Decide what happens next: cells start out of order and retire in document order.

Pure: it does no I/O and knows no clock. ``Core.handle(event)`` returns the commands that
follow. The model is that of a processor's reorder buffer:

- a cell starts when the cells it depends on have ended; it sees the home process's values, the
  changes of ended cells it depends on, and none of the names that unended cells may write;
- cells retire in document order: their changes are applied to the home process, so that home
  always holds what a serial run would hold at that point;
- when a cell ends, what it was *seen* to change is compared with what later cells that started
  without it may have read; those that are stale are dropped and run again.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from orch_nb.engine.messages import (
    Answer,
    Begin,
    CancelAsked,
    Command,
    Drop,
    EffectAsked,
    Ended,
    Event,
    Finish,
    Fork,
    HomeLost,
    Learn,
    Note,
    Promote,
    Retire,
    Retired,
    RetryDue,
    RunAtHome,
    Wait,
)
from orch_nb.engine.plan import Facts, Plan
from orch_nb.engine.staleness import why_stale
from orch_nb.graph.model import Node
from orch_nb.model import CellKind
from orch_nb.states import StateName


class Phase(enum.Enum):
    """Where a cell stands in the run."""

    WAITING = enum.auto()
    DELAYED = enum.auto()  # before its next attempt
    RUNNING = enum.auto()
    ENDED = enum.auto()  # well, not yet retired
    SUSPECT = enum.auto()  # badly; final when its turn comes and its inputs prove true
    RETIRED = enum.auto()
    FAILED = enum.auto()  # final; dependents do not run
    PASSED = enum.auto()  # does not run: skipped, upstream failed, cancelled


FINAL = frozenset({Phase.RETIRED, Phase.FAILED, Phase.PASSED})
_STARTED = frozenset({Phase.RUNNING, Phase.ENDED, Phase.SUSPECT})


@dataclass(slots=True)
class Slot:
    """One cell in the buffer."""

    node: Node
    needs: set[int]
    phase: Phase = Phase.WAITING
    attempt: int = 0
    failures: int = 0
    at_home: bool = False  # this attempt runs in the home process
    base: int = 0  # when it started, all cells before this index were final
    view: frozenset[int] = frozenset()  # unretired cells whose changes it was given
    hidden: frozenset[str] = frozenset()
    asks: str = ""
    allowed: bool = False
    facts: Facts = field(default_factory=Facts)
    home_reason: str = ""

    @property
    def waits(self) -> bool:
        """Whether the attempt waits for permission to act."""
        return bool(self.asks) and not self.allowed


class Core:
    """The state of one flow run. ``handle`` is the only way in."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.slots = [
            Slot(node, set(plan.graph.predecessors.get(node.cell.number, ())))
            for node in plan.graph.nodes
        ]
        self._index = {slot.node.cell.number: i for i, slot in enumerate(self.slots)}
        for slot in self.slots:
            slot.home_reason = plan.at_home.get(slot.node.cell.number, "")
        self._head = 0  # the first slot that is not final
        self._retiring = False
        self._begun = False
        self._over = False
        self._failed = False  # some cell has failed for good
        self._cancel: CancelAsked | None = None
        self._commands: list[Command] = []

    def slot(self, cell: int) -> Slot:
        """The slot of a cell number."""
        return self.slots[self._index[cell]]

    def handle(self, event: Event) -> list[Command]:
        """Take in one event; return what is to be done, in this order."""
        self._commands = []
        if self._over:
            return []
        match event:
            case Begin():
                self._begin()
            case Ended():
                self._ended(event)
            case Retired():
                self._retired(event)
            case EffectAsked():
                self._asked(event)
            case RetryDue():
                self._retry_due(event)
            case CancelAsked():
                self._cancel_asked(event)
            case HomeLost():
                self._home_lost(event)
        while not self._over and self._advance():
            continue  # cells were passed over: others may have their turn now
        if self._begun and not self._over and not self._is_busy():
            raise RuntimeError(f"nothing runs, and {self.slots[self._head].node.cell.label} waits")
        return self._commands

    def _is_busy(self) -> bool:
        busy = (Phase.RUNNING, Phase.DELAYED)
        return self._retiring or any(slot.phase in busy for slot in self._open())

    # -- events

    def _begin(self) -> None:
        self._begun = True
        for slot in self.slots:
            if not self.plan.runs(slot.node):
                slot.phase = Phase.PASSED
                if slot.node.cell.kind is CellKind.SKIP:
                    self._note(slot, StateName.SKIPPED, "tagged skip")

    def _ended(self, event: Ended) -> None:
        slot = self.slot(event.cell)
        if slot.phase is not Phase.RUNNING or slot.attempt != event.attempt:
            return  # an attempt that was dropped
        slot.asks = ""
        facts = event.facts
        if self._cancel is not None:
            self._stop(slot)
        elif facts.unshippable and not facts.held and not slot.at_home:
            self._bring_home(slot, facts.unshippable)
        elif facts.missing and facts.missing in slot.hidden:
            self._reread(slot, facts.missing)
        else:
            slot.facts = facts
            if facts.ok:
                slot.phase = Phase.ENDED
                self._note(slot, StateName.COMPLETED)
                self._drop_stale_readers(slot)
            elif self._may_retry(slot):
                self._delay(slot)
            else:
                slot.phase = Phase.SUSPECT
            if slot.phase in (Phase.ENDED, Phase.SUSPECT) and not facts.exits:
                self._drop_if_stale(slot)

    def _retired(self, event: Retired) -> None:
        self._retiring = False
        slot = self.slot(event.cell)
        if event.reason:
            self._bring_home(slot, event.reason)
        else:
            slot.phase = Phase.RETIRED

    def _asked(self, event: EffectAsked) -> None:
        slot = self.slot(event.cell)
        if slot.phase is Phase.RUNNING and slot.attempt == event.attempt:
            slot.asks = event.words

    def _retry_due(self, event: RetryDue) -> None:
        slot = self.slot(event.cell)
        if slot.phase is Phase.DELAYED:
            slot.phase = Phase.WAITING

    def _cancel_asked(self, event: CancelAsked) -> None:
        if self._cancel is not None:
            return
        self._cancel = event
        for slot in self.slots:
            if slot.phase is Phase.RUNNING:
                self._commands.append(Drop(slot.node.cell.number, slot.attempt))
                if not slot.at_home:
                    self._stop(slot)
            elif slot.phase in (Phase.WAITING, Phase.DELAYED, Phase.SUSPECT):
                self._stop(slot)

    def _stop(self, slot: Slot) -> None:
        slot.phase = Phase.PASSED
        self._note(slot, StateName.CANCELLED, self._cancel.reason if self._cancel else "")

    def _home_lost(self, event: HomeLost) -> None:
        for slot in self.slots:
            if slot.phase is Phase.RUNNING and slot.at_home and self._cancel is None:
                self._note(slot, StateName.CRASHED, event.reason)
            elif slot.phase not in FINAL and slot.phase is not Phase.ENDED:
                self._note(slot, StateName.CANCELLED, "the run's process is gone")
        if self._cancel is not None:
            self._finish(self._cancel.state, self._cancel.reason)
        else:
            self._finish(StateName.CRASHED, event.reason)

    # -- what ends mean

    def _may_retry(self, slot: Slot) -> bool:
        delays = self.plan.policy(slot.node.cell.number).delays
        return slot.failures < len(delays) and not slot.facts.exits

    def _delay(self, slot: Slot) -> None:
        delays = self.plan.policy(slot.node.cell.number).delays
        seconds = delays[slot.failures]
        slot.failures += 1
        slot.phase = Phase.DELAYED
        self._note(slot, StateName.AWAITING_RETRY, slot.facts.error)
        self._commands.append(Wait(slot.node.cell.number, seconds))

    def _bring_home(self, slot: Slot, reason: str) -> None:
        """The cell's changes can't leave their process: run it in the home process."""
        slot.home_reason = reason
        self._commands.append(Learn(slot.node.cell.number, 0, (), reason))
        self._again(slot, f"runs again in the flow's own process: {reason}")

    def _reread(self, slot: Slot, name: str) -> None:
        """The cell asked for a name that an unended earlier cell may write."""
        number = slot.node.cell.number
        for earlier in reversed(self.slots[: self._index[number]]):
            if name in earlier.node.writes and earlier.phase not in FINAL:
                self._learn(earlier, slot, (name,), f"reads '{name}'")
                break
        self._again(slot, f"runs again: it reads '{name}'")

    def _drop_stale_readers(self, slot: Slot) -> None:
        """Later cells that started without what this one was seen to change."""
        position = self._index[slot.node.cell.number]
        for i in range(position + 1, len(self.slots)):
            later = self.slots[i]
            if later.phase in _STARTED:
                self._compare(slot, later)

    def _drop_if_stale(self, slot: Slot) -> None:
        """Earlier cells that ended after this one had started, without being seen by it."""
        position = self._index[slot.node.cell.number]
        for i in range(slot.base, position):
            earlier = self.slots[i]
            if earlier.phase in (Phase.ENDED, Phase.RETIRED):
                self._compare(earlier, slot)
                if slot.phase not in _STARTED:
                    return

    def _compare(self, earlier: Slot, later: Slot) -> None:
        first, second = self._index[earlier.node.cell.number], self._index[later.node.cell.number]
        if first < later.base or earlier.node.cell.number in later.view or later.at_home:
            return
        between = [self.slots[i] for i in range(first + 1, second)]
        rebound = frozenset[str]().union(
            *(s.node.binds for s in between if s.node.cell.number in later.view)
        )
        stale = why_stale(earlier.node, earlier.facts, later.node, later.facts, rebound)
        if stale is None:
            return
        names, reason = stale
        self._learn(earlier, later, names, reason)
        if later.node.cell.kind is CellKind.TASK and later.facts.acted:
            self._fail_for_good(
                later,
                f"{earlier.node.cell.label} changed {', '.join(names)} after this task had used it "
                f"and acted ({later.facts.acted}); add --needs {earlier.node.cell.name}",
            )
            return
        self._again(later, f"runs again: {reason}")

    def _learn(self, earlier: Slot, later: Slot, names: tuple[str, ...], reason: str) -> None:
        source, target = earlier.node.cell.number, later.node.cell.number
        later.needs.add(source)
        self._commands.append(Learn(source, target, names, reason))

    def _again(self, slot: Slot, reason: str) -> None:
        """Forget what the cell did, and what was built on it, and let it start anew."""
        if self._cancel is not None:
            slot.phase = Phase.PASSED  # nothing starts any more
            return
        number = slot.node.cell.number
        if slot.phase is Phase.RUNNING:
            self._commands.append(Drop(number, slot.attempt))
        for later in self.slots[self._index[number] + 1 :]:
            if later.phase in _STARTED and number in later.view:
                self._again(later, f"runs again: {slot.node.cell.label} does")
        state = StateName.RESUMING if slot.phase is Phase.ENDED else StateName.SCHEDULED
        slot.phase = Phase.WAITING
        slot.asks, slot.allowed, slot.facts = "", False, Facts()
        self._note(slot, state, reason)

    def _fail_for_good(self, slot: Slot, message: str) -> None:
        facts = slot.facts
        slot.phase = Phase.FAILED
        self._failed = True
        if facts.timed_out:
            state = StateName.TIMED_OUT
        elif facts.crashed:
            state = StateName.CRASHED
        else:
            state = StateName.FAILED
        self._note(slot, state, message)
        self._lose_dependents(slot)
        if self.plan.fail_fast:
            self._cancel_asked(CancelAsked(f"{slot.node.cell.label} failed", StateName.FAILED))

    def _lose_dependents(self, slot: Slot) -> None:
        """What needs a cell that failed, or was not reached, does not run."""
        lost = {slot.node.cell.number}
        for later in self.slots[self._index[slot.node.cell.number] + 1 :]:
            if later.phase in FINAL or not lost & later.needs:
                continue
            cause = self.slot(min(lost & later.needs)).node.cell.label
            self._pass(later, f"needs {cause}")
            lost.add(later.node.cell.number)

    def _pass(self, slot: Slot, reason: str) -> None:
        """Serial would not have reached this cell."""
        if slot.phase is Phase.RUNNING:
            self._commands.append(Drop(slot.node.cell.number, slot.attempt))
        slot.phase = Phase.PASSED
        self._note(slot, StateName.UPSTREAM_FAILED, reason)

    # -- going on

    def _advance(self) -> bool:
        """Retire, answer and start what can be; tell whether cells were passed over meanwhile."""
        while self._head < len(self.slots) and not self._retiring:
            slot = self.slots[self._head]
            if slot.phase in FINAL:
                self._head += 1
            elif slot.phase is Phase.ENDED and slot.facts.exits:
                self._exit(slot)
            elif slot.phase is Phase.ENDED and slot.facts.held:
                self._promote(slot)
            elif slot.phase is Phase.ENDED and (slot.at_home or not slot.facts.shipped):
                slot.phase = Phase.RETIRED
            elif slot.phase is Phase.ENDED:
                self._retiring = True
                self._commands.append(Retire(slot.node.cell.number))
            elif slot.phase is Phase.SUSPECT:
                self._fail_for_good(slot, slot.facts.error)
            else:
                break
        if self._head == len(self.slots):
            self._conclude()
        elif self._begun and self._cancel is None:
            passed = self._count_passed()
            self._answer()
            self._dispatch()
            return self._count_passed() > passed
        return False

    def _promote(self, slot: Slot) -> None:
        """The process that holds what can't be shipped becomes home, if it can catch up."""
        missed = self._missed(slot)
        if missed is None:
            self._bring_home(slot, slot.facts.unshippable)
            return
        self._retiring = True
        apply = tuple((number, self._rebound_since(number, slot)) for number in missed)
        self._commands.append(Promote(slot.node.cell.number, slot.attempt, apply))

    def _rebound_since(self, missed: int, slot: Slot) -> tuple[str, ...]:
        """Names that the slot's process has from cells below the missed one."""
        later = [self.slot(n) for n in slot.view if self._index[n] > self._index[missed]]
        if self._index[missed] < self._index[slot.node.cell.number]:
            later.append(slot)
        return tuple(sorted(frozenset[str]().union(*(s.facts.writes for s in later))))

    def _missed(self, slot: Slot) -> tuple[int, ...] | None:
        """The cells that home took over since a fork was made; None if not all were shipped."""
        missed = [
            other
            for other in self.slots[slot.base :]
            if (other.phase is Phase.RETIRED or (other.at_home and other.phase is Phase.ENDED))
            and other.node.cell.number not in slot.view
        ]
        if not all(other.facts.shipped for other in missed):
            return None
        return tuple(other.node.cell.number for other in missed)

    def _count_passed(self) -> int:
        return sum(slot.phase is Phase.PASSED for slot in self._open())

    def _exit(self, slot: Slot) -> None:
        """The notebook ended itself: nothing after this cell is reached."""
        slot.phase = Phase.RETIRED
        for later in self.slots[self._index[slot.node.cell.number] + 1 :]:
            if later.phase is Phase.RUNNING:
                self._commands.append(Drop(later.node.cell.number, later.attempt))
            if later.phase not in FINAL:
                ended = later.phase is Phase.ENDED
                later.phase = Phase.PASSED
                if ended:
                    self._note(later, StateName.RESUMING, "not reached")
                self._note(later, StateName.SKIPPED, f"{slot.node.cell.label} ended the notebook")

    def _answer(self) -> None:
        """Let the cell whose turn it is act; tell those that serial would not reach to end."""
        for i in range(self._head, len(self.slots)):
            slot = self.slots[i]
            if slot.phase is not Phase.RUNNING or not slot.waits:
                continue
            number = slot.node.cell.number
            failed = any(s.phase is Phase.FAILED for s in self.slots[: min(i, self._head)])
            if failed:
                self._commands.append(Answer(number, slot.attempt, ok=False))
                slot.phase = Phase.WAITING  # its process ends by itself
                self._pass(slot, f"it {slot.asks}, and an earlier cell failed")
                self._lose_dependents(slot)
            elif i == self._head and self._missed(slot) is None:
                # Once it has acted it can't be run again: were its values unshippable, its
                # process would have to become home, and could not.
                self._again(slot, f"runs again before it {slot.asks}")
            elif i == self._head:
                slot.allowed = True
                self._commands.append(Answer(number, slot.attempt, ok=True))

    def _dispatch(self) -> None:
        if self._retiring or any(s.phase is Phase.RUNNING and s.at_home for s in self._open()):
            return  # home obeys in order: whatever is sent now would wait
        # One that waits for permission uses no worker: else the cell it waits for may get none.
        running = sum(s.phase is Phase.RUNNING and not s.waits for s in self._open())
        ready = [slot for slot in self._open() if self._is_ready(slot)]
        for slot in ready:
            is_head = slot is self.slots[self._head]
            if not self.plan.overlap and not is_head:
                return
            others = running or len(ready) > 1
            why = self._why_at_home(slot, is_head=is_head, others=bool(others))
            if why is None:
                continue  # must wait for its turn at home
            if why:
                if self._failed and why != "imports":
                    # at home nothing holds back what it may do to the outside
                    self._pass(
                        slot, "it runs in the flow's own process, and an earlier cell failed"
                    )
                    self._lose_dependents(slot)
                    continue
                if slot.node.alone and running:
                    continue  # nothing may run beside it
                self._start_at_home(slot, why)
                return
            if running >= self.plan.workers:
                return
            self._start_fork(slot)
            running += 1
            if slot.node.alone:
                return

    def _open(self) -> Iterator[Slot]:
        for i in range(self._head, len(self.slots)):
            yield self.slots[i]

    def _is_ready(self, slot: Slot) -> bool:
        return slot.phase is Phase.WAITING and all(
            self._is_given(self.slot(number)) for number in slot.needs
        )

    @staticmethod
    def _is_given(slot: Slot) -> bool:
        """Whether what the cell made can be handed to another."""
        if slot.phase is Phase.ENDED:
            return not slot.facts.held
        return slot.phase in (Phase.RETIRED, Phase.PASSED)

    def _why_at_home(self, slot: Slot, *, is_head: bool, others: bool) -> str | None:
        """Why the cell runs at home; "" to fork it; None when it has to wait for its turn."""
        node = slot.node
        if node.imports_only and not node.barrier:
            return "imports"
        reason = slot.home_reason or node.barrier
        if node.cell.kind in (CellKind.PARAMETERS, CellKind.INJECTED, CellKind.SETUP):
            reason = reason or f"{node.cell.kind} cell"
        if node.alone:
            reason = reason or "runs alone"
        if reason:
            return reason if is_head else None
        policy = self.plan.policy(node.cell.number)
        if node.cell.kind is CellKind.TASK or policy.timeout is not None or policy.delays:
            return ""
        if not is_head or self._failed:
            return ""
        if not self.plan.overlap:
            return "one after the other"
        if self.plan.is_light(node):
            return "light"
        return "" if others else "nothing else could run beside it"

    def _start_at_home(self, slot: Slot, why: str) -> None:
        number = slot.node.cell.number
        self._start(slot, at_home=True)
        observe = any(s.phase in _STARTED and s is not slot for s in self._open())
        # Shipped as well where another process may have to catch up with home (see _promote).
        ship = observe or slot.node.cell.kind is CellKind.TASK
        self._commands.append(RunAtHome(number, slot.attempt, observe=ship, ship=ship, why=why))

    def _start_fork(self, slot: Slot) -> None:
        position = self._index[slot.node.cell.number]
        view: set[int] = set()
        todo = list(slot.needs)
        unretired = {
            s.node.cell.number: s
            for s in self.slots[self._head : position]
            if s.phase is Phase.ENDED and s.facts.shipped and not s.at_home
        }
        # Seen to write what this one may read, though no edge says so.
        todo += [
            number
            for number, s in unretired.items()
            if s.facts.writes & slot.node.reads or s.facts.ambient & slot.node.ambient_reads
        ]
        while todo:
            number = todo.pop()
            if number in unretired and number not in view:
                view.add(number)
                todo += self.slot(number).needs
                todo += self.slot(number).view
        slot.hidden = self._names_to_hide(position, view)
        slot.view = frozenset(view)
        self._start(slot, at_home=False)
        self._commands.append(
            Fork(
                slot.node.cell.number,
                slot.attempt,
                apply=tuple(sorted(view, key=self._index.__getitem__)),
                hide=tuple(sorted(slot.hidden)),
                in_order=self._acts_in_order(slot),
            )
        )

    def _names_to_hide(self, position: int, view: set[int]) -> frozenset[str]:
        """Names whose nearest earlier writer has not ended, or that only later cells bind."""
        nearest: dict[str, bool] = {}  # name → its nearest earlier writer is not in view
        for slot in self.slots[self._head : position]:
            if slot.phase is Phase.PASSED:
                continue
            seen = slot.node.cell.number in view or slot.phase is Phase.RETIRED
            names = slot.facts.writes if seen else slot.node.writes
            if seen:
                nearest.update(dict.fromkeys(names, False))
            else:
                nearest.update(dict.fromkeys(names | slot.facts.writes, True))
        hidden = {name for name, hide in nearest.items() if hide}
        for slot in self.slots[position + 1 :]:
            if slot.phase in (Phase.ENDED, Phase.RETIRED) and slot.at_home:  # imported at once
                hidden |= slot.node.binds - nearest.keys() - self._bound_before(position)
        return frozenset(hidden)

    def _bound_before(self, position: int) -> frozenset[str]:
        return frozenset[str]().union(
            *(s.node.writes for s in self.slots[:position] if s.phase is Phase.RETIRED)
        )

    def _start(self, slot: Slot, *, at_home: bool) -> None:
        slot.phase = Phase.RUNNING
        slot.attempt += 1
        slot.at_home = at_home
        slot.base = self._head
        slot.asks, slot.allowed, slot.facts = "", False, Facts()
        if at_home:
            slot.view, slot.hidden = frozenset(), frozenset()
        retry = slot.failures > 0
        self._note(slot, StateName.RETRYING if retry else StateName.RUNNING)

    def _acts_in_order(self, slot: Slot) -> bool:
        options = slot.node.cell.options
        if slot.node.cell.kind is CellKind.TASK:
            return options.in_order
        return not options.independent

    # -- the end

    def _conclude(self) -> None:
        if self._cancel is not None:
            self._finish(self._cancel.state, self._cancel.reason)
            return
        failed = next((s for s in self.slots if s.phase is Phase.FAILED), None)
        if failed is None:
            self._finish(StateName.COMPLETED)
            return
        label, error = failed.node.cell.label, failed.facts.error
        crashed = failed.facts.crashed
        self._finish(StateName.CRASHED if crashed else StateName.FAILED, f"{label}: {error}")

    def _finish(self, state: StateName, message: str = "") -> None:
        self._over = True
        self._commands.append(Finish(state, message))

    def _note(self, slot: Slot, state: StateName, message: str = "") -> None:
        attempt = (
            max(slot.failures + 1, 1) if state is not StateName.AWAITING_RETRY else (slot.failures)
        )
        self._commands.append(Note(slot.node.cell.number, state, message, attempt))
