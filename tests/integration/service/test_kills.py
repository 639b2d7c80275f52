"""A scheduler and a worker that are killed at each of their steps leave one run for each tick."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orch_nb.schedules import CatchUp, Policy
from orch_nb.service.scheduler import Scheduler
from orch_nb.service.worker import Worker
from orch_nb.states import StateName
from orch_nb.store import Backend, Store, open_store
from orch_nb.store.deployments import list_ticks
from tests.integration.service.conftest import HOURLY, START, Deploy
from tests.integration.service.noop_runs import NoopLauncher

HOURS = 3
NOW = START + timedelta(hours=HOURS)
KILLED = 9
MOST_STEPS = 60
LEAST_STEPS = 5
SOAK = os.environ.get("ORCH_NB_SOAK") == "1"


@dataclass
class Deadly:
    """Ends the process at the n-th thing that is done with the store."""

    left: int
    where: str  # "before", "inside" or "after" the n-th

    def arm(self, store: Store) -> Store:
        for name in ("write", "query", "leases"):
            setattr(store, name, self._counting(getattr(store, name)))
        return store

    def _counting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.left -= 1
            if self.left == 0 and self.where == "before":
                os._exit(KILLED)
            if self.left == 0 and self.where == "inside" and method.__name__ == "write":
                (operation,) = arguments

                def die(transaction: Any) -> Any:
                    operation(transaction)
                    transaction.flush()
                    os._exit(KILLED)

                return method(die)
            value = method(*arguments)
            if self.left == 0:
                os._exit(KILLED)
            return value

        return call


def in_a_child(work: Callable[[], None]) -> bool:
    """Do it in a fork; whether that was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == KILLED


def schedule(store: Store, now: datetime = NOW) -> None:
    Scheduler(store, lead=0).step(now, 0.0)


def work(store: Store, notes: Path, now: datetime = NOW) -> None:
    def note(run_id: str) -> None:
        with notes.open("a") as file:
            file.write(run_id + "\n")

    worker = Worker(store, NoopLauncher(store, note), pool="default", limit=2)
    for second in range(4):
        worker.step(now, float(second))


POLICY = Policy(CatchUp.ALL, max_catch_up=100)


@pytest.mark.parametrize("where", ["before", "inside", "after"])
def test_a_scheduler_killed_at_any_step(
    store: Store, store_url: str, deploy: Deploy, where: str
) -> None:
    deployment = deploy("report/daily", HOURLY, policy=POLICY)
    for hour in range(1, MOST_STEPS):
        now = START + timedelta(hours=hour)

        def die(step: int = hour, now: datetime = now) -> None:
            schedule(Deadly(step, where).arm(open_store(store_url)), now)

        killed = in_a_child(die)
        schedule(store, now)
        assert len(list_ticks(store, deployment.id, limit=1000)) == hour
        assert len(store.list_runs()) == hour
        if not killed:
            assert hour > LEAST_STEPS
            return
    pytest.fail("a step has no end")


@pytest.mark.parametrize("where", ["before", "inside", "after"])
def test_a_worker_killed_at_any_step(
    store: Store, store_url: str, deploy: Deploy, tmp_path: Path, where: str
) -> None:
    deploy("report/daily", HOURLY, policy=POLICY)
    notes = tmp_path / "done"
    notes.touch()
    ended_by_itself = False
    done = 0
    stride = 1 if store.backend is Backend.SQLITE or SOAK else 4
    for step in range(1, MOST_STEPS, stride):
        now = START + timedelta(hours=step)
        schedule(store, now)

        def die(step: int = step, now: datetime = now) -> None:
            work(Deadly(step, where).arm(open_store(store_url)), notes, now)

        killed = in_a_child(die)
        scheduler = Scheduler(store, lead=0)
        for second in range(2):  # sees the dead holder, then what is left
            scheduler.step(now, float(second))
            work(store, notes, now)
        runs = store.list_runs()
        states = Counter(run.state_name for run in runs)
        began = notes.read_text().split()
        assert len(began) == len(set(began)), "a run was done twice"
        assert states.keys() <= {StateName.COMPLETED, StateName.CRASHED}
        # A run whose process was killed is known to have crashed; no other one is lost.
        assert states[StateName.CRASHED] <= done + 1
        done = states[StateName.CRASHED]
        assert sum(states.values()) == min(step, 50) or len(runs) == 50
        if not killed:
            ended_by_itself = True
            break
    assert ended_by_itself
    assert step > LEAST_STEPS
    assert done > 0 or stride > 1
