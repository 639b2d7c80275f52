"""What the daemon holds while it runs a scheduled notebook again and again.

``python -m tests.soak.service_memory SECONDS`` prints memory as it goes, and ends with code 1
when the daemon itself is over its budget, or has grown. An hour is what `make soak` is asked for
with ``SECONDS=3600``.
"""

from __future__ import annotations

import json
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from orch_nb.states import StateType
from orch_nb.store import RunQuery, open_store
from tests.command_line import Bench, make_document

MOST = 120.0  # MB, of the daemon beside its template
MOST_OF_TEMPLATE = 300.0
MOST_GROWTH = 5.0  # MB, from the second quarter of the time to the last
EVERY = 4  # seconds between runs
LOOKS = 120  # in all the time
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Look:
    """Resident memory in MB of the daemon's process, and of the largest process below it."""

    daemon: float
    template: float


def look(daemon: psutil.Process) -> Look:
    """Measure now."""
    below = [0.0]
    for process in daemon.children(recursive=True):
        try:
            below.append(process.memory_info().rss / _MB)
        except psutil.Error:
            continue  # it has just ended
    return Look(daemon.memory_info().rss / _MB, max(below))


def measure(bench: Bench, seconds: float) -> tuple[list[Look], int]:
    """The looks at a daemon that works for so long, and how many runs it completed."""
    notebook = bench.folder / "one.ipynb"
    notebook.write_text(json.dumps(make_document("import json\nprint(json.dumps(1))")))
    ended = bench.orch("deploy", str(notebook), "--name", "one", "--every", f"{EVERY}s")
    if ended.code:
        raise SystemExit(ended.err)
    started = bench.start("start", "--no-port", "--limit", "1")
    daemon = psutil.Process(started.pid)
    looks = []
    try:
        for _ in range(LOOKS):
            time.sleep(seconds / LOOKS)
            looks.append(look(daemon))
            if len(looks) % (LOOKS // 12) == 0:
                now = looks[-1]
                print(f"daemon {now.daemon:6.1f} MB   below {now.template:6.1f} MB", flush=True)
    finally:
        started.send_signal(signal.SIGTERM)
        started.communicate(timeout=120)
    with open_store(f"{bench.home}/store.db") as store:
        done = store.list_runs(RunQuery(state_types=(StateType.COMPLETED,), limit=100_000))
    return looks, len(done)


def main(seconds: float) -> int:
    """Measure and judge; 1 when something is over its budget."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "home").mkdir()
        looks, runs = measure(Bench(Path(folder), Path(folder) / "home"), seconds)
    quarter = len(looks) // 4
    early = statistics.median(seen.daemon for seen in looks[quarter : 2 * quarter])
    late = statistics.median(seen.daemon for seen in looks[-quarter:])
    largest = max(seen.daemon for seen in looks)
    template = max(seen.template for seen in looks)
    figures = (
        ("daemon, at most", largest, MOST),
        ("daemon, growth from the second quarter to the last", late - early, MOST_GROWTH),
        ("largest process below it", template, MOST_OF_TEMPLATE),
    )
    print(f"{runs} runs in {seconds:.0f} s")
    for what, figure, budget in figures:
        print(f"{what:<52} {figure:7.1f} MB   (at most {budget:.0f})")
    if runs < seconds / EVERY / 4:
        print("too few runs to tell")
        return 1
    return int(any(figure > budget for _, figure, budget in figures))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
