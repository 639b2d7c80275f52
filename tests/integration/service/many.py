"""Three schedulers and four workers, each a process, on one PostgreSQL; then everything counted."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from sqlalchemy import select

from orch_nb.schedules import IntervalSchedule, Overlap, Policy
from orch_nb.service.scheduler import Scheduler
from orch_nb.service.worker import Worker
from orch_nb.states import StateType
from orch_nb.store import open_store
from orch_nb.store.deployment_tables import TICKS
from orch_nb.store.queue_reading import has_open_runs
from orch_nb.store.tables import FLOW_RUNS, LEASES
from tests.integration.service.conftest import save_plain
from tests.integration.service.noop_runs import NoopLauncher

SCHEDULERS = 3
WORKERS = 4
DEPLOYMENTS = 50  # each ticks once a second
LIMIT = 8


def run_many(url: str, folder: Path, seconds: float, drain: float) -> tuple[int, int]:
    """Let them work for so many seconds, then until the queue is empty; ticks and runs done.

    Raises AssertionError where a tick is lost or doubled, or a run was done twice.
    """
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    with open_store(url) as store:
        for number in range(DEPLOYMENTS):
            schedule = IntervalSchedule(1.0, start, "UTC")
            overlap = Overlap.ALLOW if number % 2 else Overlap.QUEUE
            fields = {"policy": Policy(overlap=overlap)}
            save_plain(store, f"d{number}", (schedule,), start - timedelta(seconds=1), fields)
    end = time.time() + 3 + seconds
    children = [_fork(lambda: _schedule(url, end)) for _ in range(SCHEDULERS)]
    notes = [folder / f"worker-{number}" for number in range(WORKERS)]
    last = end + drain
    children += [_fork(lambda path=path: _work(url, path, end, last)) for path in notes]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert codes == [0] * len(children)
    return _count(url, notes)


def _fork(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def _schedule(url: str, end: float) -> None:
    with open_store(url) as store:
        scheduler = Scheduler(store)
        while time.time() < end:
            time.sleep(min(scheduler.step(datetime.now(UTC), time.monotonic()), 0.2))


def _work(url: str, notes: Path, end: float, last: float) -> None:
    with open_store(url) as store, notes.open("a") as file:
        launcher = NoopLauncher(store, lambda run_id: print(run_id, file=file))
        worker = Worker(store, launcher, pool="default", limit=LIMIT)
        while time.time() < end or (time.time() < last and has_open_runs(store)):
            time.sleep(min(worker.step(datetime.now(UTC), time.monotonic()), 0.1))
        worker.draining = True
        worker.step(datetime.now(UTC), time.monotonic())


def _count(url: str, notes: list[Path]) -> tuple[int, int]:
    done = Counter(run_id for path in notes for run_id in path.read_text().split())
    assert max(done.values()) == 1, "a run was done twice"
    with open_store(url) as store:
        ticks: dict[str, list[int]] = {}
        runs = set()
        columns = TICKS.c
        for row in store.query(select(TICKS).order_by(columns.scheduled_time)):
            assert row["reason"] == "", row["reason"]
            ticks.setdefault(row["deployment_id"], []).append(row["scheduled_time"])
            runs.add(row["flow_run_id"])
        assert len(ticks) == DEPLOYMENTS
        for times in ticks.values():
            assert all(later - earlier == 1_000_000 for earlier, later in pairwise(times))
        states = Counter(row["state_type"] for row in store.query(select(FLOW_RUNS.c.state_type)))
        assert sum(len(times) for times in ticks.values()) == len(runs) == sum(states.values())
        assert set(done) <= runs
        assert states[StateType.COMPLETED.value] == len(done)
        assert store.query(select(LEASES)) == []
        return len(runs), len(done)
