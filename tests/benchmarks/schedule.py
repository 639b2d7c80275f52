"""Time the scheduler: 10,000 deployments over a minute, all at one instant, and doing nothing.

``python -m tests.benchmarks.schedule`` prints the figures beside their budgets and ends with
code 1 when one is over; ``--over SECONDS`` shortens the minute, with as many deployments less.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from orch_nb.schedules import IntervalSchedule, Overlap, Policy
from orch_nb.schedules.deployment import Deployment, DeploymentId, DeploymentSpec
from orch_nb.service.scheduler import Scheduler
from orch_nb.states import StateType
from orch_nb.store import RunQuery, Store, Transaction, new_flow_run_id, open_store
from orch_nb.store.deployment_tables import TICKS
from orch_nb.store.deployments import save_deployment
from orch_nb.store.ticking import first_cursors
from orch_nb.store.times import micros
from tests.command_line import Bench, make_document

DEPLOYMENTS = 10_000
LATENESS_P99 = 0.250  # seconds from a tick until its run can be taken
AT_ONCE = 3.0
IDLE_CORE = 0.03
IDLE_SECONDS = 10.0
FIRST_CELL = 0.150
STARTS = 6
EVERY = 4
_BATCH = 500


def deploy_many(store: Store, anchors: Sequence[datetime], now: datetime) -> None:
    """Record deployments that tick daily, each at its own anchor."""

    def save(part: Sequence[tuple[int, datetime]], transaction: Transaction) -> None:
        for number, anchor in part:
            spec = DeploymentSpec(
                notebook="/x/report.ipynb",
                flow="report",
                schedules=(IntervalSchedule(86_400.0 * 7, anchor, "Europe/Madrid"),),
                policy=Policy(overlap=Overlap.QUEUE),
            )
            wanted = Deployment(DeploymentId(str(new_flow_run_id())), f"d/{number}", 0, spec)
            save_deployment(transaction, wanted, {}, first_cursors(spec, now))

    numbered = list(enumerate(anchors))
    for start in range(0, len(numbered), _BATCH):
        part = numbered[start : start + _BATCH]
        store.write(lambda t, part=part: save(part, t))  # type: ignore[misc]  # bound at once


def run_until(scheduler: Scheduler, end: datetime) -> dict[int, float]:
    """Step the scheduler with the real clock, as its loop does; when each step was done, by the
    time (in microseconds) that it was told."""
    done: dict[int, float] = {}
    while (now := datetime.now(UTC)) < end:
        wait = scheduler.step(now, time.monotonic())
        done[micros(now)] = time.time()
        left = (end - datetime.now(UTC)).total_seconds()
        time.sleep(max(min(wait, left), 0))
    return done


def latenesses(store: Store, done: dict[int, float]) -> list[float]:
    """Seconds from each tick until its run could be taken: until the step that made it was done."""
    ticks = TICKS.c
    rows = store.query(select(ticks.scheduled_time, ticks.decided))
    return [max(done[row["decided"]] - row["scheduled_time"] / 1e6, 0.0) for row in rows]


def measure(anchors: Sequence[datetime], end: datetime) -> list[float]:
    """The latenesses of deployments that tick once, at their anchors."""
    with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/store.db") as store:
        deploy_many(store, anchors, min(anchors) - timedelta(days=1))
        scheduler = Scheduler(store)
        if datetime.now(UTC) > min(anchors):
            raise SystemExit("recording the deployments took too long; give --count")
        found = latenesses(store, run_until(scheduler, end))
        if len(found) != len(anchors):
            raise SystemExit(f"{len(found)} ticks were decided of {len(anchors)}")
        return found


def measure_idle() -> float:
    """The share of a core that a scheduler with nothing to do takes."""
    with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/store.db") as store:
        later = datetime.now(UTC) + timedelta(days=300)
        deploy_many(store, [later] * 500, later - timedelta(days=1))
        scheduler = Scheduler(store)
        before = resource.getrusage(resource.RUSAGE_SELF)
        run_until(scheduler, datetime.now(UTC) + timedelta(seconds=IDLE_SECONDS))
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return used / IDLE_SECONDS


def measure_start() -> float:
    """The median time from a tick to the first cell of a notebook of one, on a warm worker."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "home").mkdir()
        bench = Bench(Path(folder), Path(folder) / "home")
        notebook = bench.folder / "one.ipynb"
        notebook.write_text(json.dumps(make_document("print(1)")))
        bench.orch("deploy", str(notebook), "--name", "one", "--every", f"{EVERY}s")
        daemon = bench.start("start", "--no-port", "--limit", "1")
        time.sleep(EVERY * (STARTS + 2))
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate()
        with open_store(f"{bench.home}/store.db") as store:
            done = store.list_runs(RunQuery(state_types=(StateType.COMPLETED,)))
            runs = sorted(done, key=lambda run: run.id)[2:]  # the first are cold
            begun = [(store.task_runs(run.id)[0].start_time, run.scheduled_time) for run in runs]
        waits = [(b - s).total_seconds() for b, s in begun if b is not None and s is not None]
        return statistics.median(waits)


def report(what: str, figure: float, budget: float) -> bool:
    """Print a figure; whether it is over its budget."""
    print(f"{what:<45} {figure:8.3f}   (at most {budget})", flush=True)
    return figure > budget


def main() -> int:
    """Measure and print; 1 when a budget is overrun."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=DEPLOYMENTS)
    parser.add_argument("--over", type=float, default=60.0, help="seconds that the ticks fill")
    arguments = parser.parse_args()
    count = arguments.count
    recording = 5 + count / 150  # seconds, generously
    over = []

    start = datetime.now(UTC) + timedelta(seconds=recording)
    spread = [start + timedelta(seconds=arguments.over * i / count) for i in range(count)]
    found = measure(spread, spread[-1] + timedelta(seconds=5))
    p99 = statistics.quantiles(found, n=100)[98]
    over.append(
        report(f"{count} ticks over {arguments.over:.0f} s: lateness p99", p99, LATENESS_P99)
    )

    instant = datetime.now(UTC) + timedelta(seconds=recording)
    found = measure([instant] * count, instant + timedelta(seconds=10))
    over.append(report(f"{count} ticks at one instant: the last", max(found), AT_ONCE))

    over.append(report("idle: share of a core", measure_idle(), IDLE_CORE))
    over.append(report("from a tick to the first cell, median", measure_start(), FIRST_CELL))
    return int(any(over))


if __name__ == "__main__":
    sys.exit(main())
