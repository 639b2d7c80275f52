"""Limits and resources: never exceeded, all given back, and no run waits for ever."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.engine.admission import find_shortage
from orch_nb.engine.buffer import Phase
from orch_nb.engine.core import Core
from orch_nb.engine.messages import (
    Acquire,
    Admitted,
    Begin,
    CancelAsked,
    Command,
    Ended,
    Event,
    Finish,
    Fork,
    NotAdmitted,
    Note,
    Release,
    RunAtHome,
)
from orch_nb.engine.plan import Facts, Plan, Policy
from orch_nb.states import StateName
from tests.unit.engine.test_core import Truth, World, graph, notebooks, serial

SIZES = {"db": 2, "api": 1}
BUDGET = {"gpu": 2.0, "memory": 8e9}


@dataclass
class LimitedWorld(World):
    """A world in which other runs take and give back places at any time."""

    wishes: dict[int, dict[str, int]] = field(default_factory=dict)
    holds: dict[int, dict[str, int]] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SIZES, 0))

    def feed(self, event: Event) -> None:
        super().feed(event)
        self.check()
        for name, size in SIZES.items() if self.rng.random() < 0.3 else ():
            free = size - self.taken(name)
            self.others[name] += self.rng.randint(-self.others[name], free)
        for cell in sorted(self.wishes):
            if self.finish is None and self.rng.random() < 0.5:
                self.answer_wish(cell)

    def answer_wish(self, cell: int) -> None:
        wish = self.wishes[cell]
        if any(self.taken(name) + count > SIZES[name] for name, count in wish.items()):
            told = NotAdmitted(cell, "waits for limit db")
            if told not in self.waiting:
                self.waiting.append(told)
        else:
            self.holds[cell] = self.wishes.pop(cell)
            self.waiting.append(Admitted(cell))

    def run(self, *, cancel_after: int | None = None) -> None:
        self.feed(Begin())
        for step in range(3000):
            if self.finish is not None:
                return
            if step == cancel_after:
                self.feed(CancelAsked("enough"))
                continue
            if not self.go_on():
                assert self.wishes, [(s.number, s.phase) for s in self.core.buffer.slots]
                self.others = dict.fromkeys(SIZES, 0)  # the other runs end one day
                self.answer_wish(self.rng.choice(sorted(self.wishes)))
        raise AssertionError("the run does not end")

    def do(self, command: Command) -> None:
        match command:
            case Acquire(cell, uses):
                assert cell not in self.wishes
                assert cell not in self.holds
                self.wishes[cell] = dict(uses)
            case Release(cell):
                self.wishes.pop(cell, None)
                self.holds.pop(cell, None)
            case Fork(cell) | RunAtHome(cell):
                assert self.holds.get(cell, {}) == dict(self.core.plan.policy(cell).uses)
        super().do(command)

    def taken(self, name: str) -> int:
        return self.others[name] + sum(held.get(name, 0) for held in self.holds.values())

    def check(self) -> None:
        running = [slot.number for slot in self.core.buffer.running()]
        policies = [self.core.plan.policy(number) for number in running]
        for name, budget in BUDGET.items():
            assert sum(dict(p.resources).get(name, 0) for p in policies) <= budget
        for number, policy in zip(running, policies, strict=True):
            assert self.holds.get(number, {}) == dict(policy.uses)
        if self.finish is not None:
            return
        for number in self.holds.keys() - set(running):  # granted, about to start or be told so
            slot = self.core.buffer.slot(number)
            assert Admitted(number) in self.waiting or slot.phase is Phase.WAITING


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    uses = {name: draw(st.integers(0, size)) for name, size in SIZES.items()}
    wants = {name: draw(st.sampled_from([0, 0, size / 2, size])) for name, size in BUDGET.items()}
    return Policy(
        uses=tuple((name, count) for name, count in uses.items() if count),
        resources=tuple((name, amount) for name, amount in wants.items() if amount),
    )


def limited(
    truths: list[Truth], limits: list[Policy], seed: int, workers: int = 4, overlap: bool = True
) -> LimitedWorld:
    chance = random.Random(seed)  # a task may act at any time, a plain cell in its turn only
    truths = [replace(t, task=not t.acts and chance.random() < 0.7) for t in truths]
    given_policies = {
        number: replace(limits[number % len(limits)], delays=(0.0,) * truth.fails)
        for number, truth in enumerate(truths, 1)
    }
    plan = Plan(graph(truths), workers, overlap=overlap, policies=given_policies, resources=BUDGET)
    return LimitedWorld(truths, Core(plan), random.Random(seed))


some_limits = st.lists(policies(), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None)
@given(notebooks(), some_limits, st.integers(0, 10**6), st.integers(1, 5), st.booleans())
def test_limited_runs_give_the_serial_result_and_everything_back(
    truths: list[Truth], limits: list[Policy], seed: int, workers: int, overlap: bool
) -> None:
    w = limited(truths, limits, seed, workers, overlap)
    w.run()
    assert w.finish == Finish(StateName.COMPLETED)
    assert w.home == serial(truths)
    assert w.holds == {}
    assert w.wishes == {}


@settings(max_examples=100, deadline=None)
@given(notebooks(), some_limits, st.integers(0, 10**6), st.integers(1, 40))
def test_a_cancelled_run_gives_everything_back(
    truths: list[Truth], limits: list[Policy], seed: int, after: int
) -> None:
    w = limited(truths, limits, seed)
    w.run(cancel_after=after)
    assert w.holds == {}
    assert w.wishes == {}


def core_of(*given_policies: Policy) -> Core:
    names = "abc"[: len(given_policies)]
    truths = [Truth(frozenset(), frozenset({name}), task=True) for name in names]
    return Core(
        Plan(
            graph(truths),
            workers=4,
            policies=dict(enumerate(given_policies, 1)),
            resources={"gpu": 1.0},
        )
    )


def test_a_cell_waits_until_a_resource_is_free_and_says_so_once() -> None:
    gpu = Policy(resources=(("gpu", 1.0),))
    core = core_of(gpu, gpu, Policy())
    begun = core.handle(Begin())
    words = "waits for gpu: 1 of 1 taken"
    assert Note(2, StateName.SCHEDULED, words, 1) in begun
    assert [c.cell for c in begun if isinstance(c, Fork)] == [1, 3]
    ended = core.handle(Ended(3, 1, Facts()))
    assert not any(isinstance(c, Note) and c.message == words for c in ended)
    assert [c.cell for c in core.handle(Ended(1, 1, Facts())) if isinstance(c, Fork)] == [2]


def test_a_cell_waits_for_its_places_and_gives_them_back() -> None:
    core = core_of(Policy(uses=(("db", 1),)), Policy())
    begun = core.handle(Begin())
    assert Acquire(1, (("db", 1),)) in begun
    assert [c.cell for c in begun if isinstance(c, Fork)] == [2]
    told = core.handle(NotAdmitted(1, "waits for limit db"))
    assert told == [Note(1, StateName.SCHEDULED, "waits for limit db", 1)]
    assert core.handle(NotAdmitted(1, "waits for limit db")) == []
    assert [c.cell for c in core.handle(Admitted(1)) if isinstance(c, Fork)] == [1]
    assert Release(1) in core.handle(Ended(1, 1, Facts()))


def test_a_place_that_comes_too_late_goes_back() -> None:
    core = core_of(Policy(uses=(("db", 1),)), Policy())
    core.handle(Begin())
    assert Release(1) in core.handle(CancelAsked("enough"))


def test_a_cell_that_acts_in_order_takes_nothing_before_its_turn() -> None:
    policy = Policy(uses=(("db", 1),))
    truths = [Truth(frozenset(), frozenset({name})) for name in "ab"]
    core = Core(Plan(graph(truths), workers=4, policies={1: policy, 2: policy}))
    asked = [c.cell for c in core.handle(Begin()) if isinstance(c, Acquire)]
    assert asked == [1]


@pytest.mark.parametrize(
    ("taken", "wanted", "short"),
    [
        ([], {"gpu": 1}, None),
        ([{"gpu": 1}], {"gpu": 1}, ("gpu", 1)),
        ([], {"tpu": 1}, ("tpu", 0)),
        ([], {"gpu": 0, "tpu": 0}, None),
        ([{"cpu": 0.1}] * 29, {"cpu": 0.1}, None),
        ([{"cpu": 0.1}] * 30, {"cpu": 0.1}, ("cpu", pytest.approx(3))),
    ],
)
def test_what_is_short(
    taken: list[dict[str, float]], wanted: dict[str, float], short: tuple[str, float] | None
) -> None:
    budget = {"gpu": 1.0, "cpu": 3.0}
    pairs = [tuple(one.items()) for one in taken]
    assert find_shortage(budget, pairs, tuple(wanted.items())) == short
