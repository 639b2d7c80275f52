"""What recording costs, and what a page of runs costs in a store of a million task runs.

Run as ``python -m tests.benchmarks.store [--task-runs N]``; prints one JSON object per line and
ends with 1 when a limit is exceeded. Times are in milliseconds, medians.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from orch_nb.model import FlowRun
from orch_nb.states import StateName, StateType
from orch_nb.store import RunQuery, Store, StoreWriter, TaskChange, open_store, rows
from orch_nb.store.tables import FLOW_RUNS, RUN_TAGS, TASK_RUNS
from tests.sample_runs import a_run, tasks_of

Measures = Iterator[tuple[str, float, float]]  # what, milliseconds, the limit

_TASKS_PER_RUN = 50


def chain(store: Store, length: int = 500) -> Measures:
    """Tasks one after another: each is awaited before the next begins."""
    tasks = tasks_of(run := a_run(), length)
    store.write(lambda t: t.create_flow_run(run, tasks, holder="me", by="bench"))
    took = []
    with StoreWriter(store) as writer:
        for task in tasks:
            started = time.perf_counter()
            running = replace(task, state_name=StateName.RUNNING)
            done = replace(running, state_name=StateName.COMPLETED)
            for new, old in ((running, task), (done, running)):
                change = TaskChange(new, old.state_name)
                recorded = writer.submit(
                    lambda t, change=change: t.set_task_states([change], epoch=1, by="bench")
                )
            recorded.result()
            took.append(time.perf_counter() - started)
    yield "record a task of a chain of 500 (p50)", statistics.median(took) * 1e3, 0.5


def independent(store: Store, count: int = 2000) -> Measures:
    """Tasks that have nothing to wait for."""
    tasks = tasks_of(run := a_run(), count)
    store.write(lambda t: t.create_flow_run(run, tasks, holder="me", by="bench"))
    started = time.perf_counter()
    with StoreWriter(store) as writer:
        for old, new in (
            (StateName.PENDING, StateName.RUNNING),
            (StateName.RUNNING, StateName.COMPLETED),
        ):
            for task in tasks:
                change = TaskChange(replace(task, state_name=new), old)
                writer.submit(
                    lambda t, change=change: t.set_task_states([change], epoch=1, by="bench")
                )
    yield (
        "record one of 2,000 independent tasks (amortised)",
        (time.perf_counter() - started) / count * 1e3,
        0.2,
    )


def large(store: Store, task_runs: int) -> Measures:
    """Pages of runs, and one run's tasks, in a large store."""
    _fill(store, task_runs // _TASKS_PER_RUN)
    some = store.list_runs(RunQuery(limit=1000))[-1]
    failed = (StateType.FAILED,)
    pages = {
        "newest": RunQuery(),
        "failed": RunQuery(state_types=failed),
        "failed of a flow": RunQuery(state_types=failed, flow="flow7"),
        "timed out, later page": RunQuery(state_names=(StateName.TIMED_OUT,), before=some.id),
        "a rare tag": RunQuery(tag="rare"),
        "failed with a common tag": RunQuery(state_types=failed, tag="nightly"),
        "of a flow that has none": RunQuery(flow="none", tag="nightly"),
    }
    for name, query in pages.items():
        yield f"page of runs: {name}", _median(lambda query=query: store.list_runs(query)), 20.0
    yield "a run by name", _median(lambda: store.get_run(some.name)), 20.0
    yield "a run's tasks", _median(lambda: store.task_runs(some.id)), 20.0


def opening(url: str) -> Measures:
    """A process's way to its store, beyond importing SQLAlchemy and our modules."""
    code = (
        "import time, orch_nb.store as s; started = time.perf_counter()\n"
        f"s.open_store({url!r}); print(time.perf_counter() - started)"
    )
    took = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    yield "open a current store", statistics.median(took) * 1e3, 25.0


def _median(ask: Callable[[], object], times: int = 9) -> float:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        ask()
        took.append(time.perf_counter() - started)
    return statistics.median(took) * 1e3


def _fill(store: Store, count: int) -> None:
    """Record ``count`` ended runs, in bulk."""
    chance = random.Random(1)
    endings = [StateName.COMPLETED] * 90 + [StateName.FAILED] * 9 + [StateName.TIMED_OUT]

    def ended(number: int) -> FlowRun:
        tags = ("nightly",) if number % 2 else ()
        return a_run(
            name=f"run-{number}",
            flow=f"flow{chance.randrange(40)}",
            state_name=chance.choice(endings),
            tags=(*tags, "rare") if number % 997 == 0 else tags,
            parameters={"years": [2024, 2025], "region": "EU"},
        )

    with store._database.engine.connect() as connection:
        for first in range(0, count, 500):
            runs = [ended(number) for number in range(first, min(first + 500, count))]
            tasks = [task for run in runs for task in tasks_of(run, _TASKS_PER_RUN)]
            tags = [{"tag": tag, "flow_run_id": run.id} for run in runs for tag in run.tags]
            store._database.begin(connection)
            connection.execute(FLOW_RUNS.insert(), [rows.flow_run_row(run) for run in runs])
            connection.execute(TASK_RUNS.insert(), [rows.task_run_row(task) for task in tasks])
            connection.execute(RUN_TAGS.insert(), tags)
            connection.commit()


def main() -> int:
    """Measure everything; 1 when something is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task-runs", type=int, default=1_000_000)
    task_runs = parser.parse_args().task_runs
    over = 0
    with tempfile.TemporaryDirectory() as folder:
        url = str(Path(folder) / "store.db")
        with open_store(url) as store:
            for measures in (chain(store), independent(store), large(store, task_runs)):
                over += _report(measures)
        over += _report(opening(url))
    return 1 if over else 0


def _report(measures: Measures) -> int:
    over = 0
    for what, milliseconds, limit in measures:
        over += milliseconds > limit
        print(json.dumps({"what": what, "ms": round(milliseconds, 3), "limit": limit}), flush=True)
    return over


if __name__ == "__main__":
    sys.exit(main())
