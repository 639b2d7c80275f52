"""Real notebooks a second: three schedulers and four workers, each a process, on one PostgreSQL.

``python -m tests.benchmarks.service_rate --seconds 60 --rate 2`` prints how many of the runs that
came due were completed while it lasted, and how late they began; code 1 when a tick was lost or
doubled, or a run was done twice. How many a machine keeps up with is its own affair.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from sqlalchemy import select

from orch_nb.states import StateName
from orch_nb.store import Store, open_store
from orch_nb.store.deployment_tables import TICKS
from orch_nb.store.tables import FLOW_RUNS
from tests.command_line import Bench, make_document
from tests.integration.store.servers import new_database, running_server, server_programs

SCHEDULERS = 3
WORKERS = 4
APART = 2  # seconds between the ticks of one deployment
DRAIN = 120.0


def doubled(store: Store) -> list[str]:
    """What is wrong with the ticks: lost, doubled, or without a run of their own."""
    wrong = []
    ticks: dict[str, list[int]] = {}
    runs: Counter[str] = Counter()
    for row in store.query(select(TICKS).order_by(TICKS.c.scheduled_time)):
        ticks.setdefault(row["deployment_id"], []).append(row["scheduled_time"])
        runs[row["flow_run_id"]] += 1
    wrong += [f"run {run} stands for {count} ticks" for run, count in runs.items() if count > 1]
    for deployment, times in ticks.items():
        gaps = {later - earlier for earlier, later in pairwise(times)}
        if gaps - {APART * 1_000_000}:
            wrong.append(f"deployment {deployment} has ticks {sorted(gaps)} µs apart")
    return wrong


def work(bench: Bench, url: str, rate: int, seconds: float) -> None:
    """Deploy, have everybody work for so long, and let the workers end what they have begun."""
    bench.environ |= {"ORCH_NB_STORE": url, "ORCH_NB_WARM": "0"}
    marks = bench.folder / "marks"
    marks.mkdir()
    source = f"import os, time\nopen({str(marks)!r} + '/' + os.urandom(8).hex(), 'x').close()"
    notebook = bench.folder / "one.ipynb"
    notebook.write_text(json.dumps(make_document(source)))
    anchor = (datetime.now(UTC) + timedelta(seconds=15)).replace(microsecond=0).isoformat()
    for number in range(rate * APART):
        every = ("--every", f"{APART}s", "--anchor", anchor, "--overlap", "allow")
        ended = bench.orch("deploy", str(notebook), "--name", f"d{number}", *every)
        if ended.code:
            raise SystemExit(ended.err)
    everybody = [bench.start("scheduler", "--no-port") for _ in range(SCHEDULERS)]
    workers = [bench.start("worker", "--limit", "1") for _ in range(WORKERS)]
    time.sleep(seconds)
    for group in (everybody, workers):
        for process in group:
            process.send_signal(signal.SIGTERM)
        for process in group:
            process.communicate(timeout=DRAIN)


def report(store: Store, marks: int, seconds: float) -> int:
    """Print what was done; 1 when something is wrong."""
    rows = store.query(select(FLOW_RUNS))
    done = [row for row in rows if row["state_name"] == StateName.COMPLETED.value]
    late = [(row["start_time"] - row["scheduled_time"]) / 1e6 for row in done]
    states = Counter(row["state_name"] for row in rows)
    print(f"{len(rows)} came due, {len(done)} completed: {len(done) / seconds:.2f} a second")
    if late:
        print(f"began late by {statistics.median(late):.1f} s (median), {max(late):.1f} s at most")
    print(", ".join(f"{count} {state}" for state, count in states.items()))
    wrong = doubled(store)
    if marks != len(done):
        wrong.append(f"{len(done)} runs are Completed, but the notebook ran {marks} times")
    for line in wrong:
        print(line)
    return int(bool(wrong) or not done)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure on a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=2, help="runs that come due in a second")
    wanted = parser.parse_args(arguments)
    programs = server_programs()
    if programs is None:
        raise SystemExit("PostgreSQL's server is not installed")
    with tempfile.TemporaryDirectory() as folder, running_server(programs) as server:
        (Path(folder) / "home").mkdir()
        bench = Bench(Path(folder), Path(folder) / "home")
        with new_database(server) as url:
            work(bench, url, wanted.rate, wanted.seconds)
            with open_store(url) as store:
                marks = len(list((bench.folder / "marks").iterdir()))
                return report(store, marks, wanted.seconds)


if __name__ == "__main__":
    sys.exit(main())
