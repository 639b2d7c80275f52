"""The store's contract for ticks and the queue, on each backend."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from orch_nb.errors import NotFoundError, StaleClaimError
from orch_nb.model import FlowRun
from orch_nb.schedules import CatchUp, IntervalSchedule, Overlap, Policy
from orch_nb.schedules.deployment import Deployment, SnapshotFile
from orch_nb.states import StateName
from orch_nb.store import RunQuery, Store, new_holder
from orch_nb.store.deployments import (
    delete_deployment,
    get_deployment,
    list_deployments,
    list_ticks,
    list_versions,
    read_snapshot,
    save_deployment,
    set_paused,
    use_version,
)
from orch_nb.store.queue_reading import active_runs, deployed_run_of, queued_runs
from orch_nb.store.queueing import (
    TakenRun,
    drop_overdue,
    hand_over,
    mark_late,
    put_back,
    set_phase,
    take_due,
)
from orch_nb.store.ticking import Fired, fire_due, first_cursors, next_due
from tests.integration.service.conftest import HOURLY, START, Deploy

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def fire(store: Store, now_after: timedelta) -> Fired:
    return store.write(lambda t: fire_due(t, START + now_after, lead=0))


def take(store: Store, after: timedelta, limit: int = 10) -> list[TakenRun]:
    now = START + after
    return list(
        store.write(
            lambda t: take_due(t, new_holder(), pool="default", limit=limit, now=now, worker="w1")
        )
    )


def end(store: Store, taken: TakenRun) -> None:
    run = taken.run
    from dataclasses import replace

    def operation(t):  # type: ignore[no-untyped-def]
        done = replace(run, state_name=StateName.FAILED)
        t.set_flow_state(done, expected=run.state_name, by="test")
        t.release(run.id, run.epoch)
        set_phase(t, run.id, 2)

    store.write(operation)


def times(runs: tuple[FlowRun, ...]) -> list[str]:
    return sorted(f"{run.scheduled_time:%d %H:%M}" for run in runs)


def test_a_tick_becomes_one_run_however_often_it_is_asked_for(store: Store, deploy: Deploy) -> None:
    deployment = deploy("report/daily", HOURLY, tags=("finance",))
    assert next_due(store) == START.replace(hour=1, minute=0, second=0)
    assert fire(store, timedelta(minutes=59)) == Fired()
    assert fire(store, HOUR) == Fired(runs=1)
    assert fire(store, HOUR) == Fired()
    (run,) = store.list_runs()
    assert (run.state_name, run.flow, run.tags) == (StateName.SCHEDULED, "report", ("finance",))
    assert store.list_runs(RunQuery(tag="finance")) == (run,)
    (tick,) = list_ticks(store, deployment.id)
    assert (tick.flow_run_id, tick.reason) == (run.id, "")
    given = deployed_run_of(store, run.id)
    assert given is not None
    assert given.interval == (run.scheduled_time - HOUR, run.scheduled_time)
    assert [change.new for change in store.history(run.id)] == [StateName.SCHEDULED]


def test_two_schedules_at_one_instant_make_one_run(store: Store, deploy: Deploy) -> None:
    midnight = IntervalSchedule(3600, START.replace(second=0), "UTC")
    deploy("twice", HOURLY, midnight)
    fired = fire(store, 3 * HOUR)
    assert (fired.runs, len(store.list_runs())) == (1, 1)  # the latest of three hours
    deploy("all", HOURLY, midnight, policy=Policy(CatchUp.ALL, overlap=Overlap.ALLOW))
    assert fire(store, 3 * HOUR).runs == 3


@pytest.mark.parametrize(
    ("policy", "runs"),
    [
        (Policy(CatchUp.SKIP), 0),
        (Policy(CatchUp.LATEST), 1),
        (Policy(CatchUp.ALL, max_catch_up=5), 5),
        (Policy(CatchUp.ALL, max_catch_up=1000), 168),
    ],
)
def test_a_week_of_downtime_leaves_a_row_for_each_tick(
    store: Store, deploy: Deploy, policy: Policy, runs: int
) -> None:
    deployment = deploy("report/daily", HOURLY, policy=policy)
    week = timedelta(days=7, minutes=5)
    assert fire(store, week) == Fired(runs, 168 - runs)
    ticks = list_ticks(store, deployment.id, limit=1000)
    assert len(ticks) == 168
    assert all((tick.flow_run_id is None) != (tick.reason == "") for tick in ticks)
    assert [a.scheduled_time - b.scheduled_time for a, b in pairwise(ticks)] == [HOUR] * 167


def test_years_of_missed_minutes_are_decided_in_parts(store: Store, deploy: Deploy) -> None:
    minutely = IntervalSchedule(60, START, "UTC")
    deployment = deploy("m", minutely, policy=Policy(CatchUp.ALL, max_catch_up=7))
    calls, runs, skipped, more = 0, 0, 0, True
    while more:
        fired = fire(store, timedelta(minutes=7000, seconds=30 + 60))
        calls, more = calls + 1, fired.more
        runs, skipped = runs + fired.runs, skipped + fired.skipped
    assert (runs, skipped, calls) == (8, 6993, 4)  # seven missed ones, and the one that is due
    assert len(list_ticks(store, deployment.id, limit=9000)) == 7001


def test_one_run_of_a_deployment_at_a_time_unless_overlap_is_allowed(
    store: Store, deploy: Deploy
) -> None:
    policy = Policy(CatchUp.ALL)
    deploy("queue", HOURLY, policy=policy)
    deploy("allow", HOURLY, policy=Policy(CatchUp.ALL, overlap=Overlap.ALLOW))
    fire(store, 3 * HOUR)
    taken = take(store, 3 * HOUR)
    assert sorted(t.given.deployment for t in taken) == ["allow", "allow", "allow", "queue"]
    first = next(t for t in taken if t.given.deployment == "queue")
    assert first.run.scheduled_time == START.replace(hour=1, second=0)
    assert take(store, 3 * HOUR) == []
    end(store, first)
    (second,) = take(store, 3 * HOUR)
    assert second.run.scheduled_time == START.replace(hour=2, second=0)
    assert (second.run.state_name, second.run.epoch) == (StateName.PENDING, 1)
    assert len(active_runs(store)) == 4
    assert len(queued_runs(store)) == 1


def test_overlap_skip_and_cancel_running(store: Store, deploy: Deploy) -> None:
    skip = deploy("skip", HOURLY, policy=Policy(overlap=Overlap.SKIP))
    deploy("cancel", HOURLY, policy=Policy(overlap=Overlap.CANCEL_RUNNING))
    fire(store, HOUR)
    (one, two) = sorted(take(store, HOUR), key=lambda t: t.given.deployment)
    assert fire(store, 2 * HOUR) == Fired(runs=1, skipped=1)
    assert list_ticks(store, skip.id)[0].reason == f"{two.run.name} had not ended (overlap skip)"
    assert store.cancel_requested(one.run.id) is not None
    assert take(store, 2 * HOUR) == []
    fire(store, 3 * HOUR)  # the run of 2:00, which still waits, gives way at once
    waiting = [run for run, _ in queued_runs(store)]
    assert times(tuple(waiting)) == ["02 03:00"]


def test_late_runs_are_marked_and_overdue_ones_dropped(store: Store, deploy: Deploy) -> None:
    deployment = deploy("report/daily", HOURLY, policy=Policy(start_deadline=600.0))
    fire(store, HOUR)
    at = HOUR - 30 * SECOND  # the tick itself
    assert store.write(lambda t: mark_late(t, START + at + 14 * SECOND, 15)) == 0
    assert store.write(lambda t: mark_late(t, START + at + 16 * SECOND, 15)) == 1
    assert store.write(lambda t: mark_late(t, START + at + 16 * SECOND, 15)) == 0
    assert store.list_runs()[0].state_name is StateName.LATE
    later = START + at + 601 * SECOND
    assert take(store, later - START) == []
    assert store.write(lambda t: drop_overdue(t, later)) == 1
    assert store.list_runs()[0].state_name is StateName.CANCELLED
    assert list_ticks(store, deployment.id)[0].reason == "not started in time (start deadline)"


def test_what_was_taken_can_be_handed_over_or_put_back(store: Store, deploy: Deploy) -> None:
    deploy("report/daily", HOURLY)
    fire(store, HOUR)
    (taken,) = take(store, HOUR)
    store.write(lambda t: put_back(t, taken, "no process could be started"))
    with pytest.raises(StaleClaimError):
        store.write(lambda t: hand_over(t, taken.run.id, taken.run.epoch, "other"))
    (again,) = take(store, HOUR)
    store.write(lambda t: hand_over(t, again.run.id, again.run.epoch, "other"))
    (lease,) = store.leases("run/")
    assert (lease.holder, lease.epoch) == ("other", again.run.epoch)


def test_versions_roll_back_and_blobs_are_kept_once(store: Store, deploy: Deploy) -> None:
    first = deploy("report/daily", HOURLY)
    assert deploy("report/daily", HOURLY).version == 1  # nothing has changed
    from dataclasses import replace

    changed = replace(
        first,
        spec=replace(first.spec, tags=("new",)),
        files=(SnapshotFile("report.ipynb", "d1", 5),),
    )

    def save(deployment: Deployment) -> Deployment:
        cursors = first_cursors(deployment.spec, START)
        return store.write(lambda t: save_deployment(t, deployment, {"d1": b"hello"}, cursors))

    assert save(changed).version == 2
    assert read_snapshot(store, "d1") == b"hello"
    store.write(lambda t: use_version(t, first, 1, first_cursors(first.spec, START)))
    assert get_deployment(store, "report/daily").spec.tags == ()
    assert [v.version for v in list_versions(store, first.id)] == [2, 1]
    assert save(changed).version == 3
    with pytest.raises(NotFoundError, match="no version 9"):
        store.write(lambda t: use_version(t, first, 9, ()))
    with pytest.raises(NotFoundError, match=r"did you mean report/daily \?"):
        get_deployment(store, "report/dayly")


def test_what_was_due_before_a_new_version_is_still_decided(store: Store, deploy: Deploy) -> None:
    later = START + 3 * HOUR
    deploy("same", HOURLY)
    deploy("same", HOURLY, now=later, tags=("new",))
    assert fire(store, 3 * HOUR) == Fired(runs=1, skipped=2)
    deploy("other", HOURLY, now=later)
    assert fire(store, 4 * HOUR).runs == 2


def test_a_paused_deployment_does_not_tick_and_does_not_catch_up(
    store: Store, deploy: Deploy
) -> None:
    deployment = deploy("report/daily", HOURLY)
    cursors = first_cursors(deployment.spec, START)
    store.write(lambda t: set_paused(t, deployment, True, cursors))
    assert fire(store, 5 * HOUR) == Fired()
    later = START + 5 * HOUR
    store.write(lambda t: set_paused(t, deployment, False, first_cursors(deployment.spec, later)))
    assert fire(store, 6 * HOUR) == Fired(runs=1)
    store.write(lambda t: delete_deployment(t, deployment.id))
    assert list_deployments(store) == ()
    assert len(store.list_runs()) == 1
