"""What it takes to resume a long run that has one task left.

Run as ``python -m tests.benchmarks.resume [--tasks N]``; prints one JSON object per line and ends
with 1 when the limit is exceeded. Times are in milliseconds, medians: from the moment at which the
command has loaded what it needs and has been told what to do, to the start of that task.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.command_line import make_document

LIMIT = 300.0
_TIMES = 5
_RESUME = """
import sys, time
import orch_nb.cli.resume, orch_nb.cli.live, orch_nb.store.commit, orch_nb.runners.local
from orch_nb.app import ResumeRequest, resume
from orch_nb.engine.events import TaskChanged
from orch_nb.states import StateName
started = time.perf_counter()
def hear(event):
    if isinstance(event, TaskChanged) and event.task.state_name is StateName.RUNNING:
        if event.task.name == 'last':
            print((time.perf_counter() - started) * 1e3, flush=True)
resume(ResumeRequest('long'), hear)
"""


def write(path: Path, tasks: int, last: str) -> None:
    """A notebook of so many tasks, each of which reads the one before, and a last one."""
    cells = ["%%task t0\nv0 = [0]"]
    cells += [f"%%task t{n}\nv{n} = [v{n - 1}[0] + 1]\nprint(v{n})" for n in range(1, tasks - 1)]
    path.write_text(json.dumps(make_document(*cells, f"%%task last\n{last}\nprint(v{tasks - 2})")))


def main() -> int:
    """Measure; 1 when it is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=500)
    tasks = parser.parse_args().tasks
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.ipynb")
        environment = {**os.environ, "ORCH_NB_HOME": str(Path(folder, "home"))}
        write(path, tasks, "1 / 0")
        run = [str(Path(sys.executable).with_name("orch-nb")), "run", str(path), "-q"]
        subprocess.run([*run, "--name", "long"], env=environment, capture_output=True, check=False)
        took = []
        for turn in range(_TIMES):
            write(path, tasks, f"{turn} / 0")
            done = subprocess.run(
                [sys.executable, "-c", _RESUME], env=environment, capture_output=True, check=True
            )
            took.append(float(done.stdout))
    what = f"resume of a run of {tasks} tasks with one left: start of that task"
    median = statistics.median(took)
    print(json.dumps({"what": what, "ms": round(median, 1), "limit": LIMIT}))
    return median > LIMIT


if __name__ == "__main__":
    sys.exit(main())
