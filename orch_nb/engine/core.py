"""Decide what happens next: cells start out of order and retire in document order.

Pure: it does no I/O and knows no clock. ``Core.handle(event)`` returns the commands that
follow. The model is that of a processor's reorder buffer:

- a cell starts when the cells it depends on have ended; it sees the home process's values, the
  changes of ended cells it depends on, and none of the names that unended cells may write;
- cells retire in document order: their changes are applied to the home process, so that home
  always holds what a serial run would hold at that point;
- a cell whose outcome is known from before (a resume, the cache) counts as ended from the start;
- when a cell ends, what it was *seen* to change is compared with what later cells that started
  without it may have read; those that are stale are dropped and run again.
"""

from __future__ import annotations

from dataclasses import replace

from orch_nb.engine.admission import Admission
from orch_nb.engine.buffer import FINAL, STARTED, Buffer, Phase, Slot
from orch_nb.engine.messages import (
    Admitted,
    Answer,
    Answered,
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
    NotAdmitted,
    Note,
    Promote,
    Replan,
    Retire,
    Retired,
    RetryDue,
    RunAtHome,
    Suspend,
    Unanswered,
    Wait,
)
from orch_nb.engine.pausing import Pausing
from orch_nb.engine.placing import IMPORTS, LIGHT, acts_in_order, may_lead, may_queue, why_at_home
from orch_nb.engine.plan import Facts, Plan
from orch_nb.engine.retry import CRASHED, TIMED_OUT, may_follow
from orch_nb.engine.staleness import is_only_shown, why_stale
from orch_nb.engine.views import choose_view, missed_by, names_to_hide, rebound_since
from orch_nb.model import CellKind
from orch_nb.states import StateName

_NOT_STARTED = (Phase.WAITING, Phase.DELAYED, Phase.QUEUED, Phase.PAUSED)


class Core:
    """The state of one flow run. ``handle`` is the only way in."""

    def __init__(self, plan: Plan, home_queue: int = 1) -> None:
        """``home_queue`` is how many cells home may be sent at once (see Runner)."""
        self.plan = plan
        self._home_queue = home_queue
        self.buffer = Buffer(plan)
        self._admission = Admission(plan, self.buffer)
        self._pausing = Pausing(plan, self.buffer)
        self._retiring = False
        self._begun = False
        self._over = False
        self._passed = 0  # cells passed over so far
        self._refuted: set[int] = set()  # known cells of which a new plan must know more
        self._cancel: CancelAsked | None = None
        self._commands: list[Command] = []

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
            case RetryDue(cell):
                slot = self.buffer.slot(cell)
                if slot.phase is Phase.DELAYED:
                    self.buffer.move(slot, Phase.WAITING)
            case Answered(cell):
                self._pausing.answered(self.buffer.slot(cell))
            case Unanswered(cell, reason):
                slot = self.buffer.slot(cell)
                if slot.phase is Phase.PAUSED:
                    slot.facts = Facts(ok=False, timed_out=True, error=reason)
                    self.buffer.move(slot, Phase.SUSPECT)
            case Suspend():
                if self._pausing.is_idle:
                    self._finish(StateName.SUSPENDED, self._pausing.open_question)
            case Admitted() | NotAdmitted():
                self._commands += self._admission.hear(event)
            case CancelAsked():
                self._cancel_asked(event)
            case HomeLost():
                self._home_lost(event)
        while not self._over and self._advance():
            continue  # cells were passed over: others may have their turn now
        self._commands += self._admission.sweep()
        if self._begun and not (self._over or self._retiring):
            self._commands += self._pausing.rest()
        stuck = not (self._retiring or self.buffer.is_busy or self.buffer.is_paused)
        if self._begun and not self._over and stuck:
            head = self.buffer.slots[self.buffer.head]
            raise RuntimeError(f"nothing runs, and {head.label} waits")
        return self._commands

    # -- events

    def _begin(self) -> None:
        self._begun = True
        for slot in self.buffer.slots:
            if not self.plan.runs(slot.node):
                self.buffer.move(slot, Phase.PASSED)
                if slot.node.cell.kind is CellKind.SKIP:
                    why = self.plan.aside.get(slot.number, "tagged skip")
                    self._note(slot, StateName.SKIPPED, why)
            elif slot.number in self.plan.known:
                slot.known = True
                slot.facts = self.plan.known[slot.number]
                slot.view = self.plan.trusted
                self.buffer.move(slot, Phase.ENDED)
                if slot.facts.cached:
                    self._note(slot, StateName.CACHED, slot.facts.why)

    def _ended(self, event: Ended) -> None:
        slot = self.buffer.slot(event.cell)
        if slot.phase is not Phase.RUNNING or slot.attempt != event.attempt:
            return  # an attempt that was dropped
        slot.asks = ""
        facts = event.facts
        if slot.at_home:
            self._leave_home(slot, well=facts.ok and not facts.exits)
        if self._cancel is not None:
            self._stop(slot)
        elif facts.unshippable and not facts.held and not slot.at_home:
            self._bring_home(slot, facts.unshippable)
        elif facts.missing and self._is_withheld(slot, facts.missing):
            return
        elif facts.missing and facts.missing in slot.hidden:
            self._reread(slot, facts.missing)
        else:
            slot.facts = facts
            if facts.ok:
                self.buffer.move(slot, Phase.ENDED)
                if facts.cached:
                    slot.at_home = False  # home does not hold its changes yet
                self._note(slot, StateName.CACHED if facts.cached else StateName.COMPLETED)
                for later in list(self.buffer.started(after=slot.position)):
                    if later.phase in STARTED:
                        self._compare(slot, later, slot.facts)
                        self._bind_again(slot, later)
            elif self._may_retry(slot):
                self._delay(slot)
            else:
                self.buffer.move(slot, Phase.SUSPECT)
            if slot.phase in (Phase.ENDED, Phase.SUSPECT) and not facts.exits:
                self._drop_if_stale(slot)

    def _leave_home(self, ended: Slot, *, well: bool) -> None:
        """Home goes on with what was sent behind the cell, or begins none of it."""
        queue = [slot for slot in self.buffer.running() if slot.at_home and slot is not ended]
        if well and queue:
            self._note(queue[0], StateName.RUNNING)
        for slot in () if well else queue:
            if self._cancel is None:
                self.buffer.move(slot, Phase.WAITING)
            else:
                self._stop(slot)

    def _retired(self, event: Retired) -> None:
        self._retiring = False
        slot = self.buffer.slot(event.cell)
        if event.reason and (slot.known or slot.facts.cached):
            self._replan(slot, f"its kept result can't be used: {event.reason}")
        elif event.reason:
            self._bring_home(slot, event.reason)
        else:
            self.buffer.move(slot, Phase.RETIRED)

    def _asked(self, event: EffectAsked) -> None:
        slot = self.buffer.slot(event.cell)
        if slot.phase is Phase.RUNNING and slot.attempt == event.attempt:
            slot.asks = event.words
            slot.facts = replace(slot.facts, ambient=event.ambient, files_read=event.files)

    def _cancel_asked(self, event: CancelAsked) -> None:
        if self._cancel is not None:
            return
        self._cancel = event
        for slot in self.buffer.slots:
            if slot.phase is Phase.RUNNING:
                self._commands.append(Drop(slot.number, slot.attempt))
                if not slot.at_home:
                    self._stop(slot)
            elif slot.phase in _NOT_STARTED or slot.phase is Phase.SUSPECT:
                self._stop(slot)

    def _stop(self, slot: Slot) -> None:
        self.buffer.move(slot, Phase.PASSED)
        self._note(slot, StateName.CANCELLED, self._cancel.reason if self._cancel else "")

    def _home_lost(self, event: HomeLost) -> None:
        reason = event.reason
        at_home = next((slot for slot in self.buffer.running() if slot.at_home), None)
        for slot in self.buffer.slots:
            if slot is at_home and self._cancel is None:
                self._note(slot, StateName.CRASHED, event.reason)
                reason = f"{slot.label}: {event.reason}"
            elif slot.phase not in FINAL and slot.phase is not Phase.ENDED:
                self._note(slot, StateName.CANCELLED, "the run's process is gone")
        if self._cancel is not None:
            self._finish(self._cancel.state, self._cancel.reason)
        else:
            self._finish(StateName.CRASHED, reason)

    # -- what ends mean

    def _may_retry(self, slot: Slot) -> bool:
        policy, facts = self.plan.policy(slot.number), slot.facts
        if facts.exits or slot.failures >= len(policy.delays):
            return False
        types = CRASHED if facts.crashed else TIMED_OUT if facts.timed_out else facts.error_types
        return may_follow(policy.retry_on, types)

    def _delay(self, slot: Slot) -> None:
        seconds = self.plan.policy(slot.number).delays[slot.failures]
        slot.failures += 1
        self.buffer.move(slot, Phase.DELAYED)
        self._note(slot, StateName.AWAITING_RETRY, slot.facts.error)
        self._commands.append(Wait(slot.number, seconds))

    def _bring_home(self, slot: Slot, reason: str) -> None:
        """The cell's changes can't leave their process: run it in the home process."""
        slot.home_reason = reason
        self._commands.append(Learn(slot.number, 0, (), reason))
        self._again(slot, f"runs again in the flow's own process: {reason}")

    def _is_withheld(self, slot: Slot, name: str) -> bool:
        """Whether a name that the cell misses is one that home was never given."""
        for earlier in reversed(self.buffer.slots[: slot.position]):
            if name in earlier.facts.writes or name in earlier.node.binds:
                if earlier.known and not earlier.facts.shipped:
                    self._replan(earlier, f"{slot.label} reads '{name}'", apply=True)
                    return True
                return False
        return False

    def _reread(self, slot: Slot, name: str) -> None:
        """The cell asked for a name that an unended earlier cell may write."""
        for earlier in reversed(self.buffer.slots[: slot.position]):
            if name in earlier.node.writes and earlier.phase not in FINAL:
                self._learn(earlier, slot, (name,), f"reads '{name}'")
                break
        self._again(slot, f"runs again: it reads '{name}'")

    def _drop_if_stale(self, slot: Slot) -> None:
        """Earlier cells that ended after this one had started, without being seen by it; and
        those that will end as they once did: nothing may be recorded that doesn't fit them."""
        for earlier in self.buffer.slots[slot.base : slot.position]:
            if earlier.phase in (Phase.ENDED, Phase.RETIRED):
                self._compare(earlier, slot, earlier.facts)
                self._bind_again(earlier, slot)
            elif earlier.phase not in FINAL and earlier.number in self.plan.foreseen:
                self._compare(earlier, slot, self.plan.foreseen[earlier.number])
            if slot.phase not in STARTED:
                return

    def _compare(self, earlier: Slot, later: Slot, did: Facts) -> None:
        if earlier.position < later.base or earlier.number in later.view or later.at_home:
            return
        if did.present:
            return
        if why_stale(earlier.node, did, later.node, later.facts, frozenset()) is None:
            return  # so it mostly is: what lies between need not be looked at
        between = self.buffer.between(earlier, later)
        rebound = frozenset[str]().union(
            *(slot.node.binds for slot in between if slot.number in later.view)
        )
        stale = why_stale(earlier.node, did, later.node, later.facts, rebound)
        if stale is None:
            return
        names, reason = stale
        self._learn(earlier, later, names, reason)
        acted = later.node.cell.kind is CellKind.TASK and later.facts.acted
        if acted and is_only_shown(names):
            return  # a warning too many is no reason to fail; the next run waits
        if acted:
            if later.phase is Phase.ENDED:
                self._note(later, StateName.RESUMING, reason)  # what it made is wrong
            self._fail_for_good(
                later,
                f"{earlier.label} changed {', '.join(names)} after this task had used it and "
                f"acted ({later.facts.acted}); add --needs {earlier.node.cell.name}",
            )
        else:
            self._again(later, f"runs again: {reason}")

    def _bind_again(self, earlier: Slot, later: Slot) -> None:
        """What home has imported out of turn would be overwritten by what an earlier cell binds."""
        names = later.node.binds & earlier.facts.writes
        early = later.at_home and later.node.imports_only and later.phase is Phase.ENDED
        if early and names and earlier.position >= later.base:
            self._again(later, f"runs again: {earlier.label} binds {min(names)} too")

    def _learn(self, earlier: Slot, later: Slot, names: tuple[str, ...], reason: str) -> None:
        self.buffer.add_need(later, earlier.number)
        self._commands.append(Learn(earlier.number, later.number, names, reason))

    def _again(self, slot: Slot, reason: str) -> None:
        """Forget what the cell did, and what was built on it, and let it start anew."""
        if slot.known:
            self._replan(slot, reason)
            return
        if self._cancel is not None:
            self.buffer.move(slot, Phase.PASSED)  # nothing starts any more
            return
        if slot.phase is Phase.RUNNING or slot.facts.held:
            self._commands.append(Drop(slot.number, slot.attempt))
        for later in list(self.buffer.started()):
            if slot.number in later.view and later.phase in STARTED:
                self._again(later, f"runs again: {slot.label} does")
        state = StateName.RESUMING if slot.phase is Phase.ENDED else StateName.SCHEDULED
        slot.asks, slot.allowed, slot.facts = "", False, Facts()
        self.buffer.move(slot, Phase.WAITING)
        self._note(slot, state, reason)

    def _fail_for_good(self, slot: Slot, message: str) -> None:
        self.buffer.move(slot, Phase.FAILED)
        if slot.facts.timed_out:
            state = StateName.TIMED_OUT
        elif slot.facts.crashed:
            state = StateName.CRASHED
        else:
            state = StateName.FAILED
        self._note(slot, state, message)
        self._lose_dependents(slot)
        if self.plan.fail_fast:
            self._cancel_asked(CancelAsked(f"{slot.label} failed", StateName.FAILED))

    def _lose_dependents(self, slot: Slot) -> None:
        """What needs a cell that failed, or was not reached, does not run."""
        lost = {slot.number}
        for later in self.buffer.after(slot):
            if later.phase in FINAL or not lost & later.needs:
                continue
            self._pass(later, f"needs {self.buffer.slot(min(lost & later.needs)).label}")
            lost.add(later.number)

    def _pass(self, slot: Slot, reason: str) -> None:
        """Serial would not have reached this cell."""
        self._passed += 1
        if slot.phase is Phase.RUNNING:
            self._commands.append(Drop(slot.number, slot.attempt))
        self.buffer.move(slot, Phase.PASSED)
        self._note(slot, StateName.UPSTREAM_FAILED, reason)

    # -- going on

    def _advance(self) -> bool:
        """Retire, answer and start what can be; tell whether cells were passed over meanwhile."""
        self._retire()
        if self.buffer.is_done:
            self._conclude()
        elif self._begun and self._cancel is None:
            passed = self._passed
            self._answer()
            self._dispatch()
            return self._passed > passed
        return False

    def _retire(self) -> None:
        buffer = self.buffer
        while not buffer.is_done and not self._retiring:
            slot = buffer.slots[buffer.head]
            if slot.phase in FINAL:
                buffer.head += 1
            elif slot.phase is Phase.SUSPECT and _failed_early(slot):
                self._again(slot, f"runs again in its turn: {slot.facts.error}")
            elif slot.phase is Phase.SUSPECT:
                self._fail_for_good(slot, slot.facts.error)
            elif slot.phase is not Phase.ENDED:
                return
            elif slot.facts.exits:
                self._exit(slot)
            elif slot.facts.held:
                if any(other.at_home for other in buffer.running()):
                    return  # home imports something below, which its successor must have
                self._promote(slot)
            elif slot.at_home or not slot.facts.shipped:
                buffer.move(slot, Phase.RETIRED)
            else:
                self._retiring = True
                self._commands.append(Retire(slot.number))

    def _promote(self, slot: Slot) -> None:
        """The process that holds what can't be shipped becomes home, if it can catch up."""
        missed = missed_by(self.buffer, slot)
        if missed is None:
            self._bring_home(slot, slot.facts.unshippable)
            return
        self._retiring = True
        apply = tuple((other.number, rebound_since(self.buffer, other, slot)) for other in missed)
        self._commands.append(Promote(slot.number, slot.attempt, apply))

    def _exit(self, slot: Slot) -> None:
        """The notebook ended itself: nothing after this cell is reached."""
        self.buffer.move(slot, Phase.RETIRED)
        for later in self.buffer.after(slot):
            if later.phase in FINAL:
                continue
            if later.phase is Phase.RUNNING:
                self._commands.append(Drop(later.number, later.attempt))
            if later.phase is Phase.ENDED:
                self._note(later, StateName.RESUMING, "not reached")
            self.buffer.move(later, Phase.PASSED)
            self._note(later, StateName.SKIPPED, f"{slot.label} ended the notebook")

    def _answer(self) -> None:
        """Let the cell whose turn it is act; tell those that serial would not reach to end."""
        failed_at = self.buffer.failed_at
        for slot in self.buffer.running():
            if not slot.waits:
                continue
            if failed_at is not None and failed_at < slot.position:
                self._commands.append(Answer(slot.number, slot.attempt, ok=False))
                self.buffer.move(slot, Phase.WAITING)  # its process ends by itself
                self._pass(slot, f"it {slot.asks}, and an earlier cell failed")
                self._lose_dependents(slot)
            elif slot.position != self.buffer.head:
                continue
            elif missed_by(self.buffer, slot) is None:
                # Once it has acted it can't be run again: were its values unshippable, its
                # process would have to become home, and could not.
                if slot.base < slot.position:
                    self._again(slot, f"runs again before it {slot.asks}")
                else:  # nor could one that is forked now: home imports something from below
                    self._bring_home(slot, f"it {slot.asks}, and a cell below has run already")
            else:
                self._drop_if_stale(slot)  # while it has done nothing that can't be done again
                if slot.phase is Phase.RUNNING:
                    slot.allowed = True
                    self._commands.append(Answer(slot.number, slot.attempt, ok=True))

    def _dispatch(self) -> None:
        running = self.buffer.running()
        if self._retiring:
            return
        if any(slot.at_home for slot in running):
            self._fill_queue(running)
            return  # home obeys in order: whatever else is sent now would wait
        self._commands += self._admission.sweep()  # first: an attempt that is over has to give back
        # One that waits for permission uses no worker, and disturbs none that runs alone: else the
        # cell it waits for might never start.
        busy = sum(not slot.waits for slot in running)
        several = self.buffer.are_several_ready
        for slot in self.buffer.ready():
            if not self.plan.overlap and slot.position != self.buffer.head:
                return
            others = bool(busy) or several
            why = why_at_home(self.plan, self.buffer, slot, others=others)
            if why is None or (why and slot.node.alone and busy):
                continue  # must wait for its turn at home
            if why and self.buffer.failed_at is not None and why != IMPORTS:
                # at home nothing holds back what it may do to the outside
                self._pass(slot, "it runs in the flow's own process, and an earlier cell failed")
                self._lose_dependents(slot)
            elif not why and busy >= self.plan.workers:
                return
            elif self._is_paused(slot) or not self._is_admitted(slot):
                continue
            elif why:
                self._start_at_home(slot, why)
                self._fill_queue([*running, slot])
                return
            else:
                self._start_fork(slot)
                busy += 1

    def _is_paused(self, slot: Slot) -> bool:
        paused, commands = self._pausing.ask(slot)
        self._commands += commands
        return paused

    def _is_admitted(self, slot: Slot) -> bool:
        admitted, commands = self._admission.ask(slot)
        self._commands += commands
        return admitted

    def _fill_queue(self, running: list[Slot]) -> None:
        """Send home the light cells that follow, as it would be told to run in any case, one by
        one: so it need not wait for what is decided and recorded in between."""
        buffer = self.buffer
        if len(running) > self._home_queue // 2 or buffer.failed_at is not None:
            return
        if running[0].position != buffer.head or sum(1 for _ in buffer.started()) > len(running):
            return  # others run beside home, or have ended without it
        queued, last = len(running), running[-1]
        while queued < self._home_queue and last.at_home and may_lead(self.plan, last):
            slot = next((slot for slot in buffer.after(last) if slot.phase not in FINAL), None)
            if slot is None or slot.phase is not Phase.WAITING or not may_queue(self.plan, slot):
                return
            self._start_at_home(slot, IMPORTS if slot.node.imports_only else LIGHT, behind=True)
            slot.base = slot.position
            queued, last = queued + 1, slot

    def _start_at_home(self, slot: Slot, why: str, *, behind: bool = False) -> None:
        # Seen where others started without its changes; shipped as well, since another process
        # may have to catch up with home (see _promote).
        needed = slot.node.cell.kind is CellKind.TASK or slot.number in self.plan.cacheable
        others = (s for s in self.buffer.started() if not (s.at_home and s.phase is Phase.RUNNING))
        needed = needed or any(True for _ in others)
        ship = needed or self.plan.is_worth_keeping(slot.node)
        thrifty = ship and not (needed or self.plan.keep_all)
        slot.view, slot.hidden = frozenset(), frozenset()
        self._start(slot, at_home=True, noted=not behind)
        self._commands.append(
            RunAtHome(
                slot.number,
                slot.attempt,
                observe=ship or slot.number in self.plan.watched,
                ship=ship,
                why=why,
                thrifty=thrifty,
                behind=behind,
            )
        )

    def _start_fork(self, slot: Slot) -> None:
        slot.view = choose_view(self.buffer, slot)
        slot.hidden = names_to_hide(self.buffer, slot, slot.view)
        self._start(slot, at_home=False)
        seen = [self.buffer.slot(number) for number in slot.view]
        positions = sorted(other.position for other in seen if not other.at_home)
        self._commands.append(
            Fork(
                slot.number,
                slot.attempt,
                apply=tuple(self.buffer.slots[position].number for position in positions),
                hide=tuple(sorted(slot.hidden)),
                in_order=acts_in_order(slot),
            )
        )

    def _start(self, slot: Slot, *, at_home: bool, noted: bool = True) -> None:
        slot.attempt += 1
        slot.at_home = at_home
        slot.base = self.buffer.head
        slot.asks, slot.allowed, slot.facts = "", False, Facts()
        self.buffer.move(slot, Phase.RUNNING)
        if noted:
            self._note(slot, StateName.RETRYING if slot.failures else StateName.RUNNING)

    # -- the end

    def _conclude(self) -> None:
        if self._cancel is not None:
            self._finish(self._cancel.state, self._cancel.reason)
        elif self.buffer.failed_at is None:
            self._finish(StateName.COMPLETED)
        else:
            failed = self.buffer.slots[self.buffer.failed_at]
            state = StateName.CRASHED if failed.facts.crashed else StateName.FAILED
            self._finish(state, f"{failed.label}: {failed.facts.error}")

    def _replan(self, slot: Slot, reason: str, *, apply: bool = False) -> None:
        """Home was not given what the cell would need to run: start over, knowing this. One event
        may say it of several cells: the next plan has to know of each."""
        if slot.number in self._refuted:
            return
        self._refuted.add(slot.number)
        if not self._over:
            for other in self.buffer.running():
                self._note(other, StateName.SCHEDULED, "planned anew")
        self._over = True
        self._commands.append(Replan(slot.number, reason, apply))

    def _finish(self, state: StateName, message: str = "") -> None:
        self._over = True
        self._commands.append(Finish(state, message))

    def _note(self, slot: Slot, state: StateName, message: str = "") -> None:
        failed = state is StateName.AWAITING_RETRY
        attempt = slot.failures if failed else slot.failures + 1
        self._commands.append(Note(slot.number, state, message, attempt))


def _failed_early(slot: Slot) -> bool:
    """Whether a cell that began before its turn lacked what one above may have made since, a
    file or a module, though no edge says so."""
    types = {"ImportError", "OSError"}.intersection(slot.facts.error_types)
    return bool(types) and slot.base < slot.position and not slot.facts.acted
