"""Random walks over claims and states, with a model beside: what is accepted is exactly what
the table of transitions and the claims allow, and the stale never write.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from orch_nb.errors import StaleClaimError, TransitionError
from orch_nb.model import FlowRun, TaskRun
from orch_nb.states import TRANSITIONS, TYPE_OF, StateName
from orch_nb.store import Lease, StoreWriter, TaskChange, open_store
from tests.sample_runs import a_run, tasks_of

names = st.sampled_from(list(StateName))


@dataclass
class Expected:
    """What the store should say of one run."""

    run: FlowRun
    task: TaskRun
    lease: Lease | None
    history: list[StateName] = field(default_factory=list)


def allowed(old: StateName, new: StateName) -> bool:
    resumes = not TYPE_OF[old].is_terminal or new is StateName.RESUMING
    return TYPE_OF[new] in TRANSITIONS[TYPE_OF[old]] and resumes


class ClaimsAndStates(RuleBasedStateMachine):
    runs: Bundle[str] = Bundle("runs")
    leases: Bundle[Lease] = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.places = ExitStack()
        self.store = self.places.enter_context(open_store(self.new_place()))
        self.writer = StoreWriter(self.store)
        self.model: dict[str, Expected] = {}

    def teardown(self) -> None:
        self.writer.close()
        self.places.close()

    def new_place(self) -> str:
        """Where the store of one walk is, until ``places`` is closed."""
        folder = self.places.enter_context(tempfile.TemporaryDirectory())
        return str(Path(folder) / "store.db")

    def accepted(self, operation: Any) -> bool:
        """Whether the store accepted an operation, and not whether it should have."""
        try:
            self.writer.submit(operation).result()
        except TransitionError:  # StaleClaimError is one
            return False
        return True

    @rule(target=runs, claimed=st.booleans(), state=names)
    def create(self, claimed: bool, state: StateName) -> str:
        run = a_run(state_name=state)
        (task,) = tasks_of(run, 1)
        run = self.writer.submit(
            lambda t: t.create_flow_run(run, [task], holder="h" if claimed else None, by="test")
        ).result()
        lease = Lease(f"run/{run.id}", 0, "h", 1, 0) if claimed else None
        self.model[run.id] = Expected(run, task, lease, [state, task.state_name])
        return run.id

    @rule(target=leases, id=runs)
    def look(self, id: str) -> Lease:
        expected = self.model[id].lease
        return expected or Lease(f"run/{id}", 0, "h", self.model[id].run.epoch, 0)

    @rule(id=runs, behind=st.integers(-1, 2), expected=names, new=names)
    def set_flow(self, id: str, behind: int, expected: StateName, new: StateName) -> None:
        model = self.model[id]
        wanted = replace(model.run, state_name=new, epoch=model.run.epoch - behind)
        should = behind == 0 and expected == model.run.state_name and allowed(expected, new)
        did = self.accepted(lambda t: t.set_flow_state(wanted, expected=expected, by="test"))
        assert did == should
        if should:
            model.run = wanted
            model.history.append(new)

    @rule(id=runs, behind=st.integers(-1, 2), new=names, right=st.booleans())
    def set_task(self, id: str, behind: int, new: StateName, right: bool) -> None:
        model = self.model[id]
        expected = model.task.state_name if right else StateName.SUSPENDED
        wanted = replace(model.task, state_name=new, attempt=model.task.attempt + 1)
        should = behind == 0 and expected == model.task.state_name and allowed(expected, new)
        epoch = model.run.epoch - behind
        change = TaskChange(wanted, expected)
        assert self.accepted(lambda t: t.set_task_states([change], epoch=epoch, by="t")) == should
        if should:
            model.task = wanted
            model.history.append(new)

    @rule(id=runs, behind=st.integers(-1, 2))
    def beat(self, id: str, behind: int) -> None:
        model = self.model[id]
        epoch = model.run.epoch - behind
        assert self.accepted(lambda t: t.beat(model.run.id, epoch)) == (behind == 0)
        if behind == 0 and model.lease is not None:
            model.lease = replace(model.lease, counter=model.lease.counter + 1)

    @rule(id=runs)
    def claim(self, id: str) -> None:
        model = self.model[id]
        should = model.lease is None
        assert self.accepted(lambda t: t.claim(model.run.id, "h")) == should
        if should:
            self.claimed(model)

    @rule(seen=consumes(leases))
    def take_over(self, seen: Lease) -> None:
        model = self.model[seen.resource.removeprefix("run/")]
        should = model.lease == seen
        assert self.accepted(lambda t: t.take_over(seen, "h")) == should
        if should:
            self.claimed(model)

    @rule(id=runs, behind=st.integers(-1, 2))
    def release(self, id: str, behind: int) -> None:
        model = self.model[id]
        epoch = model.run.epoch - behind
        assert self.accepted(lambda t: t.release(model.run.id, epoch)) == (behind == 0)
        if behind == 0:
            model.run = replace(model.run, epoch=epoch + 1)
            model.lease = None

    def claimed(self, model: Expected) -> None:
        model.run = replace(model.run, epoch=model.run.epoch + 1)
        model.lease = Lease(f"run/{model.run.id}", 0, "h", model.run.epoch, 0)

    @invariant()
    def the_store_agrees(self) -> None:
        for id, model in self.model.items():
            assert self.store.get_run(id) == model.run
            assert self.store.task_runs(model.run.id) == (model.task,)
            assert [c.new for c in self.store.history(model.run.id)] == model.history
        held = [model.lease for model in self.model.values() if model.lease]
        assert sorted(self.store.leases(), key=str) == sorted(held, key=str)

    @invariant()
    def a_stale_claim_is_told_from_a_wrong_step(self) -> None:
        for model in list(self.model.values())[-1:]:
            stale = replace(model.run, epoch=model.run.epoch - 1, state_name=StateName.RESUMING)
            try:
                self.store.write(lambda t, stale=stale: t.check_claim(stale.id, stale.epoch))
            except StaleClaimError:
                continue
            raise AssertionError("a stale epoch was accepted")


TestClaimsAndStates = ClaimsAndStates.TestCase
TestClaimsAndStates.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
