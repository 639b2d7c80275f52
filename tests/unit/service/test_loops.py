"""Scheduler and worker, step by step, with clocks that the tests hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orch_nb.app.deployed import output_folder
from orch_nb.app.deploying import pause_deployment
from orch_nb.app.records import cancel
from orch_nb.schedules import CatchUp, IntervalSchedule, Policy
from orch_nb.schedules.deployment import OnCrash
from orch_nb.service.crashes import CrashWatch, settle_ended
from orch_nb.service.presence import Presence
from orch_nb.service.retention import delete_expired
from orch_nb.service.scheduler import Scheduler
from orch_nb.service.worker import Worker
from orch_nb.states import StateName
from orch_nb.store import RunQuery, Store
from orch_nb.store.queue_reading import queued_runs
from orch_nb.store.queueing import TakenRun, take_due
from orch_nb.store.retention import pin_run
from orch_nb.store.workers import list_workers
from tests.integration.service.conftest import HOURLY, START, Deploy
from tests.integration.service.noop_runs import NoopLauncher

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
TICK = START.replace(hour=1, second=0)


def states(store: Store) -> list[str]:
    runs = store.list_runs(RunQuery(limit=1000))
    return [run.state_name.value for run in sorted(runs, key=lambda run: run.scheduled_time)]


def test_a_run_is_there_a_moment_before_its_time_and_late_after_15_seconds(
    store: Store, deploy: Deploy
) -> None:
    deploy("report/daily", HOURLY)
    scheduler = Scheduler(store)
    assert scheduler.step(TICK - 30 * SECOND, 0.0) == 1.0
    assert 0.4 < scheduler.step(TICK - 1.5 * SECOND, 28.5) < 0.6
    assert states(store) == []
    scheduler.step(TICK - 0.9 * SECOND, 29.1)
    assert states(store) == ["Scheduled"]
    assert Worker(store, NoopLauncher(store), pool="default", limit=1).step(
        TICK - 0.01 * SECOND, 30.0
    ) == pytest.approx(0.01)
    scheduler.step(TICK + 14 * SECOND, 44.0)
    assert states(store) == ["Scheduled"]
    scheduler.step(TICK + 16 * SECOND, 46.0)
    assert states(store) == ["Late"]
    assert scheduler.counts.late == 1


def test_many_late_runs_do_not_hold_up_the_next_tick(store: Store, deploy: Deploy) -> None:
    every = IntervalSchedule(1.0, TICK, "UTC")
    deploy("each second", every, now=TICK - SECOND, policy=Policy(CatchUp.ALL, 1000))
    scheduler = Scheduler(store, lead=0)
    now, seen = TICK + 120 * SECOND, []
    for _ in range(3):
        wait = scheduler.step(now, 120.0)
        seen.append((wait < 0.1, Counter(states(store))))
        now += SECOND
    assert seen == [
        (True, {"Late": 50, "Scheduled": 71}),
        (True, {"Late": 100, "Scheduled": 22}),
        (False, {"Late": 107, "Scheduled": 16}),
    ]


def test_a_clock_that_is_set_back_makes_no_tick_again(store: Store, deploy: Deploy) -> None:
    deploy("report/daily", HOURLY, policy=Policy(CatchUp.ALL))
    scheduler = Scheduler(store)
    for hours in (1, 2, 3, 1, 2, 3, 4):
        scheduler.step(START + hours * HOUR, float(hours))
    assert len(states(store)) == 4


@pytest.mark.parametrize(
    ("policy", "runs"),
    [
        (Policy(CatchUp.SKIP), 0),
        (Policy(CatchUp.LATEST), 1),
        (Policy(CatchUp.ALL, max_catch_up=24), 24),
    ],
)
def test_a_week_of_downtime(store: Store, deploy: Deploy, policy: Policy, runs: int) -> None:
    deploy("report/daily", HOURLY, policy=policy)
    scheduler = Scheduler(store)
    for minute in range(10, 13):
        scheduler.step(START + timedelta(days=7, minutes=minute), 60.0 * minute)
    assert len(states(store)) == runs
    assert scheduler.counts.skipped == 168 - runs


def test_a_worker_takes_no_more_than_its_limit_and_nothing_while_it_drains(
    store: Store, deploy: Deploy
) -> None:
    for number in range(4):
        deploy(f"d{number}", HOURLY)
    Scheduler(store).step(TICK, 0.0)
    endless = Endless()
    worker = Worker(store, endless, pool="default", limit=3)
    worker.step(TICK, 0.0)
    worker.step(TICK, 1.0)
    assert (worker.running, len(endless.launched)) == (3, 3)
    worker.draining = True
    endless.code = 0
    worker.step(TICK, 2.0)
    assert worker.idle
    assert len(queued_runs(store)) == 4  # those of which nothing had begun, and the last
    other = Worker(store, NoopLauncher(store), pool="another", limit=3)
    other.step(TICK, 0.0)
    assert other.started == 0


def test_a_process_that_can_t_be_started_puts_its_run_back(store: Store, deploy: Deploy) -> None:
    deploy("report/daily", HOURLY)
    Scheduler(store).step(TICK, 0.0)
    worker = Worker(store, Refusing(), pool="default", limit=1)
    worker.step(TICK, 0.0)
    (run,) = store.list_runs()
    assert run.state_name is StateName.SCHEDULED
    assert run.state_message == "no process could be started: no more processes"
    assert store.leases() == ()


@pytest.mark.parametrize("on_crash", list(OnCrash))
def test_a_run_that_is_silent_for_too_long_has_crashed(
    store: Store, deploy: Deploy, on_crash: OnCrash
) -> None:
    deploy("report/daily", HOURLY, on_crash=on_crash)
    Scheduler(store).step(TICK, 0.0)
    (taken,) = take_one(store, "elsewhere")
    begin(store, taken)
    watch = CrashWatch(store, length=30.0)
    assert watch.look(TICK, 0.0) == ()
    store.write(lambda t: t.beat(taken.run.id, taken.run.epoch))
    assert watch.look(TICK, 29.0) == ()
    assert watch.look(TICK, 58.0) == ()
    (crashed,) = watch.look(TICK, 59.5)
    assert crashed.state_name is StateName.CRASHED
    settle_ended(store, taken.given, TICK)  # a second observer of the same crash
    again = take_one(store, "another")
    assert [t.resumes for t in again] == ([True] if on_crash is OnCrash.RESUME else [])


def test_what_had_not_begun_goes_back_to_the_queue(store: Store, deploy: Deploy) -> None:
    deploy("report/daily", HOURLY)
    Scheduler(store).step(TICK, 0.0)
    (taken,) = take_one(store, "elsewhere")
    watch = CrashWatch(store, length=30.0)
    watch.look(TICK, 0.0)
    watch.look(TICK, 31.0)
    assert states(store) == ["Scheduled"]
    (again,) = take_one(store, "another")
    assert (again.run.id, again.run.epoch > taken.run.epoch) == (taken.run.id, True)


def test_workers_are_seen(store: Store) -> None:
    presence = Presence(store, "worker", START, pool="default", limit=2)
    presence.show(START, 0.0, running=0)
    presence.show(START + SECOND, 1.0, running=0)  # nothing new: not yet
    assert list_workers(store)[0].counter == 1
    presence.show(START + SECOND, 1.5, running=1)
    presence.show(START + 7 * SECOND, 7.0, running=1)
    (record,) = list_workers(store)
    assert (record.counter, record.running, record.seen) == (3, 1, START + 7 * SECOND)
    presence.end(START + 8 * SECOND)
    assert list_workers(store)[0].state == "stopped"


def test_runs_are_deleted_when_they_are_older_than_they_are_kept(
    store: Store, deploy: Deploy
) -> None:
    deployment = deploy("report/daily", HOURLY, keep=3600.0)
    Scheduler(store).step(TICK, 0.0)
    (taken,) = take_one(store, "w")
    folder = output_folder(deployment.name)
    folder.mkdir(parents=True)
    output = folder / "x.ipynb"
    output.write_text("{}")
    end(store, taken, output)
    later = TICK + timedelta(minutes=61)
    assert delete_expired(store, TICK + timedelta(minutes=59)) == 0
    store.write(lambda t: pin_run(t, taken.run.id, pinned=True))
    assert delete_expired(store, later) == 0
    store.write(lambda t: pin_run(t, taken.run.id, pinned=False))
    epoch = store.write(lambda t: t.claim(taken.run.id, "somebody who resumes it"))
    assert (delete_expired(store, later), output.exists()) == (0, True)
    store.write(lambda t: t.release(taken.run.id, epoch))
    assert delete_expired(store, later) == 1
    assert (store.list_runs(), output.exists(), folder.exists()) == ((), False, True)


def test_what_waited_when_its_deployment_was_paused_is_deleted_in_its_time(
    store: Store, deploy: Deploy
) -> None:
    deployment = deploy("report/daily", HOURLY, keep=3600.0)
    Scheduler(store).step(TICK, 0.0)
    pause_deployment(deployment.name, paused=True)
    (run,) = store.list_runs()
    assert run.state_name is StateName.CANCELLED
    assert run.end_time is not None
    assert delete_expired(store, run.end_time + timedelta(minutes=59)) == 0
    assert delete_expired(store, run.end_time + timedelta(minutes=61)) == 1


def test_a_waiting_run_is_cancelled_at_once(store: Store, deploy: Deploy) -> None:
    deploy("report/daily", HOURLY)
    Scheduler(store).step(TICK, 0.0)
    (run,) = store.list_runs()
    assert cancel(run.name).state_name is StateName.CANCELLED
    assert take_one(store, "w") == ()


def take_one(store: Store, holder: str) -> tuple[TakenRun, ...]:
    return store.write(
        lambda t: take_due(t, holder, pool="default", limit=1, now=TICK + HOUR, worker=holder)
    )


def begin(store: Store, taken: TakenRun) -> None:
    running = replace(taken.run, state_name=StateName.RUNNING, start_time=TICK)
    store.write(lambda t: t.set_flow_state(running, expected=taken.run.state_name, by="test"))


def end(store: Store, taken: TakenRun, output: Path) -> None:
    begin(store, taken)
    done = replace(taken.run, state_name=StateName.COMPLETED, end_time=TICK, output=str(output))
    store.write(lambda t: t.set_flow_state(done, expected=StateName.RUNNING, by="test"))
    store.write(lambda t: t.release(taken.run.id, taken.run.epoch))
    Scheduler(store).step(TICK, 0.0)


class Endless:
    """Processes that end when they are told."""

    def __init__(self) -> None:
        self.launched: list[str] = []
        self.code: int | None = None

    def launch(self, taken: TakenRun) -> Endless:
        self.launched.append(taken.run.id)
        return self

    def poll(self) -> int | None:
        return self.code

    def stop(self, *, kill: bool) -> None:
        """It does not listen."""

    def last_words(self) -> str:
        return ""

    def prepare(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Refusing(Endless):
    """There is no process to be had."""

    def launch(self, taken: TakenRun) -> Endless:
        raise OSError("no more processes")
