"""How fast `.map` runs 1,000 tasks that do nothing, beside the standard library's process pool in
the same run; and what a map of 100,000 items holds in memory.

Run with ``python tests/benchmarks/mapping.py [--items 100000]``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import psutil

from orch_nb import flow, task

WORKERS = 2
ROUNDS = 5


def nothing(item: int) -> int:
    return item


@task
def nothing_task(item: int) -> int:
    return item


@flow(max_workers=WORKERS)
def mapped(count: int) -> int:
    begin = time.perf_counter()
    done = len(nothing_task.map(range(count)).result())
    TIMES.append(time.perf_counter() - begin)
    return done


TIMES: list[float] = []


def whole(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def standard(count: int) -> float:
    with ProcessPoolExecutor(WORKERS) as pool:
        pool.submit(nothing, 0).result()  # its processes are there
        begin = time.perf_counter()
        for future in [pool.submit(nothing, item) for item in range(count)]:
            future.result()
        return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    items = parser.parse_args().items
    with tempfile.TemporaryDirectory() as home:
        os.environ["ORCH_NB_HOME"] = home
        mapped(10)  # imports, the store, the template
        TIMES.clear()
        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(standard(1000))
            ours.append(whole(lambda: mapped(1000)))
        process = psutil.Process()
        before = process.memory_info().rss
        seconds = whole(lambda: mapped(items))
        after = process.memory_info().rss
        print(
            json.dumps(
                {
                    "map_1000_s": round(statistics.median(TIMES[:ROUNDS]), 3),
                    "whole_flow_1000_s": round(statistics.median(ours), 3),
                    "process_pool_1000_s": round(statistics.median(theirs), 3),
                    "ratio": round(
                        statistics.median(TIMES[:ROUNDS]) / statistics.median(theirs), 2
                    ),
                    "items": items,
                    "seconds": round(seconds, 1),
                    "memory_before_mb": before // 1_000_000,
                    "memory_after_mb": after // 1_000_000,
                    "memory_of_map_mb": (after - before) // 1_000_000,
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main()
