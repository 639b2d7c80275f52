"""The core against a world that plays home and forks: whatever ends when, serial's result."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.engine.buffer import Phase, Slot
from orch_nb.engine.core import Core
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
    Note,
    Promote,
    Retire,
    Retired,
    RetryDue,
    RunAtHome,
    Wait,
)
from orch_nb.engine.plan import Facts, Plan, Policy
from orch_nb.graph.model import FlowGraph, Node
from orch_nb.model import Cell, CellKind
from orch_nb.options import TaskOptions
from orch_nb.states import StateName, check_transition

NAMES = "abcdef"


@dataclass(frozen=True)
class Truth:
    """What a cell really does; the analysis may have missed some of ``writes``."""

    reads: frozenset[str]
    writes: frozenset[str]
    missed: frozenset[str] = frozenset()
    acts: bool = False
    fails: int = 0  # so many attempts fail
    light: bool = False
    unshippable: bool = False
    refused: bool = False  # runs at home only
    imports: bool = False  # runs at home at once, wherever it stands
    task: bool = False
    alone: bool = False  # nothing else may use a processor meanwhile


def node(number: int, truth: Truth) -> Node:
    seen = truth.writes - truth.missed
    return Node(
        cell=Cell(
            number=number,
            position=number - 1,
            id=str(number),
            name=f"cell-{number}",
            kind=CellKind.TASK if truth.task else CellKind.PLAIN,
            source="x",
            options=TaskOptions(),
        ),
        reads=truth.reads,
        binds=seen,
        writes=seen,
        light=truth.light,
        task=not truth.imports,
        imports_only=truth.imports,
        alone=truth.alone,
    )


def graph(truths: list[Truth]) -> FlowGraph:
    predecessors: dict[int, frozenset[int]] = {}
    last: dict[str, int] = {}
    for number, truth in enumerate(truths, 1):
        predecessors[number] = frozenset(last[n] for n in truth.reads if n in last)
        last.update(dict.fromkeys(truth.writes - truth.missed, number))
    nodes = tuple(node(number, truth) for number, truth in enumerate(truths, 1))
    return FlowGraph(nodes, (), predecessors)


def serial(truths: list[Truth]) -> dict[str, object]:
    values: dict[str, object] = {}
    for number, truth in enumerate(truths, 1):
        seen = tuple(values.get(name) for name in sorted(truth.reads))
        values.update({name: hash((number, name, seen)) for name in truth.writes})
    return values


@dataclass
class World:
    """Home, forks, and what has been done on the outside; ends come in random order."""

    truths: list[Truth]
    core: Core
    rng: random.Random
    home: dict[str, object] = field(default_factory=dict)
    forks: dict[tuple[int, int], tuple[dict[str, object], frozenset[str]]] = field(
        default_factory=dict
    )
    deltas: dict[int, dict[str, object]] = field(default_factory=dict)
    held: dict[tuple[int, int], dict[str, object]] = field(default_factory=dict)
    waiting: list[Event] = field(default_factory=list)
    acted: list[int] = field(default_factory=list)
    asked: set[tuple[int, int]] = field(default_factory=set)
    allowed: set[tuple[int, int]] = field(default_factory=set)
    notes: dict[int, list[StateName]] = field(default_factory=dict)
    queue: list[RunAtHome] = field(default_factory=list)
    finish: Finish | None = None
    most: int = 0
    tries: dict[int, int] = field(default_factory=dict)

    def run(self, *, cancel_after: int | None = None) -> None:
        self.feed(Begin())
        steps = 0
        while self.finish is None:
            steps += 1
            assert steps < 5000, "the run does not end"
            if steps == cancel_after:
                self.feed(CancelAsked("enough"))
                continue
            assert self.go_on(), [(s.node.cell.number, s.phase) for s in self.core.buffer.slots]

    def go_on(self) -> bool:
        """Let one of the things happen that can; False where nothing can."""
        forks = [key for key in self.forks if self.can_end(key)]
        events = [*self.waiting, *forks, *self.queue[:1]]
        if not events:
            return False
        chosen = self.rng.choice(events)
        if isinstance(chosen, RunAtHome):
            self.queue.remove(chosen)
            self.run_at_home(chosen)
        elif isinstance(chosen, tuple):
            self.end_fork(chosen)
        else:
            self.waiting.remove(chosen)
            self.feed(chosen)
        return True

    def can_end(self, key: tuple[int, int]) -> bool:
        if not self.truths[key[0] - 1].acts or key in self.allowed:
            return True
        return not self.core.buffer.slot(key[0]).asks

    def feed(self, event: Event) -> None:
        for command in self.core.handle(event):
            self.do(command)

    def run_at_home(self, command: RunAtHome) -> None:
        cell = command.cell
        event = self.finish_at(cell, command.attempt, self.home, frozenset())
        if command.ship and event.facts.ok:
            written = self.truths[cell - 1].writes
            self.deltas[cell] = {name: self.home[name] for name in written}
            event = replace(event, facts=replace(event.facts, shipped=True))
        if not event.facts.ok:
            assert all(later.behind for later in self.queue)
            self.queue.clear()
        self.feed(event)

    def do(self, command: Command) -> None:
        match command:
            case RunAtHome(cell):
                self.queue.append(command)
                if self.truths[cell - 1].alone:
                    assert not self.busy, "it does not run alone"
            case Fork(cell, attempt, apply, hide, in_order):
                values = dict(self.home)
                for number in apply:
                    values.update(self.deltas[number])
                for name in hide:
                    values.pop(name, None)
                self.forks[cell, attempt] = (values, frozenset(hide))
                if not in_order:
                    self.allowed.add((cell, attempt))
                self.most = max(self.most, len(self.busy))
            case Retire(cell):
                self.home.update(self.deltas[cell])
                self.waiting.append(Retired(cell))
            case Promote(cell, attempt, apply):
                values = self.held.pop((cell, attempt))
                for number, kept in apply:
                    new = {n: v for n, v in self.deltas[number].items() if n not in kept}
                    values.update(new)
                self.home = values
                self.waiting.append(Retired(cell))
            case Drop(cell, attempt):
                self.held.pop((cell, attempt), None)
                self.forks.pop((cell, attempt), None)
            case Answer(cell, attempt, ok):
                if ok:
                    self.allowed.add((cell, attempt))
                else:
                    self.forks.pop((cell, attempt), None)
            case Wait(cell):
                self.waiting.append(RetryDue(cell))
            case Note(cell, state):
                seen = self.notes.setdefault(cell, [])
                check_transition(f"cell {cell}", seen[-1] if seen else StateName.PENDING, state)
                seen.append(state)
            case Finish():
                self.finish = command

    @property
    def busy(self) -> list[Slot]:
        """Forks that use a worker; home imports beside them."""
        running = [s for s in self.core.buffer.slots if s.phase is Phase.RUNNING]
        return [s for s in running if not s.waits and not s.at_home]

    def end_fork(self, key: tuple[int, int]) -> None:
        cell, attempt = key
        truth = self.truths[cell - 1]
        if truth.acts and key not in self.allowed:
            self.feed(EffectAsked(cell, attempt, "writes a file"))
            return
        values, hidden = self.forks.pop(key)
        before = dict(values)
        event = self.finish_at(cell, attempt, values, hidden)
        if event.facts.held:
            self.held[key] = values
        elif event.facts.ok:
            self.deltas[cell] = {n: v for n, v in values.items() if before.get(n) != v}
        self.feed(event)

    def finish_at(
        self, cell: int, attempt: int, values: dict[str, object], hidden: frozenset[str]
    ) -> Ended:
        truth = self.truths[cell - 1]
        if truth.refused and values is not self.home:
            return Ended(cell, attempt, Facts(unshippable="it reaches a generator"))
        missing = sorted(truth.reads & hidden)
        if missing:
            facts = Facts(ok=False, missing=missing[0], error=f"NameError: {missing[0]}")
            return Ended(cell, attempt, facts)
        self.tries[cell] = self.tries.get(cell, 0) + 1
        if self.tries[cell] <= truth.fails:
            return Ended(cell, attempt, Facts(ok=False, error="ValueError: x"))
        seen = tuple(values.get(name) for name in sorted(truth.reads))
        values.update({name: hash((cell, name, seen)) for name in truth.writes})
        if truth.acts:
            self.acted.append(cell)
        if truth.unshippable and values is not self.home:
            held = Facts(unshippable="it holds a lock", held=True, writes=truth.writes)
            return Ended(cell, attempt, held)
        return Ended(cell, attempt, Facts(shipped=values is not self.home, writes=truth.writes))


def world(truths: list[Truth], seed: int, workers: int = 4, **rules: object) -> World:
    policies = {n: Policy(delays=(0.0,) * t.fails) for n, t in enumerate(truths, 1) if t.fails}
    plan = Plan(graph(truths), workers, policies=policies, **rules)  # type: ignore[arg-type]
    rng = random.Random(seed)
    return World(truths, Core(plan, rng.choice([1, 2, 3, 16])), rng)


names = st.frozensets(st.sampled_from(NAMES), max_size=3)


@st.composite
def notebooks(draw: st.DrawFn) -> list[Truth]:
    truths = [Truth(frozenset(), frozenset(NAMES))]
    for _ in range(draw(st.integers(1, 12))):
        writes = draw(names)
        if draw(st.integers(0, 4)) == 0:
            truths.append(Truth(frozenset(), writes, imports=True))
            continue
        truths.append(
            Truth(
                reads=draw(names),
                writes=writes,
                missed=draw(st.frozensets(st.sampled_from(sorted(writes) or ["-"]))) & writes,
                acts=draw(st.booleans()) and draw(st.booleans()),
                fails=draw(st.sampled_from([0, 0, 0, 1, 2])),
                light=draw(st.booleans()),
                unshippable=draw(st.integers(0, 5)) == 0,
                refused=draw(st.integers(0, 7)) == 0,
                alone=draw(st.integers(0, 7)) == 0,
            )
        )
    return truths


@settings(max_examples=400, deadline=None)
@given(notebooks(), st.integers(0, 10**6), st.integers(1, 5), st.booleans())
def test_any_order_of_ends_gives_the_serial_result(
    truths: list[Truth], seed: int, workers: int, overlap: bool
) -> None:
    w = world(truths, seed, workers, overlap=overlap)
    w.run()
    assert w.finish == Finish(StateName.COMPLETED)
    assert w.home == serial(truths)
    assert w.most <= workers
    assert w.acted == sorted(w.acted), "effects must come in document order"
    assert len(set(w.acted)) == len(w.acted), "an effect happened twice"
    for states in w.notes.values():
        assert states[-1] is StateName.COMPLETED


@settings(max_examples=200, deadline=None)
@given(notebooks(), st.integers(0, 10**6), st.integers(1, 30))
def test_a_cancelled_run_ends_whatever_it_was_doing(
    truths: list[Truth], seed: int, after: int
) -> None:
    w = world(truths, seed)
    w.run(cancel_after=after)
    assert w.finish is not None
    assert w.finish.state in (StateName.CANCELLED, StateName.COMPLETED)
    assert all(slot.phase is not Phase.RUNNING for slot in w.core.buffer.slots)


@settings(max_examples=200, deadline=None)
@given(notebooks(), st.integers(0, 10**6), st.integers(1, 12))
def test_nothing_a_failed_cell_feeds_runs_and_the_rest_does(
    truths: list[Truth], seed: int, victim: int
) -> None:
    victim = min(victim, len(truths) - 1)
    truths = [
        Truth(t.reads, t.writes, light=t.light, acts=t.acts, refused=t.refused) for t in truths
    ]
    truths[victim] = Truth(truths[victim].reads, truths[victim].writes, fails=99)
    w = world(truths, seed)
    w.core.plan.policies.clear()  # type: ignore[attr-defined]
    w.run()
    number = victim + 1
    assert w.finish is not None
    assert w.finish.state is StateName.FAILED
    lost = {number}
    for i in range(number + 1, len(truths) + 1):
        here = truths[i - 1].acts or truths[i - 1].refused
        if here or lost & w.core.plan.graph.predecessors[i]:
            lost.add(i)
    for slot in w.core.buffer.slots:
        cell = slot.node.cell.number
        last = w.notes[cell][-1]
        if cell == number:
            assert last is StateName.FAILED
        elif cell in lost:
            assert last is StateName.UPSTREAM_FAILED
        elif cell < number or not (truths[cell - 1].acts or truths[cell - 1].refused):
            assert last is StateName.COMPLETED
    assert all(cell <= number for cell in w.acted), "serial would not have reached it"


def test_what_reads_an_import_beside_a_slow_cell_runs_once() -> None:
    truths = [
        Truth(frozenset(), frozenset("a")),
        Truth(frozenset("a"), frozenset("b")),  # slow
        Truth(frozenset(), frozenset("c"), imports=True),
        Truth(frozenset("c"), frozenset("d")),
    ]
    core = Core(Plan(graph(truths), 4))
    core.handle(Begin())
    core.handle(Ended(1, 1, Facts(shipped=True, writes=frozenset("a"))))
    core.handle(Retired(1))
    core.handle(Ended(3, 1, Facts(shipped=True, writes=frozenset("c"))))
    reader = core.buffer.slot(4)
    assert (reader.phase, reader.hidden) == (Phase.RUNNING, frozenset("b"))
    core.handle(Ended(4, 1, Facts(shipped=True, writes=frozenset("d"))))
    assert (reader.phase, reader.attempt) == (Phase.ENDED, 1)


def test_home_is_sent_the_light_cells_that_follow_and_begins_none_behind_a_failed_one() -> None:
    light = Truth(frozenset(), frozenset(), light=True)
    core = Core(Plan(graph([*[light] * 6, Truth(frozenset(), frozenset())]), 4), home_queue=4)
    sent = [c for c in commands_of(core, Begin()) if isinstance(c, RunAtHome)]
    assert [(c.cell, c.behind, c.observe) for c in sent] == [
        (1, False, False),
        (2, True, False),
        (3, True, False),
        (4, True, False),
    ]
    assert commands_of(core, Ended(1, 1, Facts())) == []
    more = commands_of(core, Ended(2, 1, Facts()))
    assert [c.cell for c in more if isinstance(c, RunAtHome)] == [5, 6]
    notes = [c for c in core.handle(Ended(3, 1, Facts(ok=False, error="E"))) if isinstance(c, Note)]
    assert [(note.cell, note.state) for note in notes[:1]] == [(3, StateName.FAILED)]
    assert [core.buffer.slot(n).phase for n in (4, 5, 6)] == [Phase.RUNNING] * 3  # in forks
    assert not any(core.buffer.slot(n).at_home for n in (4, 5, 6))


def commands_of(core: Core, event: Event) -> list[Command]:
    return [c for c in core.handle(event) if not isinstance(c, Note)]


def test_independent_cells_are_forked_together_up_to_the_number_of_workers() -> None:
    truths = [Truth(frozenset(), frozenset({name})) for name in "abc"]
    core = Core(Plan(graph(truths), workers=2))
    assert commands_of(core, Begin()) == [
        Fork(1, 1, apply=(), hide=(), in_order=True),
        Fork(2, 1, apply=(), hide=("a",), in_order=True),
    ]


@pytest.mark.parametrize(
    ("types", "acted", "again"),
    [
        (("ModuleNotFoundError", "ImportError"), "", True),
        (("FileNotFoundError", "OSError"), "", True),
        (("FileNotFoundError", "OSError"), "writes a file", False),
        (("ValueError",), "", False),
    ],
)
def test_what_one_above_may_have_made_since_is_looked_for_again(
    types: tuple[str, ...], acted: str, again: bool
) -> None:
    truths = [Truth(frozenset(), frozenset({name})) for name in "ab"]
    core = Core(Plan(graph(truths), workers=2))
    core.handle(Begin())
    failed = Facts(ok=False, error="it is not there", error_types=types, acted=acted)
    core.handle(Ended(2, 1, failed))
    core.handle(Ended(1, 1, Facts(shipped=True, writes=frozenset("a"))))
    core.handle(Retired(1))
    slot = core.buffer.slot(2)
    assert (slot.phase, slot.attempt) == ((Phase.RUNNING, 2) if again else (Phase.FAILED, 1))
    if again:
        core.handle(Ended(2, 2, failed))
        assert (slot.phase, slot.attempt) == (Phase.FAILED, 2)


def test_a_chain_runs_at_home_and_keeps_what_is_worth_it() -> None:
    truths = [
        Truth(frozenset(), frozenset("a")),
        Truth(frozenset("a"), frozenset("a"), light=True),
    ]
    core = Core(Plan(graph(truths), workers=2))
    assert commands_of(core, Begin()) == [
        RunAtHome(
            1, 1, observe=True, ship=True, why="nothing else could run beside it", thrifty=True
        )
    ]
    assert commands_of(core, Ended(1, 1, Facts(writes=frozenset("a")))) == [
        RunAtHome(2, 1, observe=False, ship=False, why="light")
    ]
    assert commands_of(core, Ended(2, 1, Facts())) == [Finish(StateName.COMPLETED)]


def test_a_later_cell_gets_the_changes_of_an_unretired_one_it_reads() -> None:
    truths = [
        Truth(frozenset(), frozenset("a")),
        Truth(frozenset(), frozenset("b")),
        Truth(frozenset("b"), frozenset("c")),
    ]
    core = Core(Plan(graph(truths), workers=2))
    core.handle(Begin())
    ended = Ended(2, 1, Facts(shipped=True, writes=frozenset("b")))
    assert commands_of(core, ended) == [Fork(3, 1, apply=(2,), hide=("a",), in_order=True)]


def test_a_crash_of_the_home_process_ends_the_run_as_crashed() -> None:
    core = Core(Plan(graph([Truth(frozenset(), frozenset("a"))]), workers=1))
    core.handle(Begin())
    commands = core.handle(HomeLost("it is gone"))
    assert Note(1, StateName.CRASHED, "it is gone", 1) in commands
    assert commands[-1] == Finish(StateName.CRASHED, "cell 1: it is gone")


def test_fail_fast_cancels_what_still_runs() -> None:
    truths = [Truth(frozenset(), frozenset(name)) for name in "ab"]
    core = Core(Plan(graph(truths), workers=2, fail_fast=True))
    core.handle(Begin())
    commands = core.handle(Ended(1, 1, Facts(ok=False, error="ValueError: x")))
    assert Drop(2, 1) in commands
    assert commands[-1] == Finish(StateName.FAILED, "cell 1 failed")


@pytest.mark.parametrize("fails", [1, 2])
def test_a_retry_counts_attempts_from_one(fails: int) -> None:
    w = world([Truth(frozenset(), frozenset("a"), fails=fails)], seed=1)
    w.run()
    expected = [StateName.RUNNING]
    for _ in range(fails):
        expected += [StateName.AWAITING_RETRY, StateName.RETRYING]
    assert w.notes[1] == [*expected, StateName.COMPLETED]


def test_failures_before_the_plan_was_made_anew_count() -> None:
    policies = {1: Policy(delays=(0.0, 0.0))}
    truths = [Truth(frozenset(), frozenset("a"))]
    core = Core(Plan(graph(truths), workers=2, policies=policies, failures={1: 1}))
    core.handle(Begin())
    failed = Facts(ok=False, error="ValueError: x")
    once_more = core.handle(Ended(1, 1, failed))
    assert [c.attempt for c in once_more if isinstance(c, Note)] == [2]
    core.handle(RetryDue(1))
    ended = core.handle(Ended(1, 2, failed))
    assert ended[-1] == Finish(StateName.FAILED, "cell 1: ValueError: x")
