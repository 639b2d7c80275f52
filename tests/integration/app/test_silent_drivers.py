"""Runs whose driver is on another host: a sign of life decides, or a lease's length without."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from orch_nb.app import abandoned
from orch_nb.app.abandoned import LEASE, outwait
from orch_nb.model import FlowRun
from orch_nb.states import StateName
from orch_nb.store import Store, new_holder, open_store
from tests.sample_runs import a_run, tasks_of

FAR = "far-host.12ab34cd.0000.1/77/123/beef"


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store() as opened:
        yield opened


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], None]], None]:
    """Has each wait pass at once; what is given is called with the number of each."""

    def start(during: Callable[[int], None]) -> None:
        numbers, now = itertools.count(1), [100.0]

        def sleep(seconds: float) -> None:
            now[0] += seconds
            during(next(numbers))

        monkeypatch.setattr(abandoned.time, "sleep", sleep)
        monkeypatch.setattr(abandoned.time, "monotonic", lambda: now[0])

    return start


def running(store: Store, holder: str) -> FlowRun:
    tasks = tasks_of(run := a_run(name="brave-otter"), 1)
    run = store.write(lambda t: t.create_flow_run(run, tasks, holder=holder, by="test"))
    new = replace(run, state_name=StateName.RUNNING)
    store.write(lambda t: t.set_flow_state(new, expected=run.state_name, by="test"))
    return new


@pytest.mark.usefixtures("orch_home")
def test_a_driver_that_stays_silent_has_crashed(store: Store, clock: Callable[..., None]) -> None:
    waits: list[int] = []
    said: list[str] = []
    clock(waits.append)
    run = outwait(store, running(store, FAR), said.append)
    assert run.state_name is StateName.CRASHED
    assert store.leases() == ()
    assert [task.state_name for task in store.task_runs(run.id)] == [StateName.CANCELLED]
    assert len(waits) == pytest.approx(LEASE / 0.5, abs=1)
    assert said == [
        "run brave-otter is held by process 77 on far-host: waiting for a sign of life, "
        "at most 30 s"
    ]


@pytest.mark.usefixtures("orch_home")
def test_one_sign_of_life_ends_the_wait(store: Store, clock: Callable[..., None]) -> None:
    run = running(store, FAR)

    def live(number: int) -> None:
        if number == 4:
            store.write(lambda t: t.beat(run.id, 1))
        assert number <= 4

    clock(live)
    assert outwait(store, run).state_name is StateName.RUNNING


@pytest.mark.usefixtures("orch_home")
def test_nothing_is_waited_for_where_the_process_can_be_seen(
    store: Store, clock: Callable[..., None]
) -> None:
    def refuse(number: int) -> None:
        raise AssertionError("it waits")

    clock(refuse)
    assert outwait(store, running(store, new_holder())).state_name is StateName.RUNNING
