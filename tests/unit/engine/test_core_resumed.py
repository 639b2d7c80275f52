"""The core with known outcomes: a run that is cut at any event and resumed has serial's result."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.app.reusing import Made, Use, Wishes, decide, with_known
from orch_nb.engine.core import Core
from orch_nb.engine.messages import (
    Begin,
    Command,
    Ended,
    Event,
    Finish,
    Fork,
    Note,
    Replan,
    Retire,
    Retired,
)
from orch_nb.engine.plan import Facts, Plan
from orch_nb.execution.job import Outcome
from orch_nb.graph.model import FlowGraph
from orch_nb.states import StateName
from tests.unit.engine.test_core import Truth, World, graph, notebooks, serial

FOLDER = "/work"
_WELL = (StateName.COMPLETED, StateName.CACHED)


@dataclass
class Record:
    """What outlives a run's process: outcomes by cell, and what the kept ones changed."""

    made: dict[int, Made] = field(default_factory=dict)
    deltas: dict[int, dict[str, object]] = field(default_factory=dict)
    states: dict[int, StateName] = field(default_factory=dict)
    ran: list[int] = field(default_factory=list)  # attempts that were begun, in all passes


@dataclass
class Lasting(World):
    """A world whose outcomes go on record, and that may be cut at an event."""

    record: Record = field(default_factory=Record)
    replans: list[Replan] = field(default_factory=list)
    cut_after: int | None = None

    def begin(self) -> None:
        self.deltas = dict(self.record.deltas)

    def go(self) -> bool:
        """Run until the end, a new plan, or the cut; whether it was cut."""
        self.begin()
        self.feed(Begin())
        steps = 0
        while self.finish is None and not self.replans:
            steps += 1
            assert steps < 5000, "the run does not end"
            if steps == self.cut_after:
                return True
            assert self.go_on(), [(s.node.cell.number, s.phase) for s in self.core.buffer.slots]
        return False

    def feed(self, event: Event) -> None:
        if isinstance(event, Ended) and event.facts.ok and not event.facts.unshippable:
            self._ended = event
        super().feed(event)

    def do(self, command: Command) -> None:
        match command:
            case Replan():
                self.replans.append(command)
                if not command.apply:
                    self.record.made.pop(command.cell, None)
            case Note(cell, state):
                before = self.record.states.get(cell, StateName.PENDING)
                if state is before and state in _WELL:
                    return
                self.record.states[cell] = state
                if state is StateName.COMPLETED:
                    self._keep(cell)
                elif state is StateName.RESUMING:
                    self.record.made.pop(cell, None)
                elif state in (StateName.RUNNING, StateName.RETRYING):
                    self.record.ran.append(cell)
            case _:
                super().do(command)

    def _keep(self, cell: int) -> None:
        facts = self.core.buffer.slot(cell).facts
        writes = tuple(sorted(facts.writes))
        blob = {"digest": str(cell)} if facts.shipped else None
        made = Outcome(cell, 1, bound=writes, observed=True, blob=blob)
        if blob is not None:
            self.record.deltas[cell] = dict(self.deltas[cell])
        self.record.made[cell] = Made(made, not_kept="" if blob else "it can't be kept")


def resumed(
    truths: list[Truth], seed: int, workers: int, cuts: list[int], drawn: FlowGraph | None = None
) -> tuple[Lasting, Record]:
    """Run to the end through all cuts, planning as the app does; the last world and the record."""
    record, rng = Record(), random.Random(seed)
    plain = Plan(drawn or graph(truths), workers)
    wishes = Wishes()
    left = list(cuts)
    for _ in range(60):
        made = {n: record.made.get(n, Made()) for n in range(1, len(truths) + 1)}
        decisions = decide(plain, made, wishes, FOLDER)
        plan, _ = with_known(plain, made, decisions, FOLDER)
        for decision in decisions:
            if decision.use is Use.RUN:
                record.made.pop(decision.cell, None)
            if decision.use is not Use.REUSE and record.states.get(decision.cell) in _WELL:
                record.states[decision.cell] = StateName.RESUMING
            elif decision.use is Use.REUSE:
                record.states[decision.cell] = StateName.COMPLETED
        world = Lasting(truths, Core(plan, rng.choice([1, 2, 16])), rng, record=record)
        world.cut_after = left.pop(0) if left else None
        cut = world.go()
        if world.replans:
            well = {n for n, state in record.states.items() if state in _WELL}
            runs = {n: why for n, why in wishes.run.items() if n not in well}
            runs |= {replan.cell: replan.reason for replan in world.replans if not replan.apply}
            values = {replan.cell for replan in world.replans if replan.apply}
            wishes = replace(wishes, run=runs, values=wishes.values | values)
        elif cut:
            wishes = Wishes()  # another process knows nothing of them
        else:
            return world, record
    raise AssertionError("planned anew again and again")


@st.composite
def simple_notebooks(draw: st.DrawFn) -> list[Truth]:
    """Notebooks whose cells do not fail of themselves."""
    return [replace(truth, fails=0) for truth in draw(notebooks())]


cuts = st.lists(st.integers(1, 14), max_size=4)


@settings(max_examples=120, deadline=None)
@given(simple_notebooks(), st.integers(0, 10**6), st.integers(1, 4), cuts)
def test_a_cut_and_resumed_run_gives_the_serial_result(
    truths: list[Truth], seed: int, workers: int, cuts: list[int]
) -> None:
    world, record = resumed(truths, seed, workers, cuts)
    assert world.finish == Finish(StateName.COMPLETED)
    for cell in range(1, len(truths) + 1):
        assert record.states[cell] in _WELL
        after = serial(truths[:cell])
        kept = record.deltas.get(cell, {}) if record.made[cell].not_kept == "" else {}
        assert {name: after[name] for name in kept} == kept
    # Home may lack what nothing left read: what was made there in the end is serial's.
    expected = serial(truths)
    here = [name for name in expected if last_writer(truths, name) not in world.core.plan.known]
    assert {name: world.home[name] for name in here} == {name: expected[name] for name in here}


@settings(max_examples=80, deadline=None)
@given(simple_notebooks(), st.integers(0, 10**6), cuts)
def test_a_finished_run_that_is_run_again_from_its_record_runs_nothing(
    truths: list[Truth], seed: int, cuts: list[int]
) -> None:
    _, record = resumed(truths, seed, 3, cuts)
    plain = Plan(graph(truths), 3)
    decisions = decide(plain, record.made, Wishes(), FOLDER)
    assert all(decision.use is Use.REUSE and not decision.apply for decision in decisions)
    plan, _ = with_known(plain, record.made, decisions, FOLDER)
    assert plan.is_settled
    core = Core(plan)
    assert [c for c in core.handle(Begin()) if not isinstance(c, Note)] == [
        Finish(StateName.COMPLETED)
    ]


@settings(max_examples=80, deadline=None)
@given(simple_notebooks(), st.integers(0, 10**6), st.integers(1, 14))
def test_what_was_kept_and_foreseen_is_run_once(truths: list[Truth], seed: int, cut: int) -> None:
    truths = [replace(t, missed=frozenset(), unshippable=False, refused=False) for t in truths]
    truths = [replace(t, task=True, light=False) for t in truths]
    _, record = resumed(truths, seed, 3, [cut])
    kept = {cell for cell, made in record.made.items() if made.outcome and made.outcome.blob}
    _, again = resumed(truths, seed, 3, [])
    assert kept == set(range(1, len(truths) + 1))
    assert max(again.ran.count(cell) for cell in kept) == 1
    # Home, which is another process after the cut, imports again.
    done = [cell for cell in kept if not truths[cell - 1].imports]
    cut_off = sum(record.ran.count(cell) - 1 for cell in done)
    assert cut_off <= 3, "only those that ran when it was cut run twice"


def last_writer(truths: list[Truth], name: str) -> int:
    return max(n for n, truth in enumerate(truths, 1) if name in truth.writes)


def test_a_name_that_home_was_not_given_is_applied_in_a_new_plan() -> None:
    truths = [Truth(frozenset(), frozenset("a")), Truth(frozenset(), frozenset("b"))]
    facts = Facts(shipped=False, writes=frozenset("a"))
    plan = Plan(graph(truths), 1, known={1: facts}, trusted=frozenset({1}))
    core = Core(plan)
    core.handle(Begin())
    commands = core.handle(Ended(2, 1, Facts(ok=False, missing="a", error="NameError: a")))
    assert commands[-1] == Replan(1, "cell 2 reads 'a'", apply=True)


def test_all_that_one_event_proves_wrong_is_named_to_the_next_plan() -> None:
    truths = [Truth(frozenset(), frozenset("a"), missed=frozenset("a"))]
    truths += [Truth(frozenset("a"), frozenset(name)) for name in "bc"]
    facts = {n: Facts(writes=truths[n - 1].writes) for n in (2, 3)}
    core = Core(Plan(graph(truths), 1, known=facts, trusted=frozenset(facts)))
    core.handle(Begin())
    commands = core.handle(Ended(1, 1, Facts(writes=frozenset("a"))))
    assert [c.cell for c in commands if isinstance(c, Replan)] == [2, 3]


def test_what_runs_beside_a_cell_whose_end_is_foreseen_is_not_recorded_against_it() -> None:
    truths = [Truth(frozenset(), frozenset("a"), missed=frozenset("a"))]
    truths += [Truth(frozenset("a"), frozenset("b"))]
    facts = Facts(writes=frozenset("a"))
    core = Core(Plan(graph(truths), 2, trusted=frozenset({1}), foreseen={1: facts}))
    begun = core.handle(Begin())
    assert {c.cell for c in begun if isinstance(c, Fork)} == {1, 2}
    ended = core.handle(Ended(2, 1, Facts(shipped=True, writes=frozenset("b"))))
    states = [c.state for c in ended if isinstance(c, Note)]
    assert states == [StateName.COMPLETED, StateName.RESUMING]
    again = core.handle(Ended(1, 1, replace(facts, shipped=True)))
    assert not [c for c in again if isinstance(c, Fork)], "its turn comes when home has caught up"
    assert [c.cell for c in again if isinstance(c, Retire)] == [1]


def test_a_kept_result_that_cant_be_applied_runs_again_in_a_new_plan() -> None:
    truths = [Truth(frozenset(), frozenset("a")), Truth(frozenset("a"), frozenset("b"))]
    facts = Facts(shipped=True, writes=frozenset("a"))
    plan = Plan(graph(truths), 1, known={1: facts}, trusted=frozenset({1}))
    core = Core(plan)
    core.handle(Begin())
    commands = core.handle(Retired(1, "its class is no more"))
    reason = "its kept result can't be used: its class is no more"
    assert commands[-1] == Replan(1, reason, apply=False)
