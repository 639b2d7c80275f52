"""What watching a cell costs, beside the same cell unwatched, in one process, in turn.

Run as ``python -m tests.benchmarks.observing``. Prints medians; take the differences and ratios.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import replace

from orch_nb.execution.execute import execute
from orch_nb.execution.job import Job, SessionSpec
from orch_nb.execution.shell import CellShell

REPEATS = 9
SLEEP = 0.1  # seconds that the cells which sleep do
SETUP = """
import time
import numpy as np, pandas as pd
numbers = list(range(1000))
table = {f'key {i}': [i, str(i)] for i in range(1000)}
array = np.arange(100_000.0)
frame = pd.DataFrame({'a': np.arange(100_000), 'b': np.arange(100_000.0), 'c': ['x'] * 100_000})
class Account:
    def __init__(self): self.items = []
accounts = [Account() for _ in range(300)]
"""
# Name → source, the names it reaches, and those of them that it may change.
CELLS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "pass": ("pass", (), ()),
    "x = 1": ("x = 1", (), ()),
    "sum of a list": ("total = sum(numbers)", ("numbers",), ()),
    "append to a list": ("numbers.append(1)", ("numbers",), ("numbers",)),
    "change of an object": ("accounts[0].items.append(1)", ("accounts",), ("accounts",)),
    "a dict of lists": ("table['key 1'].append(1)", ("table",), ("table",)),
    "a column's mean": ("m = frame.b.mean()", ("frame",), ("frame",)),
    "a new column": ("frame['d'] = frame.a * 2", ("frame",), ("frame",)),
    "100 ms with a frame": (
        "time.sleep(0.1); frame['d'] = frame.a * 2",
        ("frame", "time"),
        ("frame",),
    ),
    "100 ms with all of it": (
        "time.sleep(0.1); n = len(frame) + len(table) + len(accounts)",
        ("frame", "table", "accounts", "array", "numbers", "time"),
        ("frame", "table", "accounts", "array", "numbers"),
    ),
}


def main() -> None:
    """Measure every cell watched and unwatched."""
    out = os.fdopen(os.dup(1), "w")  # the shell takes the process's own for the cells
    shell = CellShell()
    with tempfile.TemporaryDirectory() as folder:
        spec = SessionSpec(folder, folder)
        shell.run(SETUP, count=1)
        title = f"milliseconds, median of {REPEATS}"
        print(f"{title:<30}{'plain':>9}{'watched':>9}{'more':>8}{'ratio':>8}", file=out)
        for name, (source, reads, changes) in CELLS.items():
            job = Job(1, 1, source, 2, reads=reads, changes=changes, ship=False)
            plain: list[float] = []
            watched: list[float] = []
            for _ in range(REPEATS):
                plain.append(_time(shell, replace(job, observe=False), spec))
                watched.append(_time(shell, job, spec))
            one, other = statistics.median(plain), statistics.median(watched)
            costs = f"{other - one:>8.2f}{other / one:>8.2f}"
            print(f"{name:<30}{one:>9.2f}{other:>9.2f}{costs}", file=out, flush=True)


def _time(shell: CellShell, job: Job, spec: SessionSpec) -> float:
    """Milliseconds that one execution takes."""
    begin = time.process_time()  # others' work on this machine does not count
    outcome = execute(shell, job, spec, may_refuse=False)
    seconds = time.process_time() - begin + job.source.count("sleep") * SLEEP
    if outcome.error is not None:
        raise RuntimeError(f"{job.source}: {outcome.error.value}")
    return seconds * 1000


if __name__ == "__main__":
    main()
