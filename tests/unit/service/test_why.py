"""What `orch-nb why` says, word for word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from orch_nb.app.backfilling import BackfillRequest, backfill
from orch_nb.app.why import why
from orch_nb.schedules import CronSchedule
from orch_nb.service.presence import Presence
from orch_nb.service.scheduler import Scheduler
from orch_nb.states import StateName
from orch_nb.store import Store
from orch_nb.store.queueing import take_due
from orch_nb.store.workers import renew_worker
from tests.integration.service.conftest import Deploy

SIX = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)  # in Madrid
DAILY = CronSchedule("0 6 * * *", "Europe/Madrid")
MINUTE = timedelta(minutes=1)


def show(store: Store, name: str, seen: datetime, running: int, limit: int, **fields: str) -> None:
    record = Presence(store, "worker", SIX - timedelta(hours=1), pool="default").record
    record = replace(record, name=name, limit=limit, running=running, seen=seen)
    shown = replace(record, holder=f"{name}/1", **fields)
    store.write(lambda t: renew_worker(t, shown))


def test_a_late_run_that_waits_for_a_full_pool(store: Store, deploy: Deploy) -> None:
    scheduler = Scheduler(store)
    big = deploy("etl/big", CronSchedule("0 5 * * *", "Europe/Madrid"), now=SIX - 120 * MINUTE)
    scheduler.step(SIX - 60 * MINUTE, 0.0)
    (taken,) = store.write(
        lambda t: take_due(t, "host-a/1", pool="default", limit=1, now=SIX, worker="host-a")
    )
    running = replace(taken.run, state_name=StateName.RUNNING, start_time=SIX - 48 * MINUTE)
    store.write(lambda t: t.set_flow_state(running, expected=taken.run.state_name, by="test"))
    deploy("report/daily", DAILY, now=SIX - MINUTE)
    scheduler.step(SIX, 10.0)
    scheduler.step(SIX + MINUTE, 20.0)
    now = SIX + 7 * MINUTE
    show(store, "host-a", now, running=1, limit=1)
    show(store, "host-b", SIX + MINUTE, running=0, limit=2)
    run = next(run for run in store.list_runs() if run.id != taken.run.id)
    found = why(run.name, now=now)
    assert big.name == "etl/big"
    assert found.headline == "report/daily is Late: due 06:00 CET, 7 min ago. Nothing has failed."
    assert found.reasons == (
        "pool 'default' full: 1 of 1; oldest etl/big since 05:12",
        "host-b silent since 06:01; it was lost",
    )
    assert found.outlook == (
        "Starts when one slot frees. Or: orch-nb cancel RUN · worker --limit 3"
    )
    early = why(run.name, now=SIX - 5 * MINUTE)
    assert early.headline == "report/daily is Scheduled: due 06:00 CET, in 5 min."


def test_a_run_that_waits_for_another_of_its_deployment(store: Store, deploy: Deploy) -> None:
    deploy("report/daily", DAILY, now=SIX - MINUTE)
    scheduler = Scheduler(store)
    scheduler.step(SIX, 0.0)
    (taken,) = store.write(
        lambda t: take_due(t, "a/1", pool="default", limit=1, now=SIX, worker="a")
    )
    scheduler.step(SIX + timedelta(days=1), 1.0)
    now = SIX + timedelta(days=1, minutes=2)
    show(store, "host-a", now, running=0, limit=4)
    run = next(run for run in store.list_runs() if run.id != taken.run.id)
    found = why(run.name, now=now)
    assert found.reasons == (f"{taken.run.name} of the same deployment has not ended",)
    assert found.outlook == f"Starts when it ends. Or: orch-nb cancel {taken.run.name}"


def test_a_run_that_nobody_takes(store: Store, deploy: Deploy) -> None:
    deploy("report/daily", DAILY, now=SIX - MINUTE)
    Scheduler(store).step(SIX, 0.0)
    (run,) = store.list_runs()
    found = why(run.name, now=SIX + 3 * MINUTE)
    assert found.reasons == ("no worker of pool 'default' is alive",)
    assert found.outlook == "Starts when one comes up: orch-nb worker --pool default"


def test_a_run_whose_pool_drains(store: Store, deploy: Deploy) -> None:
    deploy("report/daily", DAILY, now=SIX - MINUTE)
    Scheduler(store).step(SIX, 0.0)
    (run,) = store.list_runs()
    show(store, "host-a", SIX + MINUTE, running=1, limit=1, state="draining")
    show(store, "host-b", SIX - MINUTE, running=1, limit=1, pool="another")
    found = why(run.name, now=SIX + MINUTE)
    assert found.reasons == ("the workers of pool 'default' are draining: they take nothing more",)
    assert found.outlook == "Starts when one comes up: orch-nb worker --pool default"


def test_a_run_of_a_backfill(store: Store, deploy: Deploy) -> None:
    deploy("report/daily", DAILY)
    done = backfill(BackfillRequest("report/daily", "2026-01-01", "2026-01-04"))
    now = datetime.now(UTC) + MINUTE
    show(store, "host-a", now, running=1, limit=4)
    (taken,) = store.write(
        lambda t: take_due(t, "a/1", pool="default", limit=2, now=now, worker="a")
    )
    assert taken.run.id == done.runs[0].id
    found = why(done.runs[2].name, now=now)
    assert found.reasons == (
        f"its backfill runs at most 1 at once: {taken.run.name} has not ended",
        "1 run ahead of it in the queue",
    )
    assert found.outlook == f"Starts when it ends. Or: orch-nb cancel {taken.run.name}"
