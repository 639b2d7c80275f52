"""How fast `.map` runs 1,000 tasks that do nothing on a LocalCluster of two workers, beside raw
`distributed`'s submit and gather of the same functions on the same cluster, in turns; and what a
map of 100,000 items holds in memory, in the driver and in the scheduler.

Run with ``python -m tests.benchmarks.dask_map [--items 100000]``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from orch_nb import flow, task

WORKERS = 2
ROUNDS = 5
COUNT = 1000


def nothing(item: int) -> int:
    return item


@task
def nothing_task(item: int) -> int:
    return item


def mapped(count: int, place: str) -> float:
    """Seconds of the map alone, without the flow's begin and end."""

    @flow(runner=f"dask={place}")
    def mapping() -> float:
        nothing_task.map(range(WORKERS)).result()  # its processes are there
        begin = time.perf_counter()
        found = nothing_task.map(range(count)).result()
        seconds = time.perf_counter() - begin
        if found != list(range(count)):
            raise RuntimeError("the map has given other values")
        return seconds

    return float(mapping())


def raw(client: Any, count: int) -> float:
    begin = time.perf_counter()
    client.gather([client.submit(nothing, item, pure=False) for item in range(count)])
    return time.perf_counter() - begin


def compare() -> dict[str, Any]:
    from distributed import Client, LocalCluster

    options = {"n_workers": WORKERS, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        place = cluster.scheduler_address
        raw(client, 10)
        mapped(10, place)
        theirs, ours = [], []
        for _ in range(ROUNDS):
            theirs.append(raw(client, COUNT))
            ours.append(mapped(COUNT, place))
    return {
        "items": COUNT,
        "ours_s": round(statistics.median(ours), 3),
        "raw_distributed_s": round(statistics.median(theirs), 3),
        "ratio": round(statistics.median(ours) / statistics.median(theirs), 2),
    }


class Peak:
    """The largest resident memory of a process while a block runs, and what a look finds most."""

    def __init__(self, pid: int, look: Callable[[], int] = lambda: 0) -> None:
        self.bytes = self.most = 0
        self._process = psutil.Process(pid)
        self._look = look
        self._over = threading.Event()

    def __enter__(self) -> Peak:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            self.bytes = max(self.bytes, self._process.memory_info().rss)
            self.most = max(self.most, self._look())


def hold_many(items: int) -> dict[str, Any]:
    """A long map on a cluster whose scheduler is a process of its own."""
    from distributed import Client

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        words = ["--scheduler-file", str(file), "--no-dashboard"]
        scheduler = _start("scheduler", *words, "--host", "127.0.0.1", "--port", "0")
        workers = [_start("worker", *words, "--nthreads", "1", "--no-nanny") for _ in range(2)]
        try:
            while not file.exists():
                time.sleep(0.1)
            with Client(scheduler_file=str(file)) as client:
                client.wait_for_workers(WORKERS)

                def tasks() -> int:
                    return int(client.run_on_scheduler(_count_tasks))

                with Peak(os.getpid(), tasks) as ours, Peak(scheduler.pid) as theirs:
                    seconds = mapped(items, str(file))
        finally:
            for process in (*workers, scheduler):
                process.kill()
                process.wait()
    return {
        "items": items,
        "seconds": round(seconds, 1),
        "driver_mb": ours.bytes // 1_000_000,
        "scheduler_mb": theirs.bytes // 1_000_000,
        "most_dask_tasks_at_once": ours.most,
    }


def _count_tasks(dask_scheduler: Any = None) -> int:
    return len(dask_scheduler.tasks)


def _start(what: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{what}", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    items = parser.parse_args().items
    with tempfile.TemporaryDirectory() as home:
        os.environ["ORCH_NB_HOME"] = home
        print(json.dumps({"map_1000": compare(), "long_map": hold_many(items)}, indent=1))


if __name__ == "__main__":
    main()
